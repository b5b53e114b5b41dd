"""Where labelled images come from: a folder or table, the planes of a stack, or regions of an image."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer, Shapes
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_microcnn.ui import layers
from napari_microcnn.ui.choices import LayerChoice
from napari_microcnn.ui.classify_tasks import OnePlace, Planes, Regions, Source
from napari_microcnn.ui.text import quiet

PLANE_CLASSES, PLANE_MICROGRAPHS = "plane_classes", "plane_micrographs"
"""Under these a stack layer's metadata may hold the class, and the micrograph, of every plane."""
_FOLDER = "A folder per class; inside it one per micrograph, where several images come from the same. Or a CSV table."
_STACK = "In the order of the planes, a number of them each: ferrite*10, bainite*12; a minus sign leaves planes out."
_REGIONS = "Labels whose numbers are classes, or shapes with a feature 'class'."


class SourceChoice(QWidget):
    """Lets the user say what to learn from.

    Parameters
    ----------
    viewer : ViewerModel
    """

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self.kind = QComboBox()
        self.kind.addItems(["folder or table", "planes of a stack", "regions of an image"])
        self.path = QLineEdit()
        self.path.setPlaceholderText("folder with a folder per class")
        self.stack = LayerChoice(viewer, Image, "No stack is open")
        self.planes = QLineEdit()
        self.planes.setPlaceholderText("ferrite*10, bainite*12")
        self.image = LayerChoice(viewer, Image, "No image is open")
        self.regions: LayerChoice[Layer] = LayerChoice(viewer, (Labels, Shapes), "No labels or shapes yet")
        self._pages = QStackedWidget()
        self._pages.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._pages.addWidget(self._folder_page())
        self._pages.addWidget(_page(_STACK, ("Stack", self.stack), ("Classes", self.planes)))
        self._pages.addWidget(_page(_REGIONS, ("Image", self.image), ("Regions", self.regions)))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        top = QFormLayout()
        top.addRow("Learn from", self.kind)
        layout.addLayout(top)
        layout.addWidget(self._pages)
        self.kind.currentIndexChanged.connect(self._turn)
        self._turn(0)
        self.stack.layer_changed.connect(self._propose)
        self._propose()

    def _turn(self, index: int) -> None:
        self._pages.setCurrentIndex(index)
        only_current_takes_room(self._pages)

    def _folder_page(self) -> QWidget:
        row = QWidget()
        inside = QHBoxLayout(row)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.addWidget(self.path, 1)
        for text, call in (("Folder …", self._ask_folder), ("Table …", self._ask_table)):
            button = QPushButton(text)
            button.clicked.connect(call)
            inside.addWidget(button)
        return _page(_FOLDER, ("", row))

    def source(self) -> Source:
        """Return what to learn from.

        Raises
        ------
        ValueError
            With one sentence on what the user should do first.
        """
        return (self._place, self._planes, self._regions)[self.kind.currentIndex()]()

    @property
    def title(self) -> str:
        """A name for a model that learns from it."""
        layer = (None, self.stack.layer, self.image.layer)[self.kind.currentIndex()]
        return layer.name if layer is not None else Path(self.path.text()).stem or "classifier"

    def _place(self) -> Source:
        text = self.path.text().strip()
        if not text:
            raise ValueError("Choose a folder first, with a folder of images for every class, or a CSV table.")
        return OnePlace(Path(text).expanduser())

    def _planes(self) -> Source:
        layer = self.stack.layer
        if layer is None or len(layers.shape_of(layer)) != 3:
            raise ValueError("Open a stack first: an image layer whose planes are the images to learn from.")
        known = layer.metadata.get(layers.KEY, {})
        owners = known.get(PLANE_MICROGRAPHS)
        names = plane_classes(self.planes.text(), layers.shape_of(layer)[0])
        return Planes(layers.source_of(layer), names, tuple(owners) if owners is not None else None)

    def _regions(self) -> Source:
        image, regions = self.image.layer, self.regions.layer
        if image is None or regions is None:
            raise ValueError("Open an image and paint or draw regions on it first.")
        labels, names = labels_of(regions, layers.shape_of(image))
        return Regions(layers.source_of(image), labels, names)

    def _propose(self) -> None:
        layer = self.stack.layer
        known = [] if layer is None else layer.metadata.get(layers.KEY, {}).get(PLANE_CLASSES, [])
        if len(known):
            self.planes.setText(shortened(list(known)))

    def _ask_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder with a folder of images per class", self.path.text())
        if folder:
            self.path.setText(folder)

    def _ask_table(self) -> None:
        file, _ = QFileDialog.getOpenFileName(self, "Table of images", self.path.text(), "Tables (*.csv *.txt)")
        if file:
            self.path.setText(file)


