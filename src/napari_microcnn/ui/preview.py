"""The live preview of a training: the part of the image in view, drawn again and again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_microcnn.config import ClassInfo
from napari_microcnn.events import PreviewDone
from napari_microcnn.ui import layers

ROLE = "preview"
LARGEST = 1024
"""Longest side of the previewed region in pixels; more would take the time from the training."""


def region_in_view(image: Image) -> tuple[slice, slice]:
    """Return rows and columns of an image that the window shows, at most `LARGEST` each."""
    shape = layers.shape_of(image)[-2:]
    low, high = np.asarray(image.corner_pixels)[:, -2:] if not image.rgb else np.asarray(image.corner_pixels)[:, :2]
    if np.any(high - low < 2):  # nothing of it is in view
        low, high = np.zeros(2), np.asarray(shape)
    low, high = np.clip(low, 0, shape), np.clip(high + 1, 0, shape)
    centre, half = (low + high) / 2, np.minimum(high - low, LARGEST) / 2
    start, stop = np.floor(centre - half).astype(int), np.floor(centre + half).astype(int)
    return slice(int(start[0]), int(stop[0])), slice(int(start[1]), int(stop[1]))


class LivePreview:
    """Draws previews into one layer.

    Parameters
    ----------
    viewer : ViewerModel
    image : Image
        The layer that is previewed.
    plane : tuple of int
        Stack index of the previewed plane.
    classes : sequence of ClassInfo
        For the colours.
    """

    def __init__(self, viewer: ViewerModel, image: Image, plane: tuple[int, ...], classes: Sequence[ClassInfo]) -> None:
        self._viewer = viewer
        self._image = image
        self._name = image.name
        self._plane = plane
        self._classes = tuple(classes)
        self._data = np.zeros(layers.shape_of(image), np.uint8)
        self._layer: Labels | None = None
        self._fresh = False
        self._shown = False

    def take(self, event: PreviewDone) -> None:
        """Remember a preview for the next drawing."""
        self._data[(*self._plane, *event.region)] = event.classes
        self._fresh = True

    def draw(self) -> None:
        """Show the newest preview; a layer that the user removed is not brought back."""
        if not self._fresh:
            return
        if self._layer is None or self._layer.metadata[layers.KEY]["role"] != ROLE:  # the Segment dock took it over
            self._shown = False
            self._show()  # made now, drawn with the next update: each takes a while
            return
        self._fresh = False
        if not self._shown:
            self._shown = self._layer.visible = True
        elif self._layer in self._viewer.layers:
            layers.show_changes(self._layer)

    def _show(self) -> None:
        active = self._viewer.layers.selection.active
        self._layer = layers.put_labels(
            self._viewer,
            ROLE,
            self._data,
            self._image if self._image in self._viewer.layers else None,
            source=self._name,
            about={"classes": self._classes},
            colormap=layers.class_colours(self._classes),
            opacity=0.4,
            visible=False,
        )
        if active is not None and active in self._viewer.layers:  # the brush stays where it was
            self._viewer.layers.selection.active = active
