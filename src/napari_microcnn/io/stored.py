"""Arrays of a Zarr, whose damage is told in a sentence instead of in the words of whatever decodes it."""

from __future__ import annotations

import errno
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.io.errors import DAMAGED, ReadError, WriteError

_LOST = (None, errno.ENOENT, errno.EISDIR, errno.ENOTDIR)
"""What the system says of files that are missing, or no files."""


class StoredArray:
    """An array of a Zarr that can be sliced, for reading and for writing.

    Parameters
    ----------
    array : zarr.Array
    path : Path
        Of the Zarr.
    advice : str
        What to do if it is damaged.

    Raises
    ------
    ReadError
        If a piece that is asked for, or that is written in part, is damaged.
    """

    def __init__(self, array: Any, path: Path, advice: str) -> None:
        self._array, self._path, self._advice = array, path, advice
        self.shape: tuple[int, ...] = array.shape
        self.chunks: tuple[int, ...] = array.chunks
        self.dtype: np.dtype[Any] = array.dtype
        self.ndim = len(self.shape)

    def __getitem__(self, region: Any) -> NDArray[Any]:
        """Read a region."""
        with telling_damage(self._path, self._advice):
            return np.asarray(self._array[region])

    def __setitem__(self, region: Any, values: Any) -> None:
        """Write a region."""
        with telling_damage(self._path, self._advice):
            self._array[region] = values


@contextmanager
def telling_damage(path: Path, advice: str) -> Iterator[None]:
    """Turn what damaged content makes libraries raise into a `ReadError`; what the system says of a disk stays."""
    try:
        yield
    except (ReadError, WriteError):
        raise
    except (*DAMAGED, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno not in _LOST:
            raise
        raise ReadError(f"{path} is damaged; {advice}.") from error
