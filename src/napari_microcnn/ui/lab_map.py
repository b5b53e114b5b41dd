"""The layers of the Convolution lab: the feature map beside the image, and where the kernel stands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Shapes

from napari_microcnn.config import LabConfig
from napari_microcnn.ui import layers

MAP, WINDOW = "feature map", "kernel window"
_GAP = 0.04
"""Between image and map, as share of the image's width."""
_SAMPLE, _SHARES = 128, (0.5, 99.5)
_COLOURS = ["#e69f00", "#56b4e9"]


@dataclass(frozen=True, eq=False)
class Plane:
    """What is convolved: pixels (C, H, W), names of the channels, and row and column of the image where they begin."""

    pixels: np.ndarray
    names: tuple[str, ...]
    origin: tuple[int, int]
    whole: bool


class MapLayers:
    """Shows feature maps of one image after the other.

    Parameters
    ----------
    viewer : ViewerModel
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer

    def shown(self, image: Image) -> Image | None:
        """Return the map of this image."""
        return layers.find(self._viewer, MAP, image.name, Image)

    def show(self, image: Image, plane: Plane, values: np.ndarray, config: LabConfig, limits: np.ndarray) -> None:
        """Show a feature map to the right of the image, at the same scale.

        Parameters
        ----------
        image : Image
        plane : Plane
        values : numpy.ndarray, (H', W') float32
        config : LabConfig
        limits : numpy.ndarray, (2,)
            Values that are shown black and white.
        """
        place = self._place(image, plane, config)
        layer = self.shown(image)
        low, high = (float(limit) for limit in limits)
        look = {"contrast_limits": (low, high if high > low else low + 1), **place}
        if layer is None:
            known = {"role": MAP, "source": image.name}
            with layers.keeping_active(self._viewer):
                self._viewer.add_image(
                    values, name=f"{image.name} {MAP}", metadata={layers.KEY: known}, colormap="gray", **look
                )
            self._viewer.reset_view()
            return
        layer.data = values
        for name, value in look.items():
            if tuple(map(str, getattr(layer, name))) != tuple(map(str, value)):
                setattr(layer, name, value)

    def mark(self, image: Image, plane: Plane, config: LabConfig, at: tuple[int, int], result: tuple[int, int]) -> None:
        """Frame what the kernel covers, from its first weight at a pixel of the plane, and the result in the map."""
        first = np.add(at, plane.origin) - 0.5
        corner = np.array([[0, 0], [0, 1], [1, 1], [1, 0]])
        jump, start = _geometry(config)
        cell = np.add(plane.origin, start) + np.multiply(result, jump) - jump / 2 + np.array([0, self._shift(image)])
        data = [first + corner * config.side, cell + corner * jump]
        layer = layers.find(self._viewer, WINDOW, image.name, Shapes)
        if layer is not None:
            layer.data = data
            return
        place = {name: value[-2:] for name, value in layers.placed_like(image).items()}
        width = max(0.2, min(layers.shape_of(image)[-2:]) / 150)
        with layers.keeping_active(self._viewer):
            self._viewer.add_shapes(
                data,
                name=f"{image.name} {WINDOW}",
                metadata={layers.KEY: {"role": WINDOW, "source": image.name}},
                edge_color=_COLOURS,
                face_color="transparent",
                edge_width=width,
                **place,
            )

    def unmark(self) -> None:
        """Take the frames away."""
        for layer in list(self._viewer.layers):
            if layer.metadata.get(layers.KEY, {}).get("role") == WINDOW:
                self._viewer.layers.remove(layer)

    def _place(self, image: Image, plane: Plane, config: LabConfig) -> dict[str, tuple[float, ...]]:
        place = layers.placed_like(image)
        scale, translate = (np.asarray(place[name][-2:]) for name in ("scale", "translate"))
        jump, start = _geometry(config)
        origin = translate + scale * (np.add(plane.origin, start) + np.array([0, self._shift(image)]))
        return {"scale": tuple(scale * jump), "translate": tuple(origin), "units": place["units"][-2:]}

    def _shift(self, image: Image) -> float:
        """Return how far to the right of the image its map lies, in pixels of the image."""
        return round(layers.shape_of(image)[-1] * (1 + _GAP))


def limits_of(values: np.ndarray) -> np.ndarray:
    """Return between which values to stretch the greys: nearly all of a sample, not the few at the padded edge."""
    thin = max(1, min(values.shape) // _SAMPLE)
    return np.percentile(values[::thin, ::thin], _SHARES)


def _geometry(config: LabConfig) -> tuple[int, float]:
    """Return pixels of the image from one position of the map to the next, and where the first one lies."""
    start = (config.side - 1) / 2 - config.margin
    if config.pooling == "none":
        return config.stride, start
    return config.stride * config.window, start + (config.window - 1) / 2 * config.stride
