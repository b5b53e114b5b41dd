"""Write images with their pixel size, tables and JSON; complete or not at all."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, get_args

import imagecodecs
import numpy as np
from tifffile import TiffWriter

from napari_microcnn.io.atomic import replacing
from napari_microcnn.io.errors import WriteError
from napari_microcnn.io.png import encode_png
from napari_microcnn.micrograph import METRES, Calibration, Pixels

Format = Literal["ome-tiff", "tiff", "png"]
"""OME-TIFF carries the pixel size for certain; plain TIFF as a resolution that few programs read; PNG as a comment."""

_STRIP_BYTES, _BAND_BYTES = 1 << 18, 16 << 20
_CLASSIC_LIMIT = 4_000_000_000  # bytes that a TIFF file without 64-bit offsets surely holds
_FINEST_RESOLUTION = 4e9  # pixels per centimetre that fit the 32 bits of a resolution tag
_NARROWER = {"b": "uint8", "i8": "int32", "u8": "uint32", "f2": "float32"}
"""Number types that OME-TIFF or ImageJ do not know, and what holds the same numbers."""


def write_image(
    path: str | os.PathLike[str],
    pixels: Pixels,
    axes: str = "YX",
    calibration: Calibration | None = None,
    *,
    format: Format | None = None,  # noqa: A002 - the word users and the command line use
    name: str | None = None,
    channel_names: Sequence[str] | None = None,
) -> Path:
    """Write an image, a mask or a stack.

    Dask arrays are computed and written band by band; the whole is never in memory. TIFF files
    have strips and no tiles, because ImageJ opens only those.

    Parameters
    ----------
    path : str or path-like
        Ends in ``.tif``, ``.tiff`` or ``.png``.
    pixels : numpy.ndarray or dask.array.Array
        Real numbers. Booleans become 0 and 1, 64-bit integers 32-bit ones.
    axes : str
        One letter of ``"TZCYX"`` per dimension, in any order that ends with ``"YX"`` or ``"YXC"``.
    calibration : Calibration, optional
        Size of a pixel.
    format : {"ome-tiff", "tiff", "png"}, optional
        By default OME-TIFF, or PNG for a path that ends so.
    name : str, optional
        Name of the image inside an OME-TIFF.
    channel_names : sequence of str, optional
        Names of the channels inside an OME-TIFF.

    Returns
    -------
    Path
        The written file.

    Raises
    ------
    WriteError
        If the file cannot be written, or the format cannot hold the image; one sentence.
    """
    path = Path(path)
    format = format or _format_of(path)  # noqa: A001
    if len(axes) != pixels.ndim:
        raise WriteError(f"Axes {axes!r} do not fit an array of shape {pixels.shape}.")
    with replacing(path) as unfinished:
        write_image_to(unfinished, pixels, axes, calibration, format=format, name=name, channel_names=channel_names)
    return path


def write_image_to(
    file: Path,
    pixels: Pixels,
    axes: str,
    calibration: Calibration | None,
    *,
    format: Format,  # noqa: A002
    name: str | None = None,
    channel_names: Sequence[str] | None = None,
) -> None:
    """Do as `write_image`, straight into `file`, whatever it is called."""
    if format not in get_args(Format):
        raise WriteError(f"Images are written as {', '.join(get_args(Format))}, not as {format!r}.")
    if np.dtype(pixels.dtype).kind not in "buif":
        raise WriteError(f"Images of {pixels.dtype} cannot be written; pixels must be real numbers.")
    if format == "png":
        file.write_bytes(encode_png(pixels, axes, calibration))
    else:
        _write_tiff(file, pixels, axes, calibration, format == "ome-tiff", name, channel_names)


def _format_of(path: Path) -> Format:
    suffix = path.suffix.lower()
    if suffix in (".tif", ".tiff"):
        return "ome-tiff"
    if suffix == ".png":
        return "png"
    raise WriteError(f"{path.name}: images are written to names that end in .tif or .png; change the name.")


def _write_tiff(
    file: Path,
    pixels: Pixels,
    axes: str,
    calibration: Calibration | None,
    ome: bool,
    name: str | None,
    channel_names: Sequence[str] | None,
) -> None:
    pixels, axes, colour = _stored_axes(pixels, axes)
    wider = pixels.dtype.newbyteorder("=")
    dtype = np.dtype(_NARROWER.get(wider.str[1:], _NARROWER.get(wider.kind, wider)))
    first_row = axes.index("Y")
    row_bytes = math.prod(pixels.shape[first_row + 1 :]) * dtype.itemsize
    rows = max(1, min(pixels.shape[first_row], _STRIP_BYTES // row_bytes))
    options: dict[str, Any] = {"metadata": _ome_metadata(axes, calibration, name, channel_names) if ome else None}
    if (density := _resolution(calibration)) is not None:
        options |= {"resolution": density, "resolutionunit": "CENTIMETER"}
    with TiffWriter(file, ome=ome, bigtiff=pixels.size * dtype.itemsize > _CLASSIC_LIMIT) as writer:
        writer.write(
            _strips(pixels, first_row, rows, dtype),
            shape=pixels.shape,
            dtype=dtype,
            photometric="rgb" if colour else "minisblack",
            planarconfig="contig" if colour else None,
            compression="zlib",
            rowsperstrip=rows,
            software="napari-microcnn",
            **options,
        )


def _stored_axes(pixels: Pixels, axes: str) -> tuple[Pixels, str, bool]:
    """Return pixels and axes as TIFF stores them, and whether the last axis is red, green, blue."""
    if not axes.endswith("C"):
        return pixels, axes, False
    if pixels.shape[-1] == 3 and pixels.dtype.str[1:] in ("u1", "u2"):
        return pixels, axes[:-1] + "S", True
    order = (*range(pixels.ndim - 3), pixels.ndim - 1, pixels.ndim - 3, pixels.ndim - 2)
    return pixels.transpose(order), axes[:-3] + "CYX", False


def _strips(pixels: Pixels, first_row: int, rows: int, dtype: np.dtype[Any]) -> Iterator[bytes]:
    """Yield the compressed strips of every plane; a band of them is computed at a time."""
    height = pixels.shape[first_row]
    row_bytes = max(1, math.prod(pixels.shape[first_row + 1 :]) * dtype.itemsize)
    chunk_rows = pixels.chunks[first_row][0] if hasattr(pixels, "chunks") else 1
    band_rows = rows * max(1, max(_BAND_BYTES // row_bytes, chunk_rows) // rows)
    for plane in np.ndindex(pixels.shape[:first_row]):
        for top in range(0, height, band_rows):
            band = _convert(np.asarray(pixels[plane][top : top + band_rows]), dtype)
            for start in range(0, len(band), rows):
                yield bytes(imagecodecs.zlib_encode(band[start : start + rows].tobytes()))


def _convert(band: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    if dtype.kind in "iu" and band.dtype.kind in "iu" and band.dtype.itemsize > dtype.itemsize and band.size:
        limits = np.iinfo(dtype)
        if band.min() < limits.min or band.max() > limits.max:
            raise WriteError(f"Numbers up to {band.max()} do not fit the {dtype} of a TIFF file; number from 1 again.")
    return band.astype(dtype, copy=False)


def _ome_metadata(
    axes: str, calibration: Calibration | None, name: str | None, channel_names: Sequence[str] | None
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"axes": axes}
    if calibration is not None:
        y, x = calibration.pixel_size
        unit = {"inch": "in"}.get(calibration.unit, calibration.unit)
        metadata |= {"PhysicalSizeY": y, "PhysicalSizeX": x, "PhysicalSizeYUnit": unit, "PhysicalSizeXUnit": unit}
    if name:
        metadata["Name"] = name
    if channel_names:
        metadata["Channel"] = {"Name": list(channel_names)}
    return metadata


def _resolution(calibration: Calibration | None) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Pixels per centimetre along x and y: what ImageJ without Bio-Formats reads.

    As the nearest fractions of 32-bit numbers, because older versions of tifffile take coarser ones.
    """
    if calibration is None:
        return None
    y, x = (METRES["cm"] / (size * METRES[calibration.unit]) for size in calibration.pixel_size)
    return (_ratio(x), _ratio(y)) if max(x, y) < _FINEST_RESOLUTION else None


