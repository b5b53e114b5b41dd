"""What 'Where to paint next' draws: what a model is unsure about, its prediction, and the frame around a place."""

from __future__ import annotations

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Shapes

from napari_microcnn.events import TileDone
from napari_microcnn.ui import layers
from napari_microcnn.ui.guide_tasks import Guide, Place
from napari_microcnn.ui.models import ModelFile
from napari_microcnn.ui.preview import ROLE as PREVIEW

UNCERTAINTY, REGION = "uncertainty", "region"
_EDGE = "#ffffff"
_AROUND = 0.35
"""Share of the window that is left around a region, so that one sees where it is."""


class Maps:
    """Uncertainty and prediction of one plane of an image, drawn while they are made, and the frame around a place.

    Parameters
    ----------
    viewer : ViewerModel
    image : napari.layers.Image
    plane : tuple of int
        Stack index; empty for a single image.
    model : ModelFile
    """

    def __init__(self, viewer: ViewerModel, image: Image, plane: tuple[int, ...], model: ModelFile) -> None:
        self._viewer = viewer
        self.image, self.plane, self.model = image, plane, model
        self.place: Place | None = None
        self._name = image.name
        self._unsure = np.zeros(layers.shape_of(image), np.uint8)
        self._classes = np.zeros(layers.shape_of(image), np.uint8)
        self._layer: Image | None = None
        self._fresh = False

    @property
    def classes(self) -> np.ndarray:
        """Class map of the plane, (Y, X) uint8."""
        return self._classes[self.plane]

    def take(self, tile: TileDone) -> None:
        """Remember a tile for the next drawing."""
        self._unsure[(*self.plane, *tile.region)] = tile.uncertainty
        self._classes[(*self.plane, *tile.region)] = tile.classes
        self._fresh = True

    def draw(self) -> None:
        """Show the tiles that came; a layer that the user removed is not brought back."""
        if not self._fresh:
            return
        self._fresh = False
        if self._layer is None:
            self._layer = self._show_uncertainty()
        elif self._layer in self._viewer.layers:
            layers.show_changes(self._layer)

    def complete(self, found: Guide) -> None:
        """Take the result as it is in the end: averaged where the image was seen at several magnifications."""
        self._unsure[self.plane] = found.uncertainty
        self._classes[self.plane] = found.classes
        self._fresh = True
        self.draw()

    def _show_uncertainty(self) -> Image:
        layer = layers.find(self._viewer, UNCERTAINTY, self._name, Image)
        if layer is not None and layer.data.shape == self._unsure.shape:
            layer.data = self._unsure
            layer.visible = True
            return layer
        with layers.keeping_active(self._viewer):
            layer = self._viewer.add_image(
                self._unsure,
                name=f"{self._name} {UNCERTAINTY}",
                metadata={layers.KEY: {"role": UNCERTAINTY, "source": self._name}},
                colormap="inferno",
                contrast_limits=(0, 255),
                opacity=0.6,
                **layers.placed_like(self.image),
            )
            if self.image in self._viewer.layers:  # below the strokes
                self._viewer.layers.move(self._viewer.layers.index(layer), self._viewer.layers.index(self.image) + 1)
        return layer

    def show_place(self, place: Place, *, with_prediction: bool) -> None:
        """Move to a place, with a frame around it and the prediction, if wanted, over it instead of the uncertainty."""
        self.place = place
        with layers.keeping_active(self._viewer):
            if self._layer is not None:
                self._layer.visible = False
            if with_prediction:
                self._show_prediction()
            frame = self._show_frame(place)
        for axis, index in enumerate(self.plane, start=self._viewer.dims.ndim - len(self.plane) - 2):
            self._viewer.dims.set_current_step(axis, index)
        layers.look_at(self._viewer, frame, _AROUND)

    def _show_prediction(self) -> None:
        shown = layers.put_labels(
            self._viewer,
            PREVIEW,
            self._classes.copy(),  # a live preview may be drawn into what is shown
            self.image,
            source=self._name,
            about={"classes": self.model.classes},
            colormap=layers.class_colours(self.model.classes),
            opacity=0.4,
        )
        shown.visible = True

    def _show_frame(self, place: Place) -> Shapes:
        rows, cols = place.region
        corners = [(rows.start, cols.start), (rows.start, cols.stop), (rows.stop, cols.stop), (rows.stop, cols.start)]
        frame = np.array([(*self.plane, row, col) for row, col in corners], float)
        frame[:, -2:] -= 0.5  # pixels are drawn around their centres
        layer = layers.find(self._viewer, REGION, self._name, Shapes)
        if layer is not None and layer.ndim == frame.shape[1]:
            layer.data = [frame]
            return layer
        return self._viewer.add_shapes(
            [frame],
            shape_type="polygon",
            name=f"{self._name} {REGION}",
            metadata={layers.KEY: {"role": REGION, "source": self._name}},
            edge_color=_EDGE,
            edge_width=max(0.5, (rows.stop - rows.start) / 100),
            face_color="transparent",
            **layers.placed_like(self.image),
        )
