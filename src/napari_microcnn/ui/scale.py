"""The size of a pixel, set by hand: typed, or from two clicks on the scale bar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from qtpy.QtCore import Signal
from qtpy.QtGui import QHideEvent
from qtpy.QtWidgets import QCheckBox, QFormLayout, QHBoxLayout, QLineEdit, QPushButton, QWidget

from napari_microcnn.micrograph import BY_HAND, Calibration
from napari_microcnn.ui import layers
from napari_microcnn.ui.text import quiet

ENDS = "scale bar"
"""Role of the layer that shows the clicks."""
_MARKS = {"face_color": "#ffd92f", "border_color": "black", "symbol": "cross", "size": 12}
_CLICK = "Click one end of the scale bar, then the other."


class ScaleSection(QWidget):
    """Shows what a pixel measures and who says so, and sets it.

    Parameters
    ----------
    viewer : ViewerModel
    image : callable
        Returns the image layer that is worked on.
    refuse : callable
        Shows what is wrong with what was typed.

    Attributes
    ----------
    changed : Signal()
        Emitted when a pixel size was set.
    """

    changed = Signal()

    def __init__(self, viewer: ViewerModel, image: Callable[[], Image | None], refuse: Callable[[str], None]) -> None:
        super().__init__()
        self._viewer, self._image, self._refuse = viewer, image, refuse
        self.ends: list[tuple[float, float]] = []
        self.size = QLineEdit()
        self.size.setPlaceholderText("like 0.25 µm")
        self.click_button = QPushButton("Click its ends")
        self.click_button.setCheckable(True)
        self.click_button.setToolTip(_CLICK)
        self.bar = QLineEdit()
        self.bar.setPlaceholderText("like 10 µm")
        self.bar.setToolTip("What is written beside the scale bar")
        self.everywhere = QCheckBox("For all open images")
        self.everywhere.setToolTip("Set the same pixel size for every image in the window that no file calibrates")
        self.told = quiet()
        self._lay_out()
        self.size.returnPressed.connect(self._typed)
        self.bar.returnPressed.connect(self._measured)
        self.click_button.toggled.connect(self._listen)

    def _lay_out(self) -> None:
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        for text, field, button, act in (
            ("Pixel size", self.size, QPushButton("Set"), self._typed),
            ("Scale bar", self.bar, QPushButton("Set"), self._measured),
        ):
            row = QHBoxLayout()
            row.addWidget(field, 1)
            row.addWidget(button)
            button.clicked.connect(act)
            form.addRow(text, row)
        form.addRow("", self.click_button)
        form.addRow("", self.everywhere)
        form.addRow(self.told)

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802 - Qt's name
        """Listen to no more clicks once nobody sees what they do."""
        self.click_button.setChecked(False)
        super().hideEvent(event)

    def _listen(self, listening: bool) -> None:
        callbacks = self._viewer.mouse_drag_callbacks
        if self._clicked in callbacks:
            callbacks.remove(self._clicked)
        if listening:
            callbacks.append(self._clicked)
            self.ends = []
        self.told.setText(_CLICK if listening else "")

    def _clicked(self, viewer: Any, event: Any) -> None:  # noqa: ARG002 - napari hands over its viewer
        image = self._image()
        if image is not None:
            row, column = (float(at) for at in image.world_to_data(event.position)[-2:])
            self.take(row, column)

    def take(self, row: float, column: float) -> None:
        """Take a place in the image as an end of the scale bar."""
        image = self._image()
        if image is None:
            return
        self.ends = [*self.ends[-1:], (row, column)] if len(self.ends) < 2 else [(row, column)]
        with layers.keeping_active(self._viewer):
            place = {name: value[-2:] for name, value in layers.placed_like(image).items()}
            marks = layers.find(self._viewer, ENDS, image.name, layers.Points)
            if marks is None:
                known = {layers.KEY: {"role": ENDS, "source": image.name}}
                name = f"{image.name} {ENDS}"
                self._viewer.add_points(self.ends, name=name, metadata=known, ndim=2, **place, **_MARKS)
            else:
                marks.data = np.array(self.ends)
        if len(self.ends) == 2:
            self.click_button.setChecked(False)
            self.told.setText(f"{self.length():.1f} pixels; now write how long that is beside 'Scale bar'.")
            self.bar.setFocus()

    def length(self) -> float:
        """Return how far the two ends are apart, in pixels."""
        return float(np.hypot(*np.subtract(*self.ends))) if len(self.ends) == 2 else 0.0

    def _typed(self) -> None:
        self._try(lambda: Calibration.parse(self.size.text()))

    def _measured(self) -> None:
        self._try(lambda: Calibration.of_bar(self.bar.text(), self.length()))

    def _try(self, make: Callable[[], Calibration]) -> None:
        image = self._image()
        try:
            if image is None:
                raise ValueError("Open an image first: its pixel size is set.")
            calibration = make()
        except ValueError as error:
            self._refuse(str(error))
            return
        chosen = [image]
        if self.everywhere.isChecked():
            others = [layer for layer in self._viewer.layers if isinstance(layer, Image) and layer is not image]
            chosen += [layer for layer in others if _settable(layer)]
        for layer in chosen:
            calibrate(self._viewer, layer, calibration)
        self.told.setText(f"Set for {len(chosen)} images." if len(chosen) > 1 else f"Set: {calibration}.")
        self.changed.emit()


def _settable(layer: Image) -> bool:
    """Whether nobody, or the user, has set the pixel size of an image: what a file says is not overwritten unasked."""
    known = layers.calibration_of(layer)
    return known is None or known.source.startswith(BY_HAND)


def calibrate(viewer: ViewerModel, image: Image, calibration: Calibration) -> None:
    """Set the pixel size of an image, and of the layers that lie on it."""
    before = np.array(image.scale[-2:])
    linked = [layer for layer in viewer.layers if layer is not image and _lies_on(layer, image)]
    ratio = np.array(calibration.pixel_size) / before
    units = layers.calibrated(calibration)["units"]
    for layer in (image, *linked):
        stack = layer.ndim - 2
        factors = np.concatenate([np.ones(stack), ratio])
        layer.scale = np.array(layer.scale) * factors
        layer.translate = np.array(layer.translate) * factors
        layer.units = (*map(str, layer.units[:stack]), *units)
    known = image.metadata.setdefault(layers.KEY, {})
    known["calibration"] = calibration
    viewer.reset_view()


def _lies_on(layer: Layer, image: Image) -> bool:
    source = layer.metadata.get(layers.KEY, {}).get("source")
    if source is not None:
        return bool(source == image.name)
    if not isinstance(layer, Labels):
        return False
    same_place = np.allclose(layer.scale[-2:], image.scale[-2:]) and np.allclose(
        layer.translate[-2:], image.translate[-2:]
    )
    return bool(same_place) and tuple(layer.data.shape[-2:]) == tuple(layers.shape_of(image)[-2:])
