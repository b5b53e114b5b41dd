"""What the Convolution lab takes for the channels of an image, each with a kernel of its own."""

from __future__ import annotations

from math import prod

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image
from qtpy.QtWidgets import QComboBox

from napari_microcnn.ui import layers
from napari_microcnn.ui.lab_map import MAP, Plane
from napari_microcnn.ui.preview import LARGEST, region_in_view

PLANE, STACK, LAYERS = "the plane shown", "all planes of the stack", "visible layers of this size"
_COLOURS = ("red", "green", "blue")
_MOST = len(_COLOURS) * LARGEST**2
"""Numbers that are convolved at once, so that the window stays fluent: of many channels a smaller part."""

Channels = dict[str, tuple[Image, tuple[int, ...]]]
"""By their names: the layer of every channel, and the index of its plane."""


class ChannelsChoice(QComboBox):
    """What is summed over, of what an image offers."""

    def __init__(self) -> None:
        super().__init__()
        self.setToolTip("What counts as the channels of one image: each has its own kernel, the results are summed")

    def offer(self, viewer: ViewerModel, layer: Image | None) -> None:
        """Offer what there is for an image; the choice stays where it can."""
        ways = [PLANE]
        if layer is not None and not layer.rgb:
            ways += [STACK] if len(layers.shape_of(layer)) > 2 else []
            ways += [LAYERS] if len(_alike(viewer, layer)) > 1 else []
        if ways == [self.itemText(index) for index in range(self.count())]:
            return
        before = self.currentText()
        self.blockSignals(True)
        self.clear()
        self.addItems(ways)
        self.setCurrentText(before if before in ways else PLANE)
        self.blockSignals(False)


def channels_of(viewer: ViewerModel, layer: Image, way: str) -> Channels:
    """Return the channels of an image, in the order of the stack or of the layers."""
    index = layers.current_plane(viewer, layer)
    if way == STACK:
        return {f"channel {number + 1}": (layer, (*index[:-1], number)) for number in range(_length(layer))}
    if way == LAYERS:
        return {one.name: (one, layers.current_plane(viewer, one)) for one in _alike(viewer, layer)}
    return {"gray": (layer, index)}


def plane_of(viewer: ViewerModel, layer: Image, way: str = PLANE) -> Plane:
    """Return what is convolved, and of a large image the part in view."""
    shape = layers.shape_of(layer)[-2:]
    found = channels_of(viewer, layer, way)
    names = _COLOURS if layer.rgb else tuple(found)
    most = _MOST // max(len(names), len(_COLOURS))
    whole = prod(shape) <= most
    rows, columns = (slice(0, shape[0]), slice(0, shape[1])) if whole else _middle(*region_in_view(layer), most)
    cuts = [np.asarray(_data(one)[(*index, rows, columns)]) for one, index in found.values()]
    pixels = np.moveaxis(cuts[0][..., :3], -1, 0) if layer.rgb else np.stack(cuts)
    return Plane(pixels, names, (rows.start, columns.start), whole)


def _middle(rows: slice, columns: slice, most: int) -> tuple[slice, slice]:
    """Return the middle of a region, of at most so many pixels."""
    side = int(most**0.5)
    return tuple(  # type: ignore[return-value]
        part
        if part.stop - part.start <= side
        else slice((part.start + part.stop - side) // 2, (part.start + part.stop - side) // 2 + side)
        for part in (rows, columns)
    )


def _alike(viewer: ViewerModel, layer: Image) -> list[Image]:
    """Return the layers that can be channels of one image with this one, itself among them."""
    shape = layers.shape_of(layer)
    return [
        one
        for one in viewer.layers
        if isinstance(one, Image)
        and (one is layer or one.visible)
        and not one.rgb
        and layers.shape_of(one) == shape
        and one.metadata.get(layers.KEY, {}).get("role") != MAP
    ]


def _data(layer: Image) -> np.ndarray:
    return layer.data[0] if layer.multiscale else layer.data


def _length(layer: Image) -> int:
    return layers.shape_of(layer)[-3]
