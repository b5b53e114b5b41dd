"""The table of images and their annotation layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QGridLayout,
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

ROLE = "annotation"
_ROW = 24
_BRUSH = 6


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
        Emitted when a pair came or went.
    refused : Signal(str)
        Emitted with a sentence when something cannot be done.
    """

    changed = Signal()
    refused = Signal(str)

    def __init__(self, viewer: ViewerModel, classes: Callable[[], Sequence[ClassInfo]]) -> None:
        super().__init__()
        self._viewer = viewer
        self._classes = classes
        self._pairs: list[tuple[Image, Labels]] = []
        self.image = LayerChoice(viewer, Image, "Open an image first")
        self.new_button = QPushButton("New annotation layer")
        self.new_button.setToolTip("Make an empty labels layer for this image: same size, scale and unit")
        self.pair_button = QPushButton("Pair with")
        self.pair_button.setToolTip("Use labels that are open already as annotation of this image")
        self.remove_button = QPushButton("Remove pair")
        self.remove_button.setToolTip("Do not train with the selected pair; its layers stay")
        self._menu = QMenu(self)
        self._menu.aboutToShow.connect(self._fill_menu)
        self.pair_button.setMenu(self._menu)
        self._table = self._make_table()
        grid = QGridLayout()
        grid.addWidget(self.image, 0, 0)
        grid.addWidget(self.pair_button, 0, 1)
        grid.addWidget(self.new_button, 1, 0)
        grid.addWidget(self.remove_button, 1, 1)
        grid.setColumnStretch(0, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(grid)
        layout.addWidget(self._table)
        self.new_button.clicked.connect(self.new_annotation)
        self.remove_button.clicked.connect(self.remove)
        events = viewer.layers.events
        events.inserted.connect(self._layer_came)
        events.removed.connect(self._layer_left)
        events.renamed.connect(self._show)
        for layer in viewer.layers:
            self._take_up(layer)
        self._show()

    def _make_table(self) -> QTableWidget:
        table = QTableWidget(0, 2)
        table.setHorizontalHeaderLabels(["Image", "Annotation"])
        table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(_ROW)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setShowGrid(False)
        table.cellClicked.connect(lambda *_: self._activate())
        return table

    @property
    def pairs(self) -> list[tuple[Image, Labels]]:
        """The pairs in the order shown."""
        return list(self._pairs)

    @property
    def current(self) -> tuple[Image, Labels] | None:
        """The selected pair, or the last one."""
        row = self._table.currentRow()
        if 0 <= row < len(self._pairs):
            return self._pairs[row]
        return self._pairs[-1] if self._pairs else None

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
        """Take the selected pair out of the table; the layers stay."""
        if self.current is not None:
            _, annotation = self.current
            known = annotation.metadata.get(layers.KEY, {})
            annotation.metadata[layers.KEY] = {**known, "role": None}
            self._pairs.remove(self.current)
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
        if self.current is not None:
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

    def _show(self, event: Any = None) -> None:  # noqa: ARG002 - napari hands over its event
        row = self._table.currentRow()
        self._table.setRowCount(len(self._pairs))
        for index, pair in enumerate(self._pairs):
            for column, layer in enumerate(pair):
                item = QTableWidgetItem(layer.name)
                item.setToolTip(layer.name)
                self._table.setItem(index, column, item)
        header = self._table.horizontalHeader().sizeHint().height()
        self._table.setFixedHeight(header + _ROW * min(max(len(self._pairs), 1), 5) + 4)
        self._table.setCurrentCell(min(max(row, 0), len(self._pairs) - 1), 0)
        self.remove_button.setEnabled(bool(self._pairs))
