"""Windows that hold one value only: black frames, and what mosaics are padded with.

What the network says about them is known from a smaller window of that value. Near the border of a window it sees the
border; farther away than its reach it sees the same everywhere, but for the place within the cells of its coarsest
level, so that the answer repeats.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_EVERY = 64
"""Of so many rows and columns one is looked at first: most windows are told apart there."""


class Shortened(NamedTuple):
    """A smaller window of the same value.

    Attributes
    ----------
    window : numpy.ndarray, (C, h, w)
    rows, columns : numpy.ndarray
        Where in its answer that for every row and column of the core of the larger window is found.
    """

    window: NDArray[np.float32]
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]


def shortened(
    window: NDArray[np.float32], core: tuple[slice, slice], *, margin: int, step: int, least: int
) -> Shortened | None:
    """Return what tells the answer for a window, (C, H, W), of one value per channel; None for any other window.

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
    first = window[:, :1, :1]
    if not (window[:, ::_EVERY, ::_EVERY] == first).all() or not (window == first).all():
        return None
    height, width = window.shape[1:]
    usual = -(-max(2 * margin + step, int(np.ceil(least**0.5))) // step) * step
    high, wide = min(height, usual), min(width, usual)
    high = min(height, max(high, -(-least // (wide * step)) * step))
    wide = min(width, max(wide, -(-least // (high * step)) * step))
    if high * wide < least or 2 * high * wide > height * width:  # not the same answer, or not worth the trouble
        return None
    rows, columns = (
        _places(part, side, short, margin, step)
        for part, side, short in zip(core, (height, width), (high, wide), strict=True)
    )
    return Shortened(np.ascontiguousarray(window[:, :high, :wide]), rows, columns)


def _places(part: slice, side: int, short: int, margin: int, step: int) -> NDArray[np.intp]:
    """Return where pixels along a side lie along a shorter one: as far from the near end, or else from the far one."""
    places = np.arange(part.start, part.stop)
    if side == short:
        return places
    inner = margin + (places - margin) % step
    return np.where(places < margin, places, np.where(places < side - margin, inner, places - (side - short)))
