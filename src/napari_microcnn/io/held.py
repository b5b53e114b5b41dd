"""Arrays that another program holds and that are read when they are needed: of zarr, h5py, tensorstore, xarray."""

from __future__ import annotations

import math
from typing import Any

import dask.array as da
import numpy as np
from dask.base import is_dask_collection

CHUNK_PIXELS = 1 << 20
"""Aimed size of a dask chunk: so many that the graph stays small, so few that a tile needs little more than its own."""


def chunk_sides(height: int, width: int, stored: tuple[int, int] = (1, 1)) -> tuple[int, int]:
    """Return height and width of dask chunks: multiples of the pieces that are stored, never a part of one."""
    y, x = stored
    columns = min(width, x * max(1, math.isqrt(CHUNK_PIXELS) // x))
    return min(height, y * max(1, CHUNK_PIXELS // columns // y)), columns


class _Held:
    """An array whose dtype and whose regions are numpy's."""

    def __init__(self, array: Any) -> None:
        self.shape = tuple(int(n) for n in array.shape)
        self.ndim = len(self.shape)
        self._array = array
        try:
            self.dtype = np.dtype(array.dtype)
        except TypeError:  # tensorstore and torch have types of their own
            self.dtype = self[(slice(1),) * self.ndim].dtype

    def __getitem__(self, region: Any) -> np.ndarray[Any, Any]:
        return np.asarray(self._array[region])


def as_dask(array: Any, *, colours: bool = False) -> da.Array:
    """Return an array as a dask array of single planes; none of it is read.

    Parameters
    ----------
    array : array, (..., Y, X) or (..., Y, X, C)
        Whatever has ``shape`` and ``dtype`` and can be sliced. A dask array stays as it is, out of an xarray too.
    colours : bool
        Whether the last axis is that of colours.
    """
    if is_dask_collection(array):
        lazy: da.Array = array if isinstance(array, da.Array) else array.data
        return lazy
    held = _Held(array)
    plane = slice(held.ndim - 2 - colours, held.ndim - colours)
    stored: Any = getattr(array, "chunks", None) or (1,) * held.ndim
    height, width = held.shape[plane]
    chunks = (*(1,) * plane.start, *chunk_sides(height, width, stored[plane]), *(-1,) * colours)
    pixels: da.Array = da.from_array(  # type: ignore[no-untyped-call]
        held, chunks, name=False, asarray=False, fancy=False, meta=np.empty(0, held.dtype)
    )
    return pixels
