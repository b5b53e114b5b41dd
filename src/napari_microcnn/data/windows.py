"""Cutting a plane into boxes, and reading a box with the margin that a network needs around it."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.data.normalisation import IntensityLimits, normalise
from napari_microcnn.micrograph import Pixels


class Box(NamedTuple):
    """Rows ``top`` to ``bottom`` and columns ``left`` to ``right`` of a plane; the ends are exclusive."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to index an array with."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.bottom - self.top, self.right - self.left

    def lies_in(self, outer: Box) -> bool:
        """Return whether all of the box lies in another one."""
        return (
            outer.top <= self.top <= self.bottom <= outer.bottom
            and outer.left <= self.left <= self.right <= outer.right
        )

    def within(self, outer: Box) -> Box:
        """Return where the box lies in one around it."""
        top, left = outer.top, outer.left
        return Box(self.top - top, self.bottom - top, self.left - left, self.right - left)


def split(box: Box, side: int) -> list[Box]:
    """Cut a box into boxes of at most `side` x `side`, row by row from its top left corner.

    Examples
    --------
    >>> split(Box(0, 40, 0, 64), 32)[1]
    Box(top=0, bottom=32, left=32, right=64)
    """
    return [
        Box(top, min(top + side, box.bottom), left, min(left + side, box.right))
        for top in range(box.top, box.bottom, side)
        for left in range(box.left, box.right, side)
    ]


class ReadAhead:
    """A plane that is not in memory, some boxes of which are read in a thread, each before its turn.

    Behaves as an array that is read by slices of rows and columns. To be used in a ``with`` statement.

    Parameters
    ----------
    plane : array, (Y, X) or (Y, X, C)
    boxes : iterable of Box
        In the order in which they are wanted.
    """

    def __init__(self, plane: Pixels, boxes: Iterable[Box]) -> None:
        self.shape, self.ndim, self.dtype = plane.shape, plane.ndim, plane.dtype
        self._plane, self._boxes = plane, iter(boxes)
        self._box = Box(0, 0, 0, 0)
        self._pixels: NDArray[Any] = np.empty(0)
        self._thread = ThreadPoolExecutor(1)
        self._ahead = self._begin()

    def _begin(self) -> Future[tuple[Box, NDArray[Any]]] | None:
        box = next(self._boxes, None)
        return None if box is None else self._thread.submit(lambda: (box, np.asarray(self._plane[box.slices])))

    def turn(self) -> None:
        """Hold the next box, and begin to read the one after it."""
        if self._ahead is not None:
            self._box, self._pixels = self._ahead.result()
            self._ahead = self._begin()

    def __getitem__(self, region: tuple[slice, slice]) -> NDArray[Any]:
        """Return rows and columns: at once if they lie in the box that it is the turn of."""
        rows, cols = region
        box = Box(rows.start, rows.stop, cols.start, cols.stop)
        if box.lies_in(self._box):
            return self._pixels[box.within(self._box).slices]
        return np.asarray(self._plane[region])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)


def read_window(
    plane: Pixels, box: Box, *, margin: int, step: int, limits: IntensityLimits, least: int = 0
) -> tuple[NDArray[np.float32], tuple[slice, slice]]:
    """Read a box and its surroundings, normalised and ready for a network.

    The window is the box, grown to multiples of `step`, plus `margin` on every side, but never
    beyond the plane: there the network shall see the same border as in an untiled prediction.
    Where the plane's far sides are no multiples of `step`, it is mirrored up to the next one.

    Parameters
    ----------
    plane : array, (Y, X) or (Y, X, C)
        May be lazy; nothing outside the window is read.
    box : Box
        Within the plane.
    margin : int
        A multiple of `step`, in pixels.
    step : int
        The network takes sides that are multiples of this.
    limits : IntensityLimits
        Of the whole plane.
    least : int
        The margin grows until the window has this many pixels or is the whole plane.

    Returns
    -------
    window : numpy.ndarray, (C, H, W) float32
        H and W are multiples of `step`.
    core : tuple of slice
        Where the box lies in the last two axes of the window.
    """
    seen = seen_around(box, (int(plane.shape[0]), int(plane.shape[1])), margin=margin, step=step, least=least)
    pixels: NDArray[Any] = np.asarray(plane[seen.slices])
    height, width = pixels.shape[:2]
    window = normalise(pixels, limits)
    padding = ((0, 0), (0, -height % step), (0, -width % step))
    if any(after for _, after in padding):
        window = np.pad(window, padding, mode="symmetric")
    return window, box.within(seen).slices


def seen_around(box: Box, shape: tuple[int, int], *, margin: int, step: int, least: int = 0) -> Box:
    """Return the part of a plane that `read_window` reads; in that part alone it finds the same window."""
    seen = window_around(box, shape, margin, step)
    while seen.shape[0] * seen.shape[1] < least and seen.shape != shape:
        margin += step
        seen = window_around(box, shape, margin, step)
    return seen


def window_around(box: Box, shape: tuple[int, int], margin: int, step: int) -> Box:
    """Return the box grown to multiples of `step` and by `margin`, without what lies beyond the plane."""
    return Box(
        max(0, box.top // step * step - margin),
        min(shape[0], -(-box.bottom // step) * step + margin),
        max(0, box.left // step * step - margin),
        min(shape[1], -(-box.right // step) * step + margin),
    )
