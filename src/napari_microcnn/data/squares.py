"""Squares that lie within a region as a whole."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

LEAST, LARGEST = 32, 256
"""Sides in pixels: smaller squares show too little of a texture, larger regions give several squares."""
_MOST = 200


def squares_in(mask: NDArray[np.bool_]) -> Iterator[tuple[int, tuple[slice, slice]]]:
    """Yield squares within the regions of a mask, the largest first; no two overlap.

    Parameters
    ----------
    mask : numpy.ndarray, (Y, X) bool

    Yields
    ------
    region : int
        Number of the connected region, from 1.
    place : (slice, slice)
        Rows and columns of the square: 32 to 256 pixels along a side.
    """
    regions, _ = ndimage.label(mask)
    for number, (rows, columns) in enumerate(ndimage.find_objects(regions), 1):
        free = np.pad(regions[rows, columns] == number, 1)
        for _ in range(_MOST):
            place = _largest(free)
            if place is None:
                break
            free[place] = False
            top, left = rows.start - 1, columns.start - 1  # of the padding
            yield (
                number,
                (
                    slice(top + place[0].start, top + place[0].stop),
                    slice(left + place[1].start, left + place[1].stop),
                ),
            )


def _largest(free: NDArray[np.bool_]) -> tuple[slice, slice] | None:
    """Return the place of the largest square within a padded mask; None if it is too small."""
    distance = ndimage.distance_transform_cdt(free, "chessboard")
    side = 2 * int(distance.max()) - 1
    if side < LEAST:
        return None
    half = (min(side, LARGEST) - 1) // 2
    # Of a large region the square at the upper left end, so that the others fit beside it.
    places = np.argwhere(distance > half)
    y, x = (int(value) for value in places[0])
    return slice(y - half, y + half + 1), slice(x - half, x + half + 1)
