"""Open a micrograph, whatever file it is in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from napari_microcnn.io.errors import ReadError, no_room
from napari_microcnn.io.pictures import read_picture
from napari_microcnn.io.tiff import read_tiff, tiff_calibration
from napari_microcnn.micrograph import Micrograph

LAZY_FROM_BYTES = 256 << 20
"""Larger images are read piece by piece."""

_SUFFIXES = {
    ".tif": "TIFF", ".tiff": "TIFF", ".btf": "TIFF", ".tf8": "TIFF", ".lsm": "TIFF",
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP",
    ".mrc": "MRC", ".mrcs": "MRC", ".rec": "MRC", ".st": "MRC", ".emd": "EMD", ".dm3": "DM", ".dm4": "DM",
}  # fmt: skip

_BEGINNINGS = {
    b"II*\0": "TIFF", b"MM\0*": "TIFF", b"II+\0": "TIFF", b"MM\0+": "TIFF",
    b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG", b"BM": "BMP", b"\x89HDF\r\n\x1a\n": "EMD",
    b"\0\0\0\x03": "DM", b"\0\0\0\x04": "DM",
}  # fmt: skip

_MRC_PLACE = 208
"""Byte at which an MRC file says what it is (MRC2014)."""

__all__ = ["LAZY_FROM_BYTES", "ReadError", "may_be_calibrated", "read_labels", "read_micrograph", "readable_suffixes"]


def readable_suffixes() -> tuple[str, ...]:
    """Return the endings of the files that `read_micrograph` reads, such as ``".tif"``."""
    return tuple(_SUFFIXES)


def read_micrograph(path: str | os.PathLike[str], *, lazy_from_bytes: int = LAZY_FROM_BYTES) -> Micrograph:
    """Read an image with its pixel size.

    TIFF (8 to 64 bit integers, floats, RGB, palette, several pages, tiles, BigTIFF, every usual
    compression, OME, ImageJ, and of every usual SEM), PNG, JPEG, BMP, MRC, EMD (Velox, NCEM), and
    with RosettaSciIO DM3 and DM4; OME-Zarr folders, which are lazy. What a file is, is told by its first
    bytes; its name is only used in messages. Opacity is dropped, palettes are expanded, inverted
    grey is put right, and grey that was saved as RGB becomes grey again.

    Parameters
    ----------
    path : str or path-like
        The file.
    lazy_from_bytes : int
        TIFF images of at least this many bytes, uncompressed, come as dask arrays.

    Returns
    -------
    Micrograph
        `calibration` is None when the file does not say for certain how large a pixel is.

    Raises
    ------
    ReadError
        If the file cannot be read; the message is one sentence for the user.
    """
    path = Path(path)
    if path.suffix.lower() == ".zarr" and path.is_dir():
        from napari_microcnn.io.ome_zarr import read_ome_zarr

        return read_ome_zarr(path)
    kind = _kind(path)
    try:
        if kind == "TIFF":
            return read_tiff(path, _name(path), lazy_from_bytes)
        return _read_container(path, kind) or read_picture(path, _name(path), kind)
    except OSError as error:
        raise _unreadable(path, error) from error
    except MemoryError as error:
        raise no_room(path) from error


def may_be_calibrated(path: str | os.PathLike[str]) -> bool:
    """Whether a file may say how large a pixel is: for TIFF its header tells, and all others may.

    Raises
    ------
    ReadError
        If the file cannot be read.
    """
    path = Path(path)
    try:
        return _kind(path) != "TIFF" or tiff_calibration(path) is not None
    except OSError as error:
        raise _unreadable(path, error) from error


def read_labels(path: str | os.PathLike[str]) -> np.ndarray[Any, Any]:
    """Read an annotation, a class map or a label image: whole numbers, exactly as stored.

    Colour maps are not applied, because their indices are the labels.

    Returns
    -------
    numpy.ndarray
        Integers or booleans of shape (Y, X), or (T or Z, Y, X) for a stack.

    Raises
    ------
    ReadError
        If the file cannot be read, or holds colours or fractions.
    """
    path = Path(path)
    kind = _kind(path)
    try:
        if kind == "TIFF":
            stored = read_tiff(path, _name(path), 1 << 62, raw=True)
        else:
            stored = _read_container(path, kind) or read_picture(path, _name(path), kind, raw=True)
    except OSError as error:
        raise _unreadable(path, error) from error
    except MemoryError as error:
        raise no_room(path) from error
    labels = np.asarray(stored.pixels)
    if stored.axes.endswith("C"):
        raise ReadError(f"{path.name} is a colour image; labels must be one whole number per pixel.")
    if labels.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            whole = labels.astype(np.int64)
        if not np.array_equal(whole, labels):
            raise ReadError(f"{path.name} holds fractions; labels must be one whole number per pixel.")
        return whole
    return labels


def _read_container(path: Path, kind: str) -> Micrograph | None:
    """Read what electron microscopes write besides TIFF; None for everything else."""
    # Imported late: HDF5 takes its time, and most micrographs are TIFF.
    if kind == "MRC":
        from napari_microcnn.io.mrc import read_mrc

        return read_mrc(path, _name(path))
    if kind == "EMD":
        from napari_microcnn.io.emd import read_emd

        return read_emd(path, _name(path))
    if kind == "DM":
        from napari_microcnn.io.dm import read_dm

        return read_dm(path, _name(path))
    return None


def _kind(path: Path) -> str:
    """Find the format from the first bytes, or say what is wrong with the file."""
    try:
        if path.is_dir():
            raise ReadError(f"{path.name or path} is a folder; name the image files in it.")
        with path.open("rb") as file:
            head = file.read(512)
    except FileNotFoundError as error:
        raise ReadError(f"{path} does not exist; check the name and the folder.") from error
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if not head:
        raise ReadError(f"{path.name} is empty (0 bytes): it was not saved or not copied; copy or export it again.")
    if head[_MRC_PLACE : _MRC_PLACE + 4] == b"MAP ":
        return "MRC"
    for beginning, kind in _BEGINNINGS.items():
        if head.startswith(beginning):
            return kind
    expected = _SUFFIXES.get(path.suffix.lower())
    if expected is None:
        suffix = path.suffix or "without ending"
        raise ReadError(f"{path.name}: files {suffix} cannot be read; save it as TIFF, PNG, JPEG, BMP or MRC.")
    looks = "text" if _is_text(head) else "something else"
    raise ReadError(f"{path.name} is no {expected} image although its name says so: it holds {looks}.")


def _is_text(head: bytes) -> bool:
    return all(byte >= 32 or byte in b"\t\n\r\f" for byte in head)


def _unreadable(path: Path, error: Exception) -> ReadError:
    if isinstance(error, PermissionError):
        return ReadError(f"{path.name} may not be read: ask for the permission, or copy it to a folder of yours.")
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return ReadError(f"{path} could not be read ({reason}); check the drive and the name.")


def _name(path: Path) -> str:
    return path.stem.removesuffix(".ome") or path.stem
