"""Windows of which a large part holds one value only: black frames, and what mosaics are padded with.

What the network says about that part is known from a smaller window of the value. Near the border of a window it sees
the border; farther away than its reach it sees the same everywhere, but for the place within the cells of its coarsest
level, so that the answer repeats.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.data.windows import Box, seen_around, window_around

_EVERY, _LEAST_SHARE = 64, 1 / 4
"""Of so many rows and columns one is looked at first, and there so many pixels must have the value of a corner."""

_Region = tuple[slice, slice]


class Rest(NamedTuple):
    """The part of a window that holds other values, and what sees them.

    Attributes
    ----------
    window : numpy.ndarray, (C, h, w)
    core : tuple of slice
        The rows and columns of it that are wanted.
    place : tuple of slice
        Where they lie in the core of the larger window.
    """

    window: NDArray[np.float32]
    core: _Region
    place: _Region


class Shortened(NamedTuple):
    """What tells the answer for a window in less time.

    Attributes
    ----------
    window : numpy.ndarray, (C, h, w)
        Of one value.
    rows, columns : numpy.ndarray
        Where in its answer that for every row and column of the core of the larger window is found.
    rest : Rest or None
        What has another answer.
    """

    window: NDArray[np.float32]
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    rest: Rest | None


def shortened(window: NDArray[np.float32], core: _Region, *, margin: int, step: int, least: int) -> Shortened | None:
    """Return what tells the answer for a window, bit for bit, if that takes much less time; else None.

    Parameters
    ----------
    window : numpy.ndarray, (C, H, W)
        H and W are multiples of `step`.
    core : tuple of slice
        The rows and columns that are wanted.
    margin, step, least : int
        How far the network sees, the side of the cells of its coarsest level, and the number of pixels of a window from
        which on it rounds as for larger ones; see `read_window`.
    """
    height, width = window.shape[1:]
    value = _common_value(window)
    usual = -(-max(2 * margin + step, int(np.ceil(least**0.5))) // step) * step
    high, wide = min(height, usual), min(width, usual)
    high = min(height, max(high, -(-least // (wide * step)) * step))
    wide = min(width, max(wide, -(-least // (high * step)) * step))
    if value is None or high * wide < least or 2 * high * wide > height * width:
        return None
    seen, other = _others(window, value, core, {"margin": margin, "step": step, "least": least})
    if seen is not None and 4 * seen.shape[0] * seen.shape[1] > 3 * height * width:
        return None
    rows, columns = (
        _places(part, side, short, margin, step)
        for part, side, short in zip(core, (height, width), (high, wide), strict=True)
    )
    rest = None
    if seen is not None and other is not None:
        corner = Box(core[0].start, core[0].stop, core[1].start, core[1].stop)
        rest = Rest(
            np.ascontiguousarray(window[(slice(None), *seen.slices)]),
            other.within(seen).slices,
            other.within(corner).slices,
        )
    return Shortened(np.broadcast_to(value[:, None, None], (len(value), high, wide)).copy(), rows, columns, rest)


def _common_value(window: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Return the value, (C,), of a corner that many pixels have; in a first look, for most windows have none."""
    sample = window[:, ::_EVERY, ::_EVERY]
    corners: list[NDArray[np.float32]] = list(np.unique(window[:, [0, 0, -1, -1], [0, -1, 0, -1]], axis=1).T)
    for value in corners:
        if (sample == value[:, None, None]).all(axis=0).mean() >= _LEAST_SHARE:
            return value
    return None


def _others(
    window: NDArray[np.float32], value: NDArray[np.float32], core: _Region, about: dict[str, int]
) -> tuple[Box | None, Box | None]:
    """Return what must be seen where the answer depends on other values, and that part of the core."""
    shape = (window.shape[1], window.shape[2])
    different = (window != value[:, None, None]).any(axis=0)
    rows, columns = (np.flatnonzero(different.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return None, None
    bounds = Box(int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)
    reached = window_around(bounds, shape, about["margin"], about["step"])
    part = Box(
        max(reached.top, core[0].start), min(reached.bottom, core[0].stop),
        max(reached.left, core[1].start), min(reached.right, core[1].stop),
    )  # fmt: skip
    if min(part.shape) <= 0:
        return None, None
    return seen_around(part, shape, **about), part


def _places(part: slice, side: int, short: int, margin: int, step: int) -> NDArray[np.intp]:
    """Return where pixels along a side lie along a shorter one: as far from the near end, or else from the far one."""
    places = np.arange(part.start, part.stop)
    if side == short:
        return places
    inner = margin + (places - margin) % step
    return np.where(places < margin, places, np.where(places < side - margin, inner, places - (side - short)))
