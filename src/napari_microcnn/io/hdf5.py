"""Pixels from HDF5, whose header may promise more than the file holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from napari_microcnn.io.errors import ReadError, too_short

_MAX_RATIO = 1100
"""Bytes that one byte of the file can stand for at most: deflate packs 1032 into one."""


def stored(path: Path, data: h5py.Dataset) -> np.ndarray[Any, Any]:
    """Return all numbers of a dataset.

    Parameters
    ----------
    path : Path
        The file, for the message.
    data : h5py.Dataset

    Raises
    ------
    ReadError
        If it promises much more than is stored: HDF5 would make room for it all, and fill it up.
    """
    size = path.stat().st_size
    if data.is_virtual or data.external:
        raise ReadError(f"{path.name} keeps its pixels in other files, which are not read; save them in one file.")
    if data.size * data.dtype.itemsize > _MAX_RATIO * min(size, data.id.get_storage_size()):
        raise too_short(path, data.shape, size)
    return np.asarray(data[()])
