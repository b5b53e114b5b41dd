"""Masks that other programs have made: ilastik, Labkit, Weka and cellpose."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from napari_microcnn.io.errors import DAMAGED, ReadError, no_room, one_line
from napari_microcnn.io.pickled import array_of, elements_of, parse_pickle
from napari_microcnn.io.read import read_labels

UNCALIBRATED = (".h5", ".hdf5", ".ilp", ".npy")
"""Endings of masks that say nothing of a pixel size."""
_PLANE = {"y", "x"}
_LONGEST = 100
"""Letters of a reason; NumPy repeats a whole header that it cannot read."""
_NUMPY = b"\x93NUMPY"
_CELLPOSE = "in cellpose, save the masks with File > Save masks as PNG/tif, and open that file"
_MASKS = "masks"
"""Where cellpose keeps them in its ``_seg.npy``."""


def read_foreign_labels(path: str | os.PathLike[str]) -> np.ndarray[Any, Any]:
    """Read a mask of ilastik (HDF5), Labkit or Weka (TIFF), or cellpose (``_seg.npy``, ``_masks.tif``, ``.png``).

    Parameters
    ----------
    path : str or path-like
        HDF5 with the dataset ``exported_data`` (simple segmentation or object identities), TIFF, PNG, or a
        NumPy file with an array. The pickle in ``_seg.npy`` is looked at without being unpickled.

    Returns
    -------
    numpy.ndarray
        Whole numbers of shape (Y, X), or (T or Z, Y, X) for a stack.

    Raises
    ------
    ReadError
        If the file cannot be read, holds fractions, or no mask that could be read without running what is in it.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return _numpy(path)
    if suffix in UNCALIBRATED:
        return _ilastik(path)
    return read_labels(path)


def _ilastik(path: Path) -> np.ndarray[Any, Any]:
    """Read what ilastik exports: one dataset, whose axes are in the attribute ``axistags`` (vigra) as JSON."""
    import h5py

    from napari_microcnn.io.hdf5 import stored

    try:
        with h5py.File(path) as file:
            found = file.get("exported_data")
            if not isinstance(found, h5py.Dataset):
                raise ReadError(
                    f"{path.name} has no dataset 'exported_data'; export the simple segmentation from ilastik as HDF5."
                )
            axes = _axes(found.attrs.get("axistags"), found.ndim)
            labels = stored(path, found)
    except ReadError:
        raise
    except MemoryError as error:
        raise no_room(path) from error
    except (*DAMAGED, OSError) as error:
        raise ReadError(
            f"{path.name} could not be read as HDF5 ({one_line(error)}); export it from ilastik again."
        ) from error
    if labels.dtype.kind not in "bui":
        raise ReadError(f"{path.name} holds probabilities; export the simple segmentation from ilastik.")
    keep = [axis in _PLANE or size > 1 for axis, size in zip(axes, labels.shape, strict=True)]
    left = [axis for axis, kept in zip(axes, keep, strict=True) if kept]
    if not set(left) >= _PLANE or "c" in left or len(left) > 3:
        raise ReadError(f"{path.name} has the axes {''.join(axes)!r} {labels.shape}; expected are y and x, or a stack.")
    labels = labels.reshape([size for size, kept in zip(labels.shape, keep, strict=True) if kept])
    order = sorted(range(len(left)), key=lambda index: ("y", "x").index(left[index]) if left[index] in _PLANE else -1)
    return labels.transpose(order)


def _axes(tags: object, dimensions: int) -> list[str]:
    """Return the letters of the axes; without tags ilastik's usual order."""
    if tags is None:
        return list("tzyxc"[-dimensions:] if dimensions != 2 else "yx")
    try:
        axes = [str(entry["key"]) for entry in json.loads(str(tags))["axes"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ReadError("The axes of the HDF5 file are damaged; export it from ilastik again.") from error
    if len(axes) != dimensions or len(set(axes)) != dimensions:
        raise ReadError(f"The axes {''.join(axes)!r} do not fit {dimensions} dimensions; export it from ilastik again.")
    return axes


def _numpy(path: Path) -> np.ndarray[Any, Any]:
    """Read an array, or the masks in a dictionary of cellpose."""
    try:
        with path.open("rb") as file:
            if file.read(len(_NUMPY)) != _NUMPY:
                raise ValueError("no array of NumPy")
            file.seek(0)
            pickled = _header(file)[2].hasobject
            content = file.read() if pickled else b""
        # Mapped first, which compares the size with the header's before room is made.
        labels = _pickled_masks(content) if pickled else np.array(np.load(path, mmap_mode="r", allow_pickle=False))
    except OSError as error:
        raise ReadError(f"{path.name} could not be read ({error.strerror or error}); check the name.") from error
    except MemoryError as error:
        raise no_room(path) from error
    except DAMAGED as error:
        why = one_line(error)[:_LONGEST]
        raise ReadError(
            f"{path.name} holds no array and no masks of cellpose, or is damaged ({why}); {_CELLPOSE}."
        ) from error
    if labels.dtype.kind not in "bui" or labels.ndim not in (2, 3):
        raise ReadError(f"{path.name} holds no mask of whole numbers; {_CELLPOSE}.")
    return labels


def _header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, order and type of an array of NumPy, and leave the file where its numbers begin."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


def _pickled_masks(stream: bytes) -> np.ndarray[Any, Any]:
    """Return the masks of the dictionary that cellpose saves."""
    [content, *_] = [*elements_of(parse_pickle(stream)), None]
    labels = array_of(content.get(_MASKS)) if isinstance(content, dict) else None
    if labels is None:
        raise ValueError(f"there is no array {_MASKS!r}")
    return np.array(labels)
