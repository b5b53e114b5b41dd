"""Images in an OME-Zarr that is written piece by piece, at all magnifications at once, and can be opened meanwhile.

The layout is NGFF 0.5 (https://ngff.openmicroscopy.org/0.5): the image itself in the root, images of labels
below ``labels``. Every level has every second row and column of the one before: ids must not be mixed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import zarr
from numpy.typing import NDArray

from napari_microcnn.io.atomic import telling
from napari_microcnn.io.errors import ReadError
from napari_microcnn.micrograph import Calibration, Micrograph

SUFFIX = ".ome.zarr"
_COARSEST = 512
"""The smallest level has no longer side, in pixels, so that a viewer shows it at once."""

_LARGEST_CHUNK, _MOST_CHUNKS = 1 << 30, 10_000_000
"""Bytes that are decoded at once, and pieces, at most."""
_DECODERS = {
    "bytes", "transpose", "sharding_indexed", "blosc", "gzip", "zlib", "zstd", "lz4", "bz2", "lzma", "crc32c", "crc32",
    "delta", "shuffle", "packbits",
}  # fmt: skip
"""What is decoded; others, such as pickle, may run what they like."""

_UNITS = {
    "pm": "picometer", "Å": "angstrom", "nm": "nanometer", "µm": "micrometer", "mm": "millimeter", "cm": "centimeter",
    "m": "meter", "inch": "inch",
}  # fmt: skip

Store = Any
"""A zarr group or array."""


class MultiscaleImage:
    """One image of whole numbers in an OME-Zarr.

    Parameters
    ----------
    group : zarr.Group
        That holds the levels as arrays ``"0"``, ``"1"`` and so on.
    """

    def __init__(self, group: Store) -> None:
        self.levels = [
            _checked(group[str(level)]) for level in range(len(group.attrs["ome"]["multiscales"][0]["datasets"]))
        ]

    def __setitem__(self, region: tuple[int | slice, ...], values: NDArray[Any]) -> None:
        """Write a region, two slices behind the indices of the plane, into all levels.

        What lies in the same chunk of a level is kept, so regions may come in any order, and again.
        """
        *plane, rows, cols = region
        if not isinstance(rows, slice) or not isinstance(cols, slice):
            raise TypeError("A region ends with a slice of rows and one of columns.")
        for number, level in enumerate(self.levels):
            step = 1 << number
            top, left = -(-rows.start // step), -(-cols.start // step)
            part = values[top * step - rows.start :: step, left * step - cols.start :: step]
            if part.size:
                level[(*plane, slice(top, top + part.shape[0]), slice(left, left + part.shape[1]))] = part

    def __getitem__(self, region: tuple[int | slice, ...]) -> NDArray[Any]:
        """Read a region of the finest level."""
        return np.asarray(self.levels[0][region])


def create_multiscale(
    path: Path,
    shape: tuple[int, ...],
    chunk: int,
    axes: str = "YX",
    calibration: Calibration | None = None,
    *,
    name: str,
    dtype: str = "uint8",
    labels: Sequence[str] = (),
    about: dict[str, Any] | None = None,
) -> None:
    """Create an OME-Zarr whose pixels are all 0 as yet.

    Parameters
    ----------
    path : Path
        Must not exist.
    shape : tuple of int
        ``(..., Y, X)``.
    chunk : int
        Side of the chunks in pixels.
    axes : str
        One letter of ``"TZYX"`` per dimension.
    calibration : Calibration, optional
    name : str
        Of the image.
    dtype : str
        Of the image; images of labels are int32.
    labels : sequence of str
        Names of the images of labels.
    about : dict, optional
        Further attributes of the root, for JSON.

    Raises
    ------
    WriteError
        If the folder cannot be written; one sentence.
    """
    with telling(path):
        root = zarr.open_group(path, mode="w-", zarr_format=3)
        _create_image(root, shape, chunk, axes, calibration, name, dtype, {})
        root.attrs.update(about or {})
        if not labels:
            return
        below = root.create_group("labels")
        below.attrs["ome"] = {"version": "0.5", "labels": list(labels)}
        for one in labels:
            extra = {"image-label": {"source": {"image": "../../"}}}
            _create_image(below.create_group(one), shape, chunk, axes, calibration, one, "int32", extra)


def _create_image(
    group: Store,
    shape: tuple[int, ...],
    chunk: int,
    axes: str,
    calibration: Calibration | None,
    name: str,
    dtype: str,
    extra: dict[str, Any],
) -> None:
    *stack, height, width = shape
    sizes = calibration.pixel_size if calibration is not None else (1.0, 1.0)
    datasets, level = [], 0
    while True:
        step = 1 << level
        at_level = (*stack, -(-height // step), -(-width // step))
        chunks = (*(1 for _ in stack), min(chunk, at_level[-2]), min(chunk, at_level[-1]))
        group.create_array(
            str(level), shape=at_level, chunks=chunks, dtype=dtype, fill_value=0, dimension_names=list(axes.lower())
        )
        scale = [*(1.0 for _ in stack), *(size * step for size in sizes)]
        datasets.append({"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": scale}]})
        if max(at_level[-2:]) <= _COARSEST:
            break
        level += 1
    described = [_axis(letter, calibration) for letter in axes]
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [{"name": name, "axes": described, "datasets": datasets, "type": "nearest"}],
        **extra,
    }


def _axis(letter: str, calibration: Calibration | None) -> dict[str, str]:
    if letter == "T":
        return {"name": "t", "type": "time"}
    axis = {"name": letter.lower(), "type": "space"}
    if calibration is not None and letter in "YX":
        axis["unit"] = _UNITS[calibration.unit]
    return axis


def open_multiscale(path: Path, mode: str = "r") -> tuple[MultiscaleImage, dict[str, MultiscaleImage]]:
    """Open the image of an OME-Zarr and its images of labels, by their names.

    Raises
    ------
    ReadError
        If it is no OME-Zarr; one sentence.
    """
    root = _root(path, mode)
    try:
        names = root["labels"].attrs["ome"]["labels"] if "labels" in root else []
        return MultiscaleImage(root), {one: MultiscaleImage(root[f"labels/{one}"]) for one in names}
    except (KeyError, TypeError, IndexError) as error:
        raise ReadError(f"{path.name} is an OME-Zarr without an image of the version 0.5.") from error


def attributes(path: Path) -> dict[str, Any]:
    """Return the attributes of the root of a Zarr; empty if it is none."""
    try:
        return dict(_root(path, "r").attrs.asdict())
    except ReadError:
        return {}


def _root(path: Path, mode: str) -> Store:
    try:
        return zarr.open_group(path, mode=mode)  # type: ignore[arg-type]  # checked there
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReadError(f"{path.name or path} is no Zarr folder, or is damaged; open another one.") from error


def read_ome_zarr(path: Path) -> Micrograph:
    """Open the first image of an OME-Zarr of the version 0.4 or 0.5; its pixels are read when they are needed.

    Raises
    ------
    ReadError
        If it is no OME-Zarr, or has axes that a micrograph cannot have; one sentence.
    """
    return read_levels(path)[0]


def read_levels(path: Path) -> list[Micrograph]:
    """Do as `read_ome_zarr` for all magnifications, the finest one first."""
    root = _root(path, "r")
    stem = path.name.removesuffix(".zarr").removesuffix(".ome")
    try:
        attrs = root.attrs.asdict()
        image = attrs.get("ome", attrs)["multiscales"][0]
        axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in image["axes"]]
        levels = []
        for level in image["datasets"]:
            stored: Any = da.from_zarr(_checked(root[level["path"]]))  # type: ignore[no-untyped-call]
            scale = next(one["scale"] for one in level["coordinateTransformations"] if one["type"] == "scale")
            if not len(axes) == stored.ndim == len(scale):
                raise ValueError("axes, array and scale differ")
            letters = "".join(str(axis["name"]).upper() for axis in axes)
            pixels, left = _arranged(stored, letters)
            levels.append(Micrograph(pixels, left, _calibration(axes, scale, letters), stem, path))
    except (KeyError, TypeError, IndexError, ValueError, StopIteration, AttributeError) as error:
        raise ReadError(
            f"{path.name} holds no image with the axes of a micrograph as OME-Zarr describes one ({error}); save it "
            "again."
        ) from error
    if not levels:
        raise ReadError(f"{path.name} is an OME-Zarr without an image; save it again.")
    return levels


def _checked(array: Store) -> Store:
    """Return an array if reading it runs nothing but known decoders and takes memory as promised.

    Raises
    ------
    ValueError
        If not.
    """
    chunk = math.prod(array.chunks) * array.dtype.itemsize
    count = math.prod(-(-length // part) for length, part in zip(array.shape, array.chunks, strict=True))
    if array.dtype.kind not in "buif":
        raise ValueError(f"its pixels are {array.dtype}")
    if chunk > _LARGEST_CHUNK or count > _MOST_CHUNKS:
        raise ValueError(f"it has {count} pieces of {chunk} bytes")
    described = array.metadata.to_dict()
    parts = (described.get("codecs"), described.get("filters"), described.get("compressor"))
    if unknown := set(_decoders(parts)) - _DECODERS:
        raise ValueError(f"it is compressed with {', '.join(sorted(unknown))}")
    return array


def _decoders(described: Any) -> Iterator[str]:
    """Yield the names of all decoders in a description, those within shards too."""
    if isinstance(described, dict):
        name = described.get("name", described.get("id"))
        if name is not None:
            yield str(name)
        yield from _decoders(list(described.values()))
    elif isinstance(described, (list, tuple)):
        for part in described:
            yield from _decoders(part)
    elif hasattr(described, "get_config"):
        yield from _decoders(described.get_config())


def _arranged(pixels: Any, letters: str) -> tuple[Any, str]:
    """Put the channels last and leave out axes of one place, but those of the plane."""
    if "C" in letters:
        pixels, letters = da.moveaxis(pixels, letters.index("C"), -1), letters.replace("C", "") + "C"
    for letter in "TZC":
        place = letters.find(letter)
        if place >= 0 and pixels.shape[place] == 1:
            pixels, letters = pixels[(slice(None),) * place + (0,)], letters.replace(letter, "")
    return pixels, letters


def _calibration(axes: list[dict[str, Any]], scale: list[float], letters: str) -> Calibration | None:
    """Return the pixel size, if the file says for certain."""
    units = {name: unit for unit, name in _UNITS.items()}
    place = letters.find("Y")
    unit = units.get(axes[place].get("unit", ""))
    if place < 0 or unit is None or axes[place].get("unit") != axes[place + 1].get("unit"):
        return None
    try:
        return Calibration((float(scale[place]), float(scale[place + 1])), unit, "OME-Zarr")
    except (ValueError, TypeError):
        return None
