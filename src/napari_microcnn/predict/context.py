"""What the overview changes about the answer for a plane; see `napari_microcnn.data.overview`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.data.overview import OVERVIEW, correction
from napari_microcnn.data.resampling import Resampled, zoomed_shape
from napari_microcnn.data.windows import Box, window_around
from napari_microcnn.micrograph import Pixels

_REACH = 16
"""Pixels around a tile that its own pixels take part of, by way of the overview's resolution."""

Look = Callable[[Pixels, Box], NDArray[np.float32]]
"""Returns the probabilities, (H, W, K), of a box of a plane."""


def with_reach(box: Box, shape: tuple[int, int], step: int) -> Box:
    """Return the box whose own probabilities must be known before the overview can change those of a box."""
    return window_around(box, shape, -(-_REACH // step) * step, step)


def corrected(plane: Pixels, box: Box, near: NDArray[np.float32], known: Box, look: Look) -> NDArray[np.float32]:
    """Return the probabilities, (H, W, K), of a box as the overview changes them.

    Parameters
    ----------
    plane : array, (Y, X) or (Y, X, C)
    box : Box
    near : numpy.ndarray, (H, W, K)
        Probabilities at the magnification of the plane.
    known : Box
        Where they lie; see `with_reach`.
    look : callable
        Predicts boxes of the overview.
    """
    shape = (int(plane.shape[0]), int(plane.shape[1]))
    change = Resampled(_Context(plane, near, known, look), shape)[box.slices]  # type: ignore[arg-type]  # like an array
    found: NDArray[np.float32] = near[box.within(known).slices] * change
    found /= found.sum(axis=-1, keepdims=True)
    return found


class _Context:
    """What the overview changes about a plane's answer, (Y, X, K) at its own resolution; predicted where it is read."""

    def __init__(self, plane: Pixels, near: NDArray[np.float32], known: Box, look: Look) -> None:
        self._look = look
        self._plane = Resampled(plane, zoomed_shape(plane.shape, OVERVIEW), np.float64)
        self.shape = (*self._plane.shape[:2], near.shape[2])
        part = _Part(near, known, (int(plane.shape[0]), int(plane.shape[1]), near.shape[2]))
        self._near = Resampled(part, self.shape[:2])  # type: ignore[arg-type]  # read like an array

    def __getitem__(self, region: tuple[slice, slice]) -> NDArray[np.float32]:
        box = Box(region[0].start, region[0].stop, region[1].start, region[1].stop)
        distant = self._look(self._plane, box)  # type: ignore[arg-type]  # read like an array
        return correction(distant, self._near[region])


class _Part:
    """A box of an array, found under its place in the whole of it."""

    def __init__(self, values: NDArray[np.float32], box: Box, shape: tuple[int, ...]) -> None:
        self._values, self._box, self.shape = values, box, shape

    def __getitem__(self, region: tuple[slice, slice]) -> NDArray[np.float32]:
        box = Box(region[0].start, region[0].stop, region[1].start, region[1].stop)
        return self._values[box.within(self._box).slices]
