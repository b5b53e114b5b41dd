"""A part of an image to look at: all of it, a pixel that was clicked, or a region that was drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Shapes
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_microcnn.ui import layers
from napari_microcnn.ui.choices import LayerChoice
from napari_microcnn.ui.text import quiet

WHOLE, PIXEL, REGION = "whole image", "a pixel", "a region"
DRAWN, PICKED = "drawn region", "picked pixel"
_POINT = {"face_color": "#ffd92f", "border_color": "black", "symbol": "cross", "size": 12}


class WhereChoice(QWidget):
    """Whole image, a pixel that is clicked, or the shapes or labels of a layer.

    Parameters
    ----------
    viewer : ViewerModel
    image : callable
        Returns the image layer that is looked at.

    Attributes
    ----------
    pixel : tuple of int or None
        Row and column that were clicked.
    picked : Signal()
        Emitted when a pixel was clicked.
    """

    picked = Signal()

    def __init__(self, viewer: ViewerModel, image: Callable[[], Image | None]) -> None:
        super().__init__()
        self._viewer, self._image = viewer, image
        self.pixel: tuple[int, int] | None = None
        self._anywhere = False
        self.kind = QComboBox()
        self.kind.addItems([WHOLE, PIXEL, REGION])
        self.button = QPushButton()
        self.layer: LayerChoice[Any] = LayerChoice(viewer, (Shapes, Labels), "draw or paint a region first")
        self.told = quiet()
        row = QHBoxLayout()
        row.addWidget(self.kind, 1)
        row.addWidget(self.button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(row)
        layout.addWidget(self.layer)
        layout.addWidget(self.told)
        self.kind.currentTextChanged.connect(lambda _: self._changed())
        self.button.clicked.connect(self._pressed)
        viewer.mouse_drag_callbacks.append(self._clicked)
        self._changed()

    def region(self, plane: tuple[int, ...]) -> np.ndarray | None:
        """Return the pixels of interest, (Y, X) bool; None for the whole image.

        Raises
        ------
        ValueError
            If no pixel was clicked, or the region is not on the image.
        """
        image = self._image()
        if image is None or self.kind.currentText() == WHOLE:
            return None
        shape = layers.shape_of(image)[-2:]
        if self.kind.currentText() == PIXEL:
            found = np.zeros(shape, bool)
            found[self.chosen_pixel()] = True
            return found
        return _mask(self.layer.layer, shape, plane)

    def chosen_pixel(self) -> tuple[int, int]:
        """Return row and column of the clicked pixel.

        Raises
        ------
        ValueError
            If none was clicked in this image.
        """
        image = self._image()
        if self.pixel is None or image is None:
            raise ValueError("Click a pixel in the image first.")
        if not all(0 <= at < length for at, length in zip(self.pixel, layers.shape_of(image)[-2:], strict=True)):
            raise ValueError("The pixel that was clicked is not in this image; click one.")
        return self.pixel

    def listen(self, anywhere: bool) -> None:
        """Take clicks in the image for a pixel even if that is not what is explained."""
        self._anywhere = anywhere

    def close_down(self) -> None:
        """Listen to no more clicks."""
        if self._clicked in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._clicked)

    def _changed(self) -> None:
        kind = self.kind.currentText()
        self.layer.setVisible(kind == REGION)
        self.button.setVisible(kind == REGION)
        self.button.setText("Draw")
        self.button.setToolTip("Make a layer over the image to draw the region in")
        self._tell()

    def _tell(self) -> None:
        if self.kind.currentText() != PIXEL:
            self.told.setText("")
        elif self.pixel is None:
            self.told.setText("Click a pixel in the image.")
        else:
            self.told.setText(f"Row {self.pixel[0]}, column {self.pixel[1]}; click another one.")
        self.told.setVisible(bool(self.told.text()))

    def _pressed(self) -> None:
        image = self._image()
        if image is None:
            return
        place = {name: value[-2:] for name, value in layers.placed_like(image).items()}
        known = {layers.KEY: {"role": DRAWN, "source": image.name}}
        made = self._viewer.add_shapes(
            name=f"{image.name} {DRAWN}", ndim=2, metadata=known, face_color="#ffd92f40", edge_color="#ffd92f", **place
        )
        made.mode = "add_polygon"
        self.layer.layer = made

    def _clicked(self, viewer: Any, event: Any) -> None:  # noqa: ARG002 - napari hands over its viewer
        image = self._image()
        wanted = self.kind.currentText() == PIXEL or self._anywhere
        if image is None or not wanted or not self.isVisible():
            return
        at = np.round(np.asarray(image.world_to_data(event.position)[-2:])).astype(int)
        if np.all(at >= 0) and np.all(at < layers.shape_of(image)[-2:]):
            self.choose(int(at[0]), int(at[1]))

    def choose(self, row: int, column: int) -> None:
        """Take a pixel as clicked, and mark it."""
        image = self._image()
        self.pixel = row, column
        self._tell()
        if image is not None:
            with layers.keeping_active(self._viewer):
                layers.put_points(
                    self._viewer, PICKED, np.array([self.pixel]), _Flat(image), source=image.name, **_POINT
                )
        self.picked.emit()


class _Flat:
    """The place of an image without its stack axes."""

    def __init__(self, image: Image) -> None:
        self.scale, self.translate, self.units = image.scale[-2:], image.translate[-2:], image.units[-2:]


def _mask(layer: Shapes | Labels | None, shape: tuple[int, ...], plane: tuple[int, ...]) -> np.ndarray:
    """Return what is drawn in a layer, (Y, X) bool."""
    if layer is None:
        raise ValueError("Draw a region first: press Draw, or paint one in a labels layer.")
    if isinstance(layer, Shapes):
        if not len(layer.data):
            raise ValueError(f"Nothing is drawn in {layer.name!r}; draw a region over the image.")
        return np.asarray(layer.to_labels(labels_shape=shape)) > 0
    painted = np.asarray(layer.data[plane] if layer.data.ndim > 2 else layer.data) > 0
    if painted.shape != tuple(shape):
        raise ValueError(f"{layer.name!r} has another size than the image; choose labels of this image.")
    if not painted.any():
        raise ValueError(f"Nothing is painted in {layer.name!r}; paint a region over the image.")
    return painted
