"""Read OME-Zarr folders: images at all magnifications, and what stands beside them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import zarr
from dask.base import tokenize

from napari_microcnn.io.errors import DAMAGED, ReadError, one_line
from napari_microcnn.io.stored import StoredArray
from napari_microcnn.micrograph import Calibration, Micrograph

OURS = "napari-microcnn"
"""Attribute of an OME-Zarr that holds a segmentation."""
_LARGEST_CHUNK, _MOST_CHUNKS = 1 << 30, 10_000_000
"""Bytes that are decoded at once, and pieces, at most."""
_LONGEST = 100
"""Letters of a reason; libraries repeat whole values that they do not know."""
_DECODERS = {
    "bytes", "transpose", "sharding_indexed", "blosc", "gzip", "zlib", "zstd", "lz4", "bz2", "lzma", "crc32c", "crc32",
    "delta", "shuffle", "packbits",
}  # fmt: skip
"""What is decoded; others, such as pickle, may run what they like."""

UNITS = {
    "pm": "picometer", "Å": "angstrom", "nm": "nanometer", "µm": "micrometer", "mm": "millimeter", "cm": "centimeter",
    "m": "meter", "inch": "inch",
}  # fmt: skip

Store = Any
"""A zarr group or array."""


def attributes(path: Path) -> dict[str, Any]:
    """Return the attributes of the root of a Zarr; empty if it is none."""
    try:
        return dict(open_root(path, "r").attrs.asdict())
    except ReadError:
        return {}


def open_root(path: Path, mode: str) -> Store:
    """Open the root of a Zarr; a `ReadError` if it is none."""
    try:
        return zarr.open_group(path, mode=mode)  # type: ignore[arg-type]  # checked there
    except (*DAMAGED, OSError) as error:
        raise ReadError(f"{path.name or path} is no Zarr folder, or is damaged; open another one.") from error


def label_names(path: Path) -> list[str]:
    """Return the names of the images of labels of an OME-Zarr of the version 0.4 or 0.5.

    Raises
    ------
    ReadError
        If it is no OME-Zarr; one sentence.
    """
    root = open_root(path, "r")
    try:
        attrs = root["labels"].attrs.asdict() if "labels" in root else {}
        names = attrs.get("ome", attrs).get("labels", [])
        return [name for name in names if isinstance(name, str) and Path(name).name == name and name in root["labels"]]
    except (*DAMAGED, OSError) as error:
        raise ReadError(f"The labels of {path.name} are damaged; save it again.") from error


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
    root = open_root(path, "r")
    stem = path.name.removesuffix(".zarr").removesuffix(".ome")
    try:
        attrs = root.attrs.asdict()
        image = attrs.get("ome", attrs)["multiscales"][0]
        axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in image["axes"]]
        levels = []
        for level in image["datasets"]:
            stored = _lazy(checked_array(root[level["path"]]), path)
            scale = next(one["scale"] for one in level["coordinateTransformations"] if one["type"] == "scale")
            if not len(axes) == stored.ndim == len(scale):
                raise ValueError("axes, array and scale differ")
            letters = "".join(str(axis["name"]).upper() for axis in axes)
            pixels, left = _arranged(stored, letters)
            levels.append(Micrograph(pixels, left, _calibration(axes, scale, letters), stem, path))
    except (*DAMAGED, OSError, StopIteration) as error:
        why = one_line(error)[:_LONGEST]
        raise ReadError(
            f"{path.name} holds no image with the axes of a micrograph as OME-Zarr describes one ({why}); save it "
            "again."
        ) from error
    if not levels:
        raise ReadError(f"{path.name} is an OME-Zarr without an image; save it again.")
    return levels


def _lazy(array: Store, path: Path) -> Any:
    """Return an array whose pieces are read when they are needed."""
    return da.from_array(  # type: ignore[no-untyped-call]
        StoredArray(array, path, "copy or save it again"),
        chunks=array.chunks,
        name=f"ome-zarr-{tokenize(array)}",
        asarray=False,  # slicing gives plain arrays already
        meta=np.empty(0, array.dtype),
    )


def checked_array(array: Store) -> Store:
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
    units = {name: unit for unit, name in UNITS.items()}
    place = letters.find("Y")
    unit = units.get(axes[place].get("unit", ""))
    if place < 0 or unit is None or axes[place].get("unit") != axes[place + 1].get("unit"):
        return None
    try:
        return Calibration((float(scale[place]), float(scale[place + 1])), unit, "OME-Zarr")
    except (ValueError, TypeError):
        return None
