"""A micrograph as a model sees it: windows of numbers, and the way back from heat to pixels."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_microcnn.data.resampling import Resampled
from napari_microcnn.data.views import Prospect, Region, View
from napari_microcnn.data.windows import Box
from napari_microcnn.device import resolve_device
from napari_microcnn.explain.enlarging import enlarged
from napari_microcnn.explain.layers import default_layer, module_named
from napari_microcnn.explain.pieces import Piece, Window, cells, cut, shifted, spread
from napari_microcnn.explain.target import Target
from napari_microcnn.micrograph import Pixels
from napari_microcnn.models import Classifier, Model
from napari_microcnn.nets import halo, receptive_fields, receptive_radius
from napari_microcnn.nets.fields import Field

LARGEST = 512
"""Side in pixels of what of a segmenter's explanation is computed at once, without the margin around it."""
_WIDTH = 16
"""Filters at the finest level of a U-Net up to which this fits well into memory: gradients need much of it."""


class Sight:
    """An image made ready to be explained.

    Parameters
    ----------
    pixels : array, (Y, X) or (Y, X, C)
        May be lazy; only the windows that are looked at are read.
    model : Model or Classifier
        Stays as it is: the network is copied to the device.
    magnification : float or None
        Resampling; None: as the classifier learnt, or 1.
    device : str

    Attributes
    ----------
    net : torch.nn.Module
    shape : tuple of int
        Height and width of the image.
    temperature : float
        Logits are divided by it before they become probabilities.
    judges_windows : bool
        Whether the network gives one answer per window (classifiers) and not one per pixel.
    step : int
        Sides of windows are multiples of it.
    reach : int
        How far around a pixel its answer hangs on the image; 0 for classifiers.
    margin : int
        Pixels around a piece of the image that make the maps and the answer there equal to those of
        the whole image; 0 for classifiers.

    Raises
    ------
    ModelError
        If the model takes images with other channels.
    """

    def __init__(
        self, pixels: Pixels, model: Model | Classifier, magnification: float | None = None, device: str = "auto"
    ) -> None:
        channels = int(pixels.shape[2]) if pixels.ndim == 3 else 1
        if {channels, model.config.channels} != {1, 3}:
            model.check_channels(channels)
        view, self.step, self.reach, self.margin = _view(model)
        factor = magnification or view.magnification
        self.prospect: Prospect = View(view.side, view.channels, factor, view.limits).of(pixels)
        self.net: nn.Module = model.snapshot().net.to(resolve_device(device))
        self.shape = int(pixels.shape[0]), int(pixels.shape[1])
        self.temperature = model.temperature if isinstance(model, Classifier) else 1.0
        self.judges_windows = isinstance(model, Classifier)
        self._fields: dict[tuple[str, tuple[int, int, int]], Field] = {}

    def with_net(self, net: nn.Module) -> Sight:
        """Return the same sight with other weights in the network."""
        other = copy.copy(self)
        other.net = net
        return other

    def part(self, most: int, region: NDArray[np.bool_] | None) -> tuple[Sight, NDArray[np.bool_] | None]:
        """Return the sight of a part of the image, of at most so many pixels down and across, and the region in it.

        The part lies in the middle of the image or of the region; its pixels are the resampled ones.
        """
        where = None if region is None else self._resampled(region)
        most = max(most, 2 * self._side) if self.judges_windows else most
        spans = []
        for axis, full in enumerate(self.prospect.shape):
            touched = np.arange(full) if where is None else np.flatnonzero(where.any(1 - axis))
            low = max(0, min(int(touched[len(touched) // 2]) - most // 2, full - most)) // self.step * self.step
            spans.append(slice(low, min(full, low + most)))
        rows, columns = spans
        other = copy.copy(self)
        other.prospect = Prospect(self.prospect.plane[rows, columns], self.prospect.limits, self._side)
        other.shape = other.prospect.shape
        return other, None if where is None else where[rows, columns]

    @property
    def channels(self) -> int:
        """Channels of the network."""
        return int(self.net.config.channels)  # type: ignore[union-attr,arg-type]

    @property
    def pixels(self) -> int:
        """Pixels of the resampled image, rounded up to what the network takes."""
        height, width = self._box(None).shape
        return height * width

    @property
    def seen_at_once(self) -> int:
        """Side in pixels of what the network judges by: a classifier's window, a segmenter's receptive field."""
        return self._side if self.judges_windows else 2 * self.reach + 1

    @property
    def window_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the windows of the whole image."""
        height, width = self._box(None).shape
        return self.channels, min(self._side, height), min(self._side, width)

    def middle_shape(self, most: int) -> tuple[int, int, int]:
        """Return channels, height and width of a window that stands for the image; for segmenters at most so large."""
        channels, height, width = self.window_shape
        if self.judges_windows:
            return channels, height, width
        most = max(self.step, most // self.step * self.step)
        return channels, min(most, height), min(most, width)

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of the resampled image per pixel, down and to the right."""
        seen = self.prospect.shape
        return seen[0] / self.shape[0], seen[1] / self.shape[1]

    def windows(self, region: NDArray[np.bool_] | None = None, margin: int | None = None) -> Iterator[Window]:
        """Yield the windows over the pixels of interest, (Y, X) bool, or over the whole image.

        A segmenter's windows reach as far around a region as its network sees.

        Parameters
        ----------
        region : numpy.ndarray, (Y, X) bool, optional
        margin : int, optional
            Around the core of a segmenter's window, in pixels; None: `margin` of the sight.

        Raises
        ------
        ValueError
            If the region is empty or of another shape than the image.
        """
        where = None if region is None else self._resampled(region)
        for piece in self._pieces(where, margin):
            if where is None or not self.judges_windows or cut(where, piece[1]).any():
                yield self._window(piece, where)

    def middle_window(self, region: NDArray[np.bool_] | None = None) -> Window:
        """Return the window in the middle of what is looked at, without a margin: it stands for the image."""
        where = None if region is None else self._resampled(region)
        found = [piece for piece in self._pieces(where, 0) if where is None or cut(where, piece[1]).any()]
        return self._window(found[len(found) // 2], where)

    def count(self, region: NDArray[np.bool_] | None = None) -> int:
        """Return the number of windows, at most."""
        return len(self._pieces(None if region is None else self._resampled(region), None))

    def covered(self, region: NDArray[np.bool_] | None = None) -> bool:
        """Return whether the windows leave nothing out; of very large images only some are looked at."""
        where = None if region is None else self._resampled(region)
        seen = sum(core.shape[0] * core.shape[1] for core, _ in self._pieces(where, None))
        height, width = self._box(where).shape
        return seen >= height * width

    def target(self, window: Window, output: int) -> Target:
        """Return what is explained in a window: a classifier judges it as a whole."""
        return Target(output, None if self.judges_windows else window.where)

    def image_box(self, region: NDArray[np.bool_] | None) -> Region:
        """Return the rows and columns of the image that the windows cover."""
        box = self._box(None if region is None else self._resampled(region))
        spans = []
        for part, scale, full in zip(box.slices, self.scale, self.shape, strict=True):
            low, high = max(0, int(part.start / scale)), min(full, round(part.stop / scale))
            spans.append(slice(low, high))
        return spans[0], spans[1]

    def at_image_size(self, heat: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a map of the resampled image, (y, x), in the pixels of the image, (Y, X) float32."""
        if heat.shape == self.shape:
            return heat
        return Resampled(heat, self.shape)[:, :]

    def field(self, layer: str, shape: tuple[int, int, int]) -> Field:
        """Return the receptive fields of a layer's positions in windows of a shape (C, H, W).

        Raises
        ------
        ValueError
            If there is no such layer, or it has no maps.
        """
        if (layer, shape) not in self._fields:
            module_named(self.net, layer)
            found = receptive_fields(self.net, shape).get(layer)
            if found is None:
                raise ValueError(f"The layer {layer!r} has no maps; choose a convolution or pooling.")
            self._fields[layer, shape] = found
        return self._fields[layer, shape]

    def enlarged(self, maps: Tensor, layer: str, window: Window) -> Tensor:
        """Return maps (N, h, w) of a layer in the pixels of the window, (N, H, W)."""
        return enlarged(maps, self.field(layer, window.shape), window.shape[1:])

    def default_layer(self) -> str:
        """Return the layer that Grad-CAM looks at unless the user says otherwise."""
        return default_layer(self.net, self.window_shape)

    @property
    def _side(self) -> int:
        return self.prospect.side

    def _resampled(self, region: NDArray[np.bool_]) -> NDArray[np.bool_]:
        if region.shape != self.shape:
            raise ValueError(
                f"The region has {region.shape[0]} x {region.shape[1]} pixels, the image {self.shape[0]} x "
                f"{self.shape[1]}; draw it on this image."
            )
        if not region.any():
            raise ValueError("The region is empty; draw one on the image, or explain the whole image.")
        seen = self.prospect.shape
        result = np.zeros(seen, bool)  # pixel by pixel, so that a single one is not lost where the image is shrunk
        rows, columns = np.nonzero(region)
        result[
            np.minimum((rows + 0.5) * self.scale[0], seen[0] - 1).astype(int),
            np.minimum((columns + 0.5) * self.scale[1], seen[1] - 1).astype(int),
        ] = True
        return result

    def _window(self, piece: Piece, where: NDArray[np.bool_] | None) -> Window:
        core, around = piece
        inside = np.ones(self.prospect.shape, bool) if where is None else where
        seen = torch.from_numpy(self.prospect.window(around.top, around.left, *around.shape))[None]
        image = seen.to(next(self.net.parameters()).device)
        return Window(around.top, around.left, image, torch.from_numpy(cut(inside, around)), shifted(core, around))

    def _pieces(self, where: NDArray[np.bool_] | None, margin: int | None) -> list[Piece]:
        """Return what is looked at piece by piece, with as much around it, in the resampled image."""
        box = self._box(where)
        if self.judges_windows:
            return spread(box, self._side)
        full = [-(-side // self.step) * self.step for side in self.prospect.shape]
        around = self.margin if margin is None else margin
        return cells(box, (full[0], full[1]), self._side, self.step, around)

    def _box(self, where: NDArray[np.bool_] | None) -> Box:
        """Return the rows and columns that are looked at, in the resampled image."""
        parts = []
        for axis, full in enumerate(self.prospect.shape):
            low, high = 0, full
            if where is not None:
                touched = np.flatnonzero(where.any(1 - axis))
                low, high = int(touched[0]) - self.reach, int(touched[-1]) + 1 + self.reach
                low, high = max(0, low), min(full, high)
            low = low // self.step * self.step  # a window begins where poolings begin in the whole image
            length = -(-(high - low) // self.step) * self.step
            if self.judges_windows and length < self._side:
                low = min(max(0, (low + high - self._side) // 2), max(0, full - self._side))
                length = self._side
            parts.append((low, low + length))
        return Box(*parts[0], *parts[1])


def _view(model: Model | Classifier) -> tuple[View, int, int, int]:
    """Return how a model looks at images, of what sides are multiples, how far a pixel sees, and the margin."""
    if isinstance(model, Classifier):
        return model.view, 1, 0, 0
    config = model.config
    step = 2**config.depth
    side = int(LARGEST * min(1.0, (_WIDTH / config.width) ** 0.5)) // step * step
    # One step more than the answer needs: maps are drawn from the positions on both sides of a pixel.
    return View(max(side, step), config.channels), step, receptive_radius(config), halo(config) + step
