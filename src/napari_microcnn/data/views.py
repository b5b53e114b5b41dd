"""How a classifier looks at images: channels, magnification, grey values, and windows of one size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.data.channels import conversion
from napari_microcnn.data.normalisation import IntensityLimits, intensity_limits, normalise
from napari_microcnn.data.resampling import Resampled, sample_windows, zoomed_shape
from napari_microcnn.micrograph import Pixels

Region = tuple[slice, slice]
_SAMPLE = 333
"""Side of the windows that stand for a large image when its grey values are looked at."""


@dataclass(frozen=True, eq=False)
class View:
    """What is done to every image before a network sees it.

    Attributes
    ----------
    side : int
        Height and width of a window in pixels, after resampling.
    channels : int
        That the network takes.
    magnification : float
        Resampling.
    limits : IntensityLimits or None
        None: every image is normalised by itself.
    """

    side: int
    channels: int
    magnification: float = 1.0
    limits: IntensityLimits | None = None

    def of(self, pixels: Pixels) -> Prospect:
        """Return an image as the network sees it; nothing is read before a part of it is wanted."""
        channels = int(pixels.shape[2]) if pixels.ndim == 3 else 1
        pixels = conversion(self.channels, channels)[0](pixels)
        plane: Pixels | Resampled = pixels
        if self.magnification != 1:
            plane = Resampled(pixels, zoomed_shape(pixels.shape, self.magnification), np.float64)
        limits = self.limits or _limits(plane)
        return Prospect(plane, limits, self.side)


@dataclass(frozen=True, eq=False)
class Prospect:
    """An image as a network sees it, read window by window.

    Attributes
    ----------
    plane : array or Resampled, (Y, X) or (Y, X, C)
    limits : IntensityLimits
    side : int
    """

    plane: Pixels | Resampled
    limits: IntensityLimits
    side: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels, after resampling."""
        return int(self.plane.shape[0]), int(self.plane.shape[1])

    def whole(self) -> NDArray[np.float32]:
        """Return all of it, (C, Y, X) float32, mirrored at its edges where it is smaller than a window."""
        height, width = self.shape
        return self.window(0, 0, max(height, self.side), max(width, self.side))

    def window(self, top: int, left: int, height: int, width: int) -> NDArray[np.float32]:
        """Return (C, height, width) float32; beyond its edges the image is mirrored."""
        full = self.shape
        parts, margins = [], []
        for start, length, size in ((top, height, full[0]), (left, width, full[1])):
            low, high = max(0, start), min(size, start + length)
            parts.append(slice(low, high))
            margins.append((low - start, start + length - high))
        read = normalise(np.asarray(self.plane[parts[0], parts[1]]), self.limits)
        if any(sum(margin) for margin in margins):
            read = np.pad(read, ((0, 0), *margins), mode="symmetric")
        return read

    def spread(self, most: int) -> NDArray[np.float32]:
        """Return at most so many windows, evenly spread over the image, (N, C, side, side) float32."""
        places = spread_windows(self.shape, self.side, most)
        return np.stack([self.window(y, x, self.side, self.side) for y, x in places])


def spread_windows(shape: tuple[int, int], side: int, most: int) -> list[tuple[int, int]]:
    """Return the upper left corners of at most `most` windows that cover an image as evenly as they can.

    Examples
    --------
    >>> spread_windows((64, 160), 64, 4)
    [(0, 0), (0, 48), (0, 96)]
    """
    counts = [max(1, -(-length // side)) for length in shape]
    while counts[0] * counts[1] > most:
        counts[int(np.argmax(counts))] -= 1
    ends = [max(0, length - side) for length in shape]
    starts = [
        [round(value) for value in np.linspace(0, end, count)] if count > 1 else [end // 2]
        for end, count in zip(ends, counts, strict=True)
    ]
    return [(y, x) for y in starts[0] for x in starts[1]]


def common_limits(planes: Sequence[Pixels]) -> IntensityLimits:
    """Return one centre and scale per channel for images whose grey values mean the same in all of them."""
    each = [intensity_limits(plane) for plane in planes]
    centres, scales = (np.stack([getattr(one, name) for one in each]) for name in ("centre", "scale"))
    centre = centres.mean(axis=0)
    return IntensityLimits(centre, np.sqrt((scales**2).mean(axis=0) + ((centres - centre) ** 2).mean(axis=0)))


def _limits(plane: Pixels | Resampled) -> IntensityLimits:
    windows = [window.reshape(-1, *window.shape[2:]) for window in sample_windows(plane, _SAMPLE)]
    return intensity_limits(np.concatenate(windows)[None])
