"""The live preview of a training: the part of the image in view, drawn again and again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from napari.utils.colormaps import Colormap
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QSlider, QWidget

from napari_microcnn.config import ClassInfo
from napari_microcnn.events import PreviewDone
from napari_microcnn.ui import layers

ROLE = "preview"
PROBABILITY = "probability"
LARGEST = 1024
"""Longest side of the previewed region in pixels; more would take the time from the training."""
_OPACITY = 40


def region_in_view(image: Image) -> tuple[slice, slice]:
    """Return rows and columns of an image that the window shows, at most `LARGEST` each."""
    rows, columns = (_middle(part.start, part.stop) for part in layers.in_view(image))
    return rows, columns


def _middle(start: int, stop: int) -> slice:
    spare = max(0, stop - start - LARGEST)
    return slice(start + spare // 2, stop - (spare - spare // 2))


class PreviewChoice(QWidget):
    """What the preview shows, and how strongly.

    Attributes
    ----------
    changed : Signal()
        Emitted when something else shall be shown.
    faded : Signal(float)
        Emitted with another opacity.
    """

    changed = Signal()
    faded = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self.what = QComboBox()
        self.what.setToolTip("What is drawn over the image while the network learns")
        self.what.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, 100)
        self.slider.setValue(_OPACITY)
        self.slider.setToolTip("Opacity of the preview")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.what, 3)
        row.addWidget(self.slider, 2)
        self.what.currentIndexChanged.connect(lambda _: self.changed.emit())
        self.slider.valueChanged.connect(lambda value: self.faded.emit(value / 100))

    @property
    def shown(self) -> int | None:
        """Id of the class whose probability is wanted; None for the class map."""
        return self.what.currentData()

    @property
    def opacity(self) -> float:
        """Opacity of the preview, 0 to 1."""
        return self.slider.value() / 100

    def offer(self, classes: Sequence[ClassInfo]) -> None:
        """Offer other classes; the choice stays if its class does."""
        before = self.shown
        self.what.blockSignals(True)
        self.what.clear()
        self.what.addItem("class map", None)
        for info in classes:
            self.what.addItem(f"probability of {info.name}", info.id)
        self.what.setCurrentIndex(max(0, self.what.findData(before)))
        self.what.blockSignals(False)
        if self.shown != before:
            self.changed.emit()


class LivePreview:
    """Draws previews into layers that lie on the part of the image in view.

    Only that part, because drawing a layer of the whole of a large image holds up the window.

    Parameters
    ----------
    viewer : ViewerModel
    classes : sequence of ClassInfo
        For the colours.
    opacity : float

    Attributes
    ----------
    drawn : int
        Number of previews that were drawn.
    changes : int
        Number of changes of the annotation that the last of them has learnt from.
    """

    def __init__(self, viewer: ViewerModel, classes: Sequence[ClassInfo], opacity: float) -> None:
        self._viewer = viewer
        self._classes = tuple(classes)
        self._opacity = opacity
        self._layer: Labels | Image | None = None
        self._fresh: tuple[Image, tuple[int, ...], PreviewDone] | None = None
        self._shown: int | None = None
        self._removed = False
        self._empty: Labels | Image | None = None
        self._veiled: Labels | Image | None = None
        self.drawn = self.changes = 0
        viewer.layers.events.removed.connect(self._forget)

    def close(self) -> None:
        """Draw nothing any more; layers with a preview stay."""
        self._viewer.layers.events.removed.disconnect(self._forget)
        if self._empty is not None and self._empty in self._viewer.layers:
            self._viewer.layers.remove(self._empty)

    def expect(self, image: Image, plane: tuple[int, ...], region: tuple[slice, slice], shown: int | None) -> None:
        """Make the layer while the training starts: it takes a while, and the first preview shall be seen at once."""
        if self.drawn:  # it has come sooner
            return
        self._shown, role = shown, ROLE if shown is None else PROBABILITY
        if layers.find(self._viewer, role, image.name, Labels if role == ROLE else Image) is None:
            shape = (*(1 for _ in plane), *(part.stop - part.start for part in region))
            made = self._make(role, image, np.zeros(shape, np.uint8), _placed(image, plane, region))
            made.visible = True
            self._empty = self._layer = made

    def set_classes(self, classes: Sequence[ClassInfo]) -> None:
        """Take over other names and colours."""
        self._classes = tuple(classes)
        layer = self._layer
        if isinstance(layer, Labels) and self._is_ours(layer):
            layer.colormap = layers.class_colours(self._classes)
            layer.metadata[layers.KEY]["classes"] = self._classes

    def fade(self, opacity: float) -> None:
        """Draw with another opacity."""
        self._opacity = opacity
        if self._layer is not None and self._is_ours(self._layer):
            self._layer.opacity = opacity

    def take(self, image: Image, plane: tuple[int, ...], event: PreviewDone, shown: int | None) -> None:
        """Remember a preview of a plane of an image, and the class whose probability it is, for the next drawing."""
        self._fresh, self._shown = (image, plane, event), shown

    def draw(self) -> None:
        """Show the newest preview; layers that the user removed are not brought back."""
        if self._fresh is None or self._removed:
            return
        image, plane, event = self._fresh
        role = ROLE if event.probability is None else PROBABILITY
        layer = layers.find(self._viewer, role, image.name, Labels if role == ROLE else Image)
        data = (event.classes if event.probability is None else event.probability)[(None,) * len(plane)]
        place = _placed(image, plane, event.region)
        if layer is None:
            layer = self._make(role, image, data, place)  # made now, drawn with the next update: each takes a while
        else:
            self._fresh = self._empty = None
            self._fill(layer, data, place)
            self.drawn, self.changes = self.drawn + 1, event.changes
        before, self._layer = self._layer, layer
        if before is not layer and before is not None and before in self._viewer.layers:
            before.visible = False

    def _fill(self, layer: Labels | Image, data: np.ndarray, place: dict[str, Any]) -> None:
        if layer.data.shape == data.shape and layer.data.dtype == data.dtype and layer.data.flags.writeable:
            layer.data[...] = data
            layers.show_changes(layer)
        else:
            layer.data = data
        if isinstance(layer, Image) and layer.metadata[layers.KEY]["shown"] != self._shown:
            layer.colormap, layer.metadata[layers.KEY]["shown"] = self._shades(), self._shown
        if tuple(layer.translate) != tuple(place["translate"]):
            layer.translate = place["translate"]
        if layer is self._veiled or layer is not self._layer:  # one that the user hid stays hidden
            self._veiled = None
            layer.visible, layer.opacity = True, self._opacity

    def _make(self, role: str, image: Image, data: np.ndarray, place: dict[str, Any]) -> Labels | Image:
        active = self._viewer.layers.selection.active
        known = {"role": role, "source": image.name, "classes": self._classes}
        look = {"name": f"{image.name} {role}", "metadata": {layers.KEY: known}, "visible": False}
        with layers.no_collection():
            if role == ROLE:
                colours = layers.class_colours(self._classes)
                layer = self._viewer.add_labels(data, colormap=colours, opacity=self._opacity, **look, **place)
            else:
                look["metadata"][layers.KEY]["shown"] = self._shown
                layer = self._viewer.add_image(
                    data, colormap=self._shades(), opacity=self._opacity, contrast_limits=(0, 255), **look, **place
                )
        if active is not None and active in self._viewer.layers:  # the brush stays where it was
            self._viewer.layers.selection.active = active
        self._veiled = layer
        return layer

    def _shades(self) -> Colormap:
        """Return the colour of the shown class, from transparent to full."""
        colour = next((info.colour for info in self._classes if info.id == self._shown), "#ffffff")
        rgb = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        return Colormap([[*rgb, 0], [*rgb, 1]], name=f"probability {colour}")

    def _is_ours(self, layer: Labels | Image) -> bool:
        """Whether a layer is a preview still: the Segment dock may have taken it over."""
        return layer.metadata[layers.KEY]["role"] in (ROLE, PROBABILITY)

    def _forget(self, event: Any) -> None:
        if event.value is self._layer:
            self._removed, self._layer = True, None


def _placed(image: Image, plane: tuple[int, ...], region: tuple[slice, slice]) -> dict[str, Any]:
    """Return the layer arguments that put a region of a plane over its image."""
    place = layers.placed_like(image)
    start = np.array([*plane, region[0].start, region[1].start])
    scale, translate = np.asarray(place["scale"]), np.asarray(place["translate"])
    return {**place, "translate": tuple(translate + scale * start)}
