"""Arrays that another program holds and that are read when they are needed: of zarr, h5py, tensorstore, xarray."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
from dask.array.core import normalize_chunks
from dask.base import is_dask_collection

CHUNK_PIXELS = 1 << 20
"""Aimed size of a dask chunk: so many that the graph stays small, so few that a tile needs little more than its own."""


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
        return array if isinstance(array, da.Array) else array.data
    held = _Held(array)
    stack = held.ndim - 2 - colours
    chunks = normalize_chunks(  # type: ignore[no-untyped-call]
        (*(1,) * stack, "auto", "auto", *(-1,) * colours),
        held.shape,
        CHUNK_PIXELS * held.dtype.itemsize,
        held.dtype,
        getattr(array, "chunks", None),
    )
    pixels: da.Array = da.from_array(  # type: ignore[no-untyped-call]
        held, chunks, name=False, asarray=False, meta=np.empty(0, held.dtype)
    )
    return pixels
