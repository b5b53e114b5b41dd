"""Read PNG, JPEG and BMP."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from napari_microcnn.io.axes import grey_if_equal
from napari_microcnn.io.errors import DAMAGED, ReadError, too_short
from napari_microcnn.io.png import commented_size
from napari_microcnn.io.sidecars import beside
from napari_microcnn.micrograph import Micrograph

_MAX_RATIO = {"PNG": 1100, "JPEG": 4000, "BMP": 256}
"""How many bytes of pixels a byte of a file can hold at most: deflate packs 1032 into one."""

_PILLOW_PIXELS = 150_000_000
"""Pillow takes larger pictures for an attack."""

_PLAIN_MODES = ("1", "L", "I", "F", "I;16", "LA", "RGB", "RGBA")
"""Pillow's modes that are numbers as they stand; everything else becomes RGB."""

_DAMAGED = (*DAMAGED, OSError, SyntaxError)


def read_picture(path: Path, name: str, kind: str, *, raw: bool = False) -> Micrograph:
    """Read a PNG, JPEG or BMP file; these carry no pixel size but in PNG files of ours, but a header beside them may.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        Name of the micrograph.
    kind : str
        ``"PNG"``, ``"JPEG"`` or ``"BMP"``, as found from its first bytes.
    raw : bool
        Keep the indices of a colour map instead of its colours. For label images.

    Raises
    ------
    ReadError
        If the file is damaged, truncated, or lies about its size.
    """
    try:
        pixels = _png(path, raw) if kind == "PNG" else _with_pillow(path, kind, raw)
    except ReadError:
        raise
    except (Image.DecompressionBombError, MemoryError) as error:
        raise ReadError(f"{path.name} is too large for a {kind} file; save it as TIFF.") from error
    except (*_DAMAGED, UnidentifiedImageError) as error:
        raise ReadError(f"{path.name} is a damaged or truncated {kind} file; copy or export it again.") from error
    if 0 in pixels.shape:
        raise ReadError(f"The image in {path.name} is empty: its shape is {pixels.shape}.")
    axes = "YX"
    if pixels.ndim == 3:
        pixels, axes = grey_if_equal(_without_alpha(pixels), "YXC")
    if axes == "YXC" and pixels.shape[-1] == 1:
        pixels, axes = pixels[..., 0], "YX"
    calibration = (commented_size(path, pixels.shape) if kind == "PNG" else None) or beside(path, pixels.shape[1])
    return Micrograph(pixels, axes, calibration, name, path)


def _png(path: Path, raw: bool) -> np.ndarray[Any, Any]:
    """Decode PNG; by libpng what Pillow does not do: 16 bit colour, and stitched images of any size."""
    with path.open("rb") as file:
        width, height, depth, colour = struct.unpack(">IIBB", file.read(26)[16:])
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour, 4)
    _check(path, "PNG", width, height, samples * depth / 8, path.stat().st_size)
    if depth == 16 or (width * height > _PILLOW_PIXELS and not (raw and colour == 3)):
        return np.asarray(imagecodecs.png_decode(path.read_bytes()))
    return _with_pillow(path, "PNG", raw)


def _with_pillow(path: Path, kind: str, raw: bool) -> np.ndarray[Any, Any]:
    with warnings.catch_warnings():
        # Pillow warns of large pictures; a stitched micrograph is one, and the header was checked.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(path, formats=[kind]) as opened:
            _check(path, kind, *opened.size, len(opened.getbands()), path.stat().st_size)
            picture: Image.Image = opened if raw else ImageOps.exif_transpose(opened)
            if picture.mode not in _PLAIN_MODES and not (raw and picture.mode == "P"):
                picture = picture.convert("RGB")
            return np.array(picture)


def _check(path: Path, kind: str, width: int, height: int, bytes_per_pixel: float, file_size: int) -> None:
    needed = width * height * bytes_per_pixel
    if needed > _MAX_RATIO[kind] * file_size + 4096:
        raise too_short(path, (width, height), file_size)


def _without_alpha(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Drop opacity: the second of two samples, or the fourth of four."""
    samples = pixels.shape[-1]
    return pixels[..., : samples - 1] if samples in (2, 4) else pixels