def only_current_takes_room(pages: QStackedWidget | QTabWidget) -> None:
    """Let the widget be as high as the page that is seen, and not as the highest one."""
    for index in range(pages.count()):
        policy = QSizePolicy.Policy.Preferred if index == pages.currentIndex() else QSizePolicy.Policy.Ignored
        pages.widget(index).setSizePolicy(QSizePolicy.Policy.Preferred, policy)
    pages.updateGeometry()


def _page(hint: str, *rows: tuple[str, QWidget]) -> QWidget:
    page = QWidget()
    form = QFormLayout(page)
    form.setContentsMargins(0, 0, 0, 0)
    for label, widget in rows:
        if label:
            form.addRow(label, widget)
        else:
            form.addRow(widget)
    form.addRow(quiet(hint))
    return page


def plane_classes(text: str, planes: int) -> tuple[str | None, ...]:
    """Return the class of every plane from text.

    Raises
    ------
    ValueError
        If they are more or fewer than the planes.

    Examples
    --------
    >>> plane_classes("ferrite*2, -, bainite", 4)
    ('ferrite', 'ferrite', None, 'bainite')
    """
    names: list[str | None] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        match = re.fullmatch(r"(.*?)\s*(?:\*\s*(\d+))?", part)
        name = match[1] if match else part
        names += [None if name == "-" else name] * int((match and match[2]) or 1)
    if len(names) != planes:
        raise ValueError(
            f"The stack has {planes} planes, but {len(names)} classes are given; write them like ferrite*9, pearlite*8."
        )
    return tuple(names)


def shortened(names: list[str | None]) -> str:
    """Return the text for `plane_classes`.

    Examples
    --------
    >>> shortened(["ferrite", "ferrite", None, "bainite"])
    'ferrite*2, -, bainite'
    """
    runs: list[tuple[str, int]] = []
    for name in (one or "-" for one in names):
        if runs and runs[-1][0] == name:
            runs[-1] = (name, runs[-1][1] + 1)
        else:
            runs.append((name, 1))
    return ", ".join(name if count == 1 else f"{name}*{count}" for name, count in runs)


def labels_of(layer: Labels | Shapes, shape: tuple[int, ...]) -> tuple[np.ndarray, tuple[tuple[int, str], ...]]:
    """Return regions as labels, (Y, X) integers, and the names of their classes.

    Raises
    ------
    ValueError
        If they lie on an image of another size, or shapes have no class.
    """
    if isinstance(layer, Labels):
        found = np.asarray(layer.data)
        if found.shape != shape:
            raise ValueError(f"{layer.name!r} has the shape {found.shape}, but the image {shape}; choose others.")
        known = layer.metadata.get(layers.KEY, {}).get("classes", ())
        return found, tuple((info.id, info.name) for info in known)
    if "class" not in layer.features or len(shape) != 2:
        raise ValueError(
            f"The shapes in {layer.name!r} say no class: give the layer a feature 'class', or paint labels instead."
        )
    classes = [str(value) for value in layer.features["class"]]
    numbers = {name: index for index, name in enumerate(sorted(set(classes)), 1)}
    found = np.zeros(shape, np.int32)
    for mask, name in zip(layer.to_masks(shape), classes, strict=True):
        found[mask] = numbers[name]
    return found, tuple((number, name) for name, number in numbers.items())
