"""The layer that shows which objects are selected."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtCore import QObject

from napari_microcnn.measure.editing import Members
from napari_microcnn.ui import layers
from napari_microcnn.ui.gradual import Gradually, bands

ROLE = "selection"
_COLOUR = "#ff2fd0"
"""Magenta: none of the class colours, and far from napari's label colours."""


class Highlight(QObject):
    """Colours the selected objects in a layer of its own, band by band."""

    def __init__(self, parent: QObject, viewer: ViewerModel) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer: Labels | None = None
        self.drawing = Gradually(self)

    def show(self, over: Labels, plane: tuple[int, ...], numbers: np.ndarray, ids: np.ndarray) -> None:
        """Show some objects of a plane, instead of those before.

        Parameters
        ----------
        over : Labels
            The layer to lie on.
        plane : tuple of int
        numbers : numpy.ndarray, (Y, X)
            Objects of that plane.
        ids : numpy.ndarray
            Which of them.
        """
        self.drawing.drop()
        if not len(ids) and (self._layer is None or self._layer not in self._viewer.layers):
            return
        layer = self._made(over)
        members = Members(ids)
        everything = layer.data

        def steps() -> Iterator[None]:
            for rows in bands(numbers.shape):
                everything[(*plane, rows)] = members(numbers[rows])
                yield

        self.drawing.start(steps(), lambda: layers.show_changes(layer))

    def clear(self) -> None:
        """Show nothing."""
        self.drawing.drop()
        if self._layer is not None and self._layer in self._viewer.layers:
            self._layer.data = np.zeros(self._layer.data.shape, np.uint8)  # faster than to write it

    def _made(self, over: Labels) -> Labels:
        """Return the layer, made anew for labels of another size or place."""
        layer, place = self._layer, layers.placed_like(over)
        if layer is not None and layer in self._viewer.layers:
            if layer.data.shape == over.data.shape and layers.placed_like(layer) == place:
                return layer
            self._viewer.layers.remove(layer)
        with layers.keeping_active(self._viewer):
            self._layer = self._viewer.add_labels(
                np.zeros(over.data.shape, np.uint8),
                name=ROLE,
                metadata={layers.KEY: {"role": ROLE, "source": over.name}},
                colormap=layers.colours({None: "transparent", 0: "transparent", 1: _COLOUR}),
                opacity=0.8,
                **place,
            )
        return self._layer