def _ratio(value: float) -> tuple[int, int]:
    most = 2**32 - 1
    return Fraction(value).limit_denominator(max(1, min(most, int(most / value)))).as_integer_ratio()


def write_table(path: str | os.PathLike[str], columns: Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]) -> Path:
    """Write a CSV table: UTF-8, one header line, one line per object.

    Parameters
    ----------
    path : str or path-like
        The file.
    columns : mapping
        Names, with units where there are any, and values of one length. Booleans become 0 and 1.

    Raises
    ------
    WriteError
        If the file cannot be written; one sentence.
    """
    with replacing(path) as unfinished:
        write_table_to(unfinished, columns)
    return Path(path)


def write_table_to(file: Path, columns: Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]) -> None:
    """Do as `write_table`, straight into `file`."""
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise WriteError(f"The columns of a table must have one length, not {lengths}.")
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*(_cells(values) for values in columns.values()), strict=True))


def _cells(values: Sequence[Any] | np.ndarray[Any, Any]) -> list[Any]:
    array = np.asarray(values)
    if array.dtype.kind == "b":
        return list(array.astype(int).tolist())
    if array.dtype.kind == "f":
        return [f"{value:.9g}" for value in array.tolist()]
    return list(array.tolist())


def write_json(path: str | os.PathLike[str], content: Mapping[str, Any]) -> Path:
    """Write JSON: UTF-8, indented, strictly valid (not a number becomes null).

    Raises
    ------
    WriteError
        If the file cannot be written; one sentence.
    """
    with replacing(path) as unfinished:
        write_json_to(unfinished, content)
    return Path(path)


def write_json_to(file: Path, content: Mapping[str, Any]) -> None:
    """Do as `write_json`, straight into `file`."""
    text = json.dumps(plain(content), indent=2, ensure_ascii=False, allow_nan=False)
    file.write_text(text + "\n", encoding="utf-8")


def plain(value: Any) -> Any:
    """Return a value as JSON gives it back: turn numpy numbers, paths and tuples into what JSON knows."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, (str, int, bool)) or value is None else str(value)
