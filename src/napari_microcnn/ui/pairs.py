"""The table of images and their annotation layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QMenu,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_microcnn.config import ClassInfo
from napari_microcnn.ui import layers
from napari_microcnn.ui.choices import LayerChoice
from napari_microcnn.ui.pairing import FilePair
from napari_microcnn.ui.text import quiet

ROLE = "annotation"
_ROW = 24
_BRUSH = 6
_USE = 2
"""Column of the boxes that say what is for validation."""


class PairTable(QWidget):
    """Pairs of an image layer and the labels layer with its annotation.

    Parameters
    ----------
    viewer : ViewerModel
    classes : callable
        Returns the classes, for the colours of new annotation layers.

    Attributes
    ----------
    changed : Signal()
        Emitted when a pair came, went, or changed its use.
    folders_wanted : Signal()
        Emitted when the user wants to add folders.
    refused : Signal(str)
        Emitted with a sentence when something cannot be done.
    """

    changed = Signal()
    folders_wanted = Signal()
    refused = Signal(str)

    def __init__(self, viewer: ViewerModel, classes: Callable[[], Sequence[ClassInfo]]) -> None:
        super().__init__()
        self._viewer = viewer
        self._classes = classes
        self._pairs: list[tuple[Image, Labels]] = []
        self._files: list[FilePair] = []
        self.image = LayerChoice(viewer, Image, "Open an image first")
        self.new_button = QPushButton("New annotation layer")
        self.new_button.setToolTip("Make an empty labels layer for this image: same size, scale and unit")
        self.pair_button = QPushButton("Pair with")
        self.pair_button.setToolTip("Use labels that are open already as annotation of this image")
        self.remove_button = QPushButton("Remove pair")
        self.remove_button.setToolTip("Do not train with the selected pair; its layers stay")
        self.folders_button = QPushButton("Add folders …")
        self.folders_button.setToolTip("Train on images and label images in folders, paired by their names")
        self._menu = QMenu(self)
        self._menu.aboutToShow.connect(self._fill_menu)
        self.pair_button.setMenu(self._menu)
        self._table = self._make_table()
        self._count = quiet()
        self._lay_out()
        self.new_button.clicked.connect(self.new_annotation)
        self.remove_button.clicked.connect(self.remove)
        self.folders_button.clicked.connect(self.folders_wanted)
        events = viewer.layers.events
        events.inserted.connect(self._layer_came)
        events.removed.connect(self._layer_left)
        events.renamed.connect(self._show)
        for layer in viewer.layers:
            self._take_up(layer)
        self._show()

    def _lay_out(self) -> None:
        grid = QGridLayout()
        grid.addWidget(self.image, 0, 0)
        grid.addWidget(self.pair_button, 0, 1)
        grid.addWidget(self.new_button, 1, 0)
        grid.addWidget(self.folders_button, 1, 1)
        grid.setColumnStretch(0, 1)
        foot = QHBoxLayout()
        foot.addWidget(self._count, 1)
        foot.addWidget(self.remove_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(grid)
        layout.addWidget(self._table)
        layout.addLayout(foot)

    def _make_table(self) -> QTableWidget:
        table = QTableWidget(0, 3)
        table.setHorizontalHeaderLabels(["Image", "Annotation", "Validate"])
        table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        table.horizontalHeader().setSectionResizeMode(_USE, QHeaderView.ResizeMode.ResizeToContents)
        table.horizontalHeaderItem(_USE).setToolTip("For validation: this image judges the model and never trains it")
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(_ROW)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setShowGrid(False)
        table.cellClicked.connect(lambda *_: self._activate())
        table.itemChanged.connect(self._used)
        return table

    @property
    def pairs(self) -> list[tuple[Image, Labels]]:
        """The pairs in the order shown."""
        return list(self._pairs)

    @property
    def files(self) -> list[FilePair]:
        """The pairs of files, which are not open, in the order shown below the layers."""
        return list(self._files)

    @property
    def current(self) -> tuple[Image, Labels] | None:
        """The selected pair of layers, or the last one."""
        row = self._table.currentRow()
        if 0 <= row < len(self._pairs):
            return self._pairs[row]
        return self._pairs[-1] if self._pairs else None

    def add_files(self, pairs: Sequence[FilePair]) -> None:
        """List pairs of files; those of the same image are replaced."""
        new = {pair.image for pair in pairs}
        self._files = [pair for pair in self._files if pair.image not in new] + list(pairs)
        self._show()
        self.changed.emit()

    def set_validation(self, row: int, validation: bool) -> None:
        """Say whether the image in a row judges the model (and never trains it)."""
        if row < len(self._pairs):
            _, annotation = self._pairs[row]
            known = annotation.metadata.get(layers.KEY, {})
            annotation.metadata[layers.KEY] = {**known, "validation": validation}
        else:
            index = row - len(self._pairs)
            self._files[index] = replace(self._files[index], validation=validation)
        self._show()
        self.changed.emit()

    def add(self, image: Image, annotation: Labels) -> None:
        """Use a labels layer as the annotation of an image; replaces an older pair of either."""
        if any(pair[0] is image and pair[1] is annotation for pair in self._pairs):
            return
        self._pairs = [pair for pair in self._pairs if pair[1] is not annotation]
        self._pairs.append((image, annotation))
        known = annotation.metadata.get(layers.KEY, {})
        annotation.metadata[layers.KEY] = {**known, "role": ROLE, "source": image.name}
        self._show()
        self._table.setCurrentCell(len(self._pairs) - 1, 0)
        self.changed.emit()

    def remove(self) -> None:
        """Take the selected pair out of the table; layers and files stay."""
        row = self._table.currentRow()
        if row >= len(self._pairs):
            del self._files[row - len(self._pairs)]
        elif self.current is not None:
            _, annotation = self.current
            known = annotation.metadata.get(layers.KEY, {})
            annotation.metadata[layers.KEY] = {**known, "role": None}
            self._pairs.remove(self.current)
        else:
            return
        self._show()
        self.changed.emit()

    def new_annotation(self) -> None:
        """Make an empty annotation layer for the chosen image, ready to paint."""
        image = self.image.layer
        if image is None:
            self.refused.emit("Open an image first; then a new annotation layer can be made for it.")
            return
        annotation = self._viewer.add_labels(
            np.zeros(layers.shape_of(image), np.uint8),
            name=f"{image.name} annotation",
            colormap=layers.class_colours(self._classes()),
            opacity=0.7,
            **layers.placed_like(image),
        )
        annotation.brush_size = _BRUSH
        self.add(image, annotation)
        self._activate()

    def _fill_menu(self) -> None:
        self._menu.clear()
        image = self.image.layer
        fitting = [
            layer
            for layer in self._viewer.layers
            if isinstance(layer, Labels) and image is not None and layer.data.shape == layers.shape_of(image)
        ]
        for layer in fitting:
            self._menu.addAction(layer.name, lambda layer=layer: self.add(image, layer))
        if not fitting:
            self._menu.addAction("No labels layer has the size of this image").setEnabled(False)

    def _activate(self) -> None:
        if self.current is not None and self._table.currentRow() < len(self._pairs):
            self._viewer.layers.selection.active = self.current[1]

    def _layer_came(self, event: Any) -> None:
        self._take_up(event.value)

    def _take_up(self, layer: Any) -> None:
        """Pair a layer that says whose annotation it is, as those of the samples do."""
        known = layer.metadata.get(layers.KEY, {})
        if isinstance(layer, Labels) and known.get("role") == ROLE:
            image = next((one for one in self._viewer.layers if one.name == known.get("source")), None)
            if isinstance(image, Image):
                self.add(image, layer)

    def _layer_left(self, event: Any) -> None:
        left = [pair for pair in self._pairs if event.value in pair]
        if left:
            self._pairs = [pair for pair in self._pairs if event.value not in pair]
            self._show()
            self.changed.emit()

    def _used(self, item: QTableWidgetItem) -> None:
        if item.column() == _USE:
            self.set_validation(item.row(), item.checkState() == Qt.CheckState.Checked)

    def _show(self, event: Any = None) -> None:  # noqa: ARG002 - napari hands over its event
        row = self._table.currentRow()
        shown = [(*(layer.name for layer in pair), layers.for_validation(pair[1])) for pair in self._pairs]
        shown += [(pair.image.name, pair.labels.name, pair.validation) for pair in self._files]
        self._table.blockSignals(True)
        self._table.setRowCount(len(shown))
        for index, (image, annotation, validation) in enumerate(shown):
            for column, name in enumerate((image, annotation)):
                item = QTableWidgetItem(name)
                item.setToolTip(name)
                self._table.setItem(index, column, item)
            box = QTableWidgetItem()
            box.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsSelectable)
            box.setCheckState(Qt.CheckState.Checked if validation else Qt.CheckState.Unchecked)
            self._table.setItem(index, _USE, box)
        header = self._table.horizontalHeader().sizeHint().height()
        self._table.setFixedHeight(header + _ROW * min(max(len(shown), 1), 5) + 4)
        self._table.setCurrentCell(min(max(row, 0), len(shown) - 1), 0)
        self._table.blockSignals(False)
        held = sum(validation for _, _, validation in shown)
        self._count.setText(f"{len(shown)} pairs, {held} for validation" if len(shown) > 1 else "")
        self.remove_button.setEnabled(bool(shown))
