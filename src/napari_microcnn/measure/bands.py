"""Going through an image row by row without having all of it in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from napari_microcnn.micrograph import Pixels

BAND_PIXELS = 2_000_000
"""Counting takes some fifty bytes per pixel of a band."""


def row_bands(plane: Pixels) -> Iterator[tuple[int, np.ndarray[Any, Any]]]:
    """Yield the first row and the pixels of one band of rows after the other.

    Parameters
    ----------
    plane : numpy.ndarray or dask.array.Array
        (Y, X). Chunks of a dask array are computed once, a row of chunks at a time.

    Yields
    ------
    top : int
        Row of the plane where the band begins.
    band : numpy.ndarray
        (rows, X).
    """
    height, width = plane.shape
    rows = max(1, BAND_PIXELS // max(1, width))
    blocks = (height,) if isinstance(plane, np.ndarray) else plane.chunks[0]
    start = 0
    for length in blocks:
        block = np.asarray(plane[start : start + length])
        for top in range(0, length, rows):
            yield start + top, block[top : top + rows]
        start += length
