"""A micrograph as a model sees it: windows of numbers, and the way back from heat to pixels."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_microcnn.data.resampling import Resampled
from napari_microcnn.data.views import Prospect, Region, View, spread_windows
from napari_microcnn.device import resolve_device
from napari_microcnn.explain.enlarging import enlarged
from napari_microcnn.explain.layers import default_layer, module_named
from napari_microcnn.explain.target import Target
from napari_microcnn.micrograph import Pixels
from napari_microcnn.models import Classifier, Model
from napari_microcnn.nets import receptive_fields, receptive_radius
from napari_microcnn.nets.fields import Field

LARGEST = 512
"""Side in pixels of the windows in which a segmenter's explanation is computed: gradients need much memory."""
WINDOWS = 16
"""Windows of an image that are looked at, at most: as many as a classifier looks at for its answer."""


@dataclass(frozen=True, eq=False)
class Window:
    """A piece of an image as the network sees it.

    Attributes
    ----------
    top, left : int
        Its place in the resampled image.
    image : torch.Tensor, (1, C, H, W) float32
    where : torch.Tensor or None, (H, W) bool
        The pixels of interest in it; None: all.
    """

    top: int
    left: int
    image: Tensor
    where: Tensor | None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        _, channels, height, width = self.image.shape
        return channels, height, width


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
        view, self._step, self._reach = _view(model)
        factor = magnification or view.magnification
        self.prospect: Prospect = View(view.side, view.channels, factor, view.limits).of(pixels)
        self.net: nn.Module = model.snapshot().net.to(resolve_device(device))
        self.shape = int(pixels.shape[0]), int(pixels.shape[1])
        self.temperature = model.temperature if isinstance(model, Classifier) else 1.0
        self._whole_only = isinstance(model, Classifier)
        self._fields: dict[tuple[str, tuple[int, int, int]], Field] = {}

    def with_net(self, net: nn.Module) -> Sight:
        """Return the same sight with other weights in the network."""
        other = copy.copy(self)
        other.net = net
        return other

    @property
    def channels(self) -> int:
        """Channels of the network."""
        return int(self.net.config.channels)  # type: ignore[union-attr,arg-type]

    @property
    def window_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the windows of the whole image."""
        _, _, height, width = self._box(None)
        return self.channels, min(self._side, height), min(self._side, width)

    def middle_shape(self, most: int) -> tuple[int, int, int]:
        """Return channels, height and width of a window that stands for the image; for segmenters at most so large."""
        channels, height, width = self.window_shape
        if self._whole_only:
            return channels, height, width
        most = max(self._step, most // self._step * self._step)
        return channels, min(most, height), min(most, width)

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of the resampled image per pixel, down and to the right."""
        seen = self.prospect.shape
        return seen[0] / self.shape[0], seen[1] / self.shape[1]

    def windows(self, region: NDArray[np.bool_] | None = None) -> Iterator[Window]:
        """Yield the windows that hold the pixels of interest, (Y, X) bool, or the whole image.

        A segmenter's windows reach as far around a region as its network sees.

        Raises
        ------
        ValueError
            If the region is empty or of another shape than the image.
        """
        where = None if region is None else self._resampled(region)
        top, left, height, width = self._box(where)
        side = min(self._side, height), min(self._side, width)
        for y, x in _places((height, width), side):
            row, column = top + y, left + x
            inside = None if where is None else torch.from_numpy(_cut(where, row, column, side))
            if inside is not None and not inside.any():
                continue
            seen = torch.from_numpy(self.prospect.window(row, column, *side))[None]
            yield Window(row, column, seen.to(next(self.net.parameters()).device), inside)

    def count(self, region: NDArray[np.bool_] | None = None) -> int:
        """Return the number of windows, at most."""
        _, _, height, width = self._box(None if region is None else self._resampled(region))
        return len(_places((height, width), (min(self._side, height), min(self._side, width))))

    def target(self, window: Window, output: int) -> Target:
        """Return what is explained in a window: a classifier judges it as a whole."""
        return Target(output, None if self._whole_only else window.where)

    def image_box(self, region: NDArray[np.bool_] | None) -> Region:
        """Return the rows and columns of the image that the windows cover."""
        top, left, height, width = self._box(None if region is None else self._resampled(region))
        spans = []
        for start, length, scale, full in zip((top, left), (height, width), self.scale, self.shape, strict=True):
            low, high = max(0, int(start / scale)), min(full, round((start + length) / scale))
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

    def _box(self, where: NDArray[np.bool_] | None) -> tuple[int, int, int, int]:
        """Return top, left, height and width of what is looked at, in the resampled image."""
        parts = []
        for axis, full in enumerate(self.prospect.shape):
            low, high = 0, full
            if where is not None:
                touched = np.flatnonzero(where.any(1 - axis))
                low, high = int(touched[0]) - self._reach, int(touched[-1]) + 1 + self._reach
                low, high = max(0, low), min(full, high)
            low = low // self._step * self._step  # a window begins where poolings begin in the whole image
            length = -(-(high - low) // self._step) * self._step
            if self._whole_only and length < self._side:
                low = min(max(0, (low + high - self._side) // 2), max(0, full - self._side))
                length = self._side
            parts.append((low, length))
        (top, height), (left, width) = parts
        return top, left, height, width


def _view(model: Model | Classifier) -> tuple[View, int, int]:
    """Return how a model looks at images, what sides must be multiples of, and how far around a pixel it looks."""
    if isinstance(model, Classifier):
        return model.view, 1, 0
    step = 2**model.config.depth
    return View(max(LARGEST, step), model.config.channels), step, receptive_radius(model.config)


def _places(shape: tuple[int, int], side: tuple[int, int]) -> list[tuple[int, int]]:
    return spread_windows(shape, max(side), WINDOWS) if shape != side else [(0, 0)]


def _cut(mask: NDArray[np.bool_], top: int, left: int, side: tuple[int, int]) -> NDArray[np.bool_]:
    """Return a window of a mask, False beyond its edges."""
    result = np.zeros(side, bool)
    part = mask[top : top + side[0], left : left + side[1]]
    result[: part.shape[0], : part.shape[1]] = part
    return result
