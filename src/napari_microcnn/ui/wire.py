"""How objects travel between the window and a worker process.

One message is: the number of parts, their lengths, and the parts. The first part is a pickle, the
others are the arrays in it (pickle protocol 5), so that a large image is written and read without
a second copy of it in memory.

The pickle is cloudpickle's, because the graph of a dask layer may hold functions that a worker cannot
import: lambdas, and whatever was defined in a script or a notebook. Arrays that lie in a file are not
sent: the worker opens the file.
"""

from __future__ import annotations

import io
import mmap
import pickle
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import cloudpickle
import numpy as np

if TYPE_CHECKING:
    import h5py

_LENGTH = struct.Struct("<Q")
UNSENDABLE = (pickle.PicklingError, AttributeError, TypeError, ValueError)
"""What is raised for an object that cannot be sent."""
_UNREADABLE = (pickle.UnpicklingError, ImportError, AttributeError, TypeError, ValueError, KeyError, OSError)


class OpeningError(ValueError):
    """A message came whole, but what is in it cannot be made here."""


def send(stream: BinaryIO, message: Any) -> None:
    """Write one message.

    Parameters
    ----------
    stream : binary file
        Where to write.
    message : object
        Anything that can be pickled.

    Raises
    ------
    OSError
        If the other side is gone.
    PicklingError, AttributeError, TypeError or ValueError
        If something in it cannot be pickled; see `UNSENDABLE`.
    """
    arrays: list[pickle.PickleBuffer] = []
    head = io.BytesIO()
    _Pickler(head, protocol=5, buffer_callback=arrays.append).dump(message)
    parts: list[bytes | memoryview] = [head.getbuffer(), *(array.raw() for array in arrays)]
    stream.write(_LENGTH.pack(len(parts)) + b"".join(_LENGTH.pack(memoryview(part).nbytes) for part in parts))
    for part in parts:
        stream.write(part)
    stream.flush()


def receive(stream: BinaryIO) -> Any:
    """Read one message.

    Raises
    ------
    EOFError
        If the other side has closed the stream.
    OpeningError
        If something in it is not to be found here: a module, or a file.
    """
    count = _LENGTH.unpack(_read(stream, _LENGTH.size))[0]
    lengths = [_LENGTH.unpack(_read(stream, _LENGTH.size))[0] for _ in range(count)]
    head, *arrays = (_read(stream, length) for length in lengths)
    try:
        return pickle.loads(head, buffers=arrays)  # noqa: S301 - only from the process that we started
    except _UNREADABLE as error:
        raise OpeningError(f"{type(error).__name__}: {error}") from error


class _Pickler(cloudpickle.Pickler):
    """Sends functions as cloudpickle does, and the names of files instead of what lies in them."""

    def reducer_override(self, obj: Any) -> Any:
        """Return how an object is made again on the other side."""
        hdf5 = sys.modules.get("h5py")
        if hdf5 is not None and isinstance(obj, hdf5.Dataset):
            return _dataset, (_file_of(obj), obj.name)
        if isinstance(obj, np.memmap) and _is_its_file(obj):
            order = "C" if obj.flags.c_contiguous else "F"
            return _mapped, (obj.filename, obj.dtype, obj.offset, obj.shape, order)
        return super().reducer_override(obj)


def _is_its_file(array: np.memmap[Any, Any]) -> bool:
    """Whether an array is all that was mapped, and the same as in the file, which is there still."""
    base: Any = array.base
    whole = isinstance(base, mmap.mmap) and array.mode != "c"
    return whole and array.filename is not None and Path(array.filename).is_file()


def _file_of(dataset: h5py.Dataset) -> Path:
    path = Path(dataset.file.filename)
    if not path.is_file():
        raise ValueError(f"the HDF5 data {dataset.name!r} are in no file")
    if dataset.file.mode != "r":
        raise ValueError(f"{path.name} is open for writing, and nobody else can read it; open it with mode 'r'")
    return path.resolve()


def _dataset(path: Path, name: str) -> h5py.Dataset:
    import h5py

    return h5py.File(path, "r")[name]


def _mapped(path: str, dtype: np.dtype[Any], offset: int, shape: tuple[int, ...], order: Any) -> np.ndarray[Any, Any]:
    return np.memmap(path, dtype, "r", offset, shape, order)


def _read(stream: BinaryIO, length: int) -> bytearray:
    data = bytearray(length)
    view = memoryview(data)
    done = 0
    while done < length:
        got = stream.readinto(view[done:])  # type: ignore[attr-defined]
        if not got:
            raise EOFError("The other side has closed the connection.")
        done += got
    return data
