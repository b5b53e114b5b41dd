"""Images in an OME-Zarr that is written piece by piece, at all magnifications at once, and can be opened meanwhile.

The layout is NGFF 0.5 (https://ngff.openmicroscopy.org/0.5): the image itself in the root, images of labels
below ``labels``. Every level has every second row and column of the one before: ids must not be mixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from napari_microcnn.io.atomic import telling
from napari_microcnn.io.errors import DAMAGED, ReadError
from napari_microcnn.io.ome_zarr import UNITS, Store, checked_array, open_root
from napari_microcnn.io.stored import StoredArray
from napari_microcnn.micrograph import Calibration

SUFFIX = ".ome.zarr"
_COARSEST = 512
"""The smallest level has no longer side, in pixels, so that a viewer shows it at once."""


class MultiscaleImage:
    """One image of whole numbers in an OME-Zarr.

    Parameters
    ----------
    group : zarr.Group
        That holds the levels as arrays ``"0"``, ``"1"`` and so on.
    path : Path
        Of the OME-Zarr.
    """

    def __init__(self, group: Store, path: Path) -> None:
        self.levels = [
            checked_array(group[str(level)]) for level in range(len(group.attrs["ome"]["multiscales"][0]["datasets"]))
        ]
        self._stored = [StoredArray(level, path, "delete it and make it again") for level in self.levels]
        self._coarser = [_Gathered(level) for level in self._stored[1:]]

    def __setitem__(self, region: tuple[int | slice, ...], values: NDArray[Any]) -> None:
        """Write a region, two slices behind the indices of the plane, into all levels.

        What lies in the same chunk of a level is kept, so regions may come in any order, and again.
        """
        self.put(region, values)
        self.flush()

    def put(self, region: tuple[int | slice, ...], values: NDArray[Any]) -> None:
        """Do so, but write a chunk of a coarser level only when a region lies in another one, or with `flush`.

        Otherwise every region costs as much again at every level, however little of it there is.
        """
        *plane, rows, cols = region
        if not isinstance(rows, slice) or not isinstance(cols, slice):
            raise TypeError("A region ends with a slice of rows and one of columns.")
        self._stored[0][region] = values
        for number, level in enumerate(self._coarser, start=1):
            step = 1 << number
            top, left = -(-rows.start // step), -(-cols.start // step)
            part = values[top * step - rows.start :: step, left * step - cols.start :: step]
            if part.size:
                level.put(tuple(plane), top, left, part)

    def flush(self) -> None:
        """Write all that is left to write."""
        for level in self._coarser:
            level.flush()

    def __getitem__(self, region: tuple[int | slice, ...]) -> NDArray[Any]:
        """Read a region of the finest level."""
        return self._stored[0][region]


class _Gathered:
    """An array that is written chunk by chunk, each of them when the next one begins."""

    def __init__(self, array: StoredArray) -> None:
        self._array = array
        self._region: tuple[Any, ...] | None = None
        self._pixels: NDArray[Any] = np.zeros((0, 0))

    def put(self, plane: tuple[Any, ...], top: int, left: int, values: NDArray[Any]) -> None:
        """Take a region of a plane, (H, W), that begins at a row and a column."""
        (height, width), (high, wide) = values.shape, self._array.chunks[-2:]
        for row in range(top // high * high, top + height, high):
            for column in range(left // wide * wide, left + width, wide):
                self._turn_to((*plane, slice(row, row + high), slice(column, column + wide)))
                part = values[max(0, row - top) : row + high - top, max(0, column - left) : column + wide - left]
                first, start = max(0, top - row), max(0, left - column)
                self._pixels[first : first + part.shape[0], start : start + part.shape[1]] = part

    def flush(self) -> None:
        """Write what is not written yet."""
        if self._region is not None:
            self._array[self._region] = self._pixels
            self._region = None

    def _turn_to(self, region: tuple[Any, ...]) -> None:
        if region != self._region:
            self.flush()
            self._region, self._pixels = region, self._array[region].copy()


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
        ``(..., Y, X)``; channels before the plane and its stack.
    chunk : int
        Side of the chunks in pixels.
    axes : str
        One letter of ``"TCZYX"`` per dimension.
    calibration : Calibration, optional
    name : str
        Of the image.
    dtype : str
        Of the image; images of labels are int32 and have its shape without channels.
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
            place = [length for length, letter in zip(shape, axes, strict=True) if letter != "C"]
            left = axes.replace("C", "")
            _create_image(below.create_group(one), tuple(place), chunk, left, calibration, one, "int32", extra)


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
    if letter in "TC":
        return {"name": letter.lower(), "type": "time" if letter == "T" else "channel"}
    axis = {"name": letter.lower(), "type": "space"}
    if calibration is not None and letter in "YX":
        axis["unit"] = UNITS[calibration.unit]
    return axis


def open_multiscale(path: Path, mode: str = "r") -> tuple[MultiscaleImage, dict[str, MultiscaleImage]]:
    """Open the image of an OME-Zarr and its images of labels, by their names.

    Raises
    ------
    ReadError
        If it is no OME-Zarr; one sentence.
    """
    root = open_root(path, mode)
    try:
        names = root["labels"].attrs["ome"]["labels"] if "labels" in root else []
        return MultiscaleImage(root, path), {one: MultiscaleImage(root[f"labels/{one}"], path) for one in names}
    except (*DAMAGED, OSError) as error:
        raise ReadError(f"{path.name} is an OME-Zarr without an image of the version 0.5.") from error
