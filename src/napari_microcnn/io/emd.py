"""Read EMD files: HDF5 as Velox of Thermo Fisher writes it, and as the NCEM defines it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from napari_microcnn.io.axes import normalise_axes
from napari_microcnn.io.errors import DAMAGED, ReadError
from napari_microcnn.io.hdf5 import stored
from napari_microcnn.io.lengths import believed, length
from napari_microcnn.micrograph import Calibration, Micrograph, Pixels

_STRAIGHT = 1e-3
"""Relative deviation of the last step of a dimension from the first one that is still a scale."""


def read_emd(path: Path, name: str) -> Micrograph:
    """Read the first image of an EMD file.

    The pixel size is ``BinaryResult.PixelSize`` of Velox's metadata, or the step of the dimensions
    of an NCEM file.

    Parameters
    ----------
    path : Path
    name : str
        Name of the micrograph.

    Raises
    ------
    ReadError
        If the file is damaged, or holds no image.
    """
    try:
        with h5py.File(path, "r") as file:
            found = _velox(path, file) or _ncem(path, file)
    except ReadError:
        raise
    except (*DAMAGED, OSError) as error:
        raise ReadError(f"{path.name} is a damaged or truncated EMD file; copy or export it again.") from error
    if found is None:
        raise ReadError(f"{path.name} holds no image as Velox or the NCEM's EMD writes it; export it as TIFF.")
    pixels, axes, calibration = found
    if pixels.dtype.kind not in "iuf" or not pixels.size:
        raise ReadError(f"{path.name} holds no image of real numbers; export its magnitude as TIFF.")
    pixels, axes = normalise_axes(pixels, axes, path.name)
    return Micrograph(pixels, axes, calibration, name, path, {"file_axes": axes})


Found = tuple[Pixels, str, Calibration | None]


def _velox(path: Path, file: h5py.File) -> Found | None:
    """``Data/Image/NUMBER`` with the pixels, (Y, X, frames), and a column of JSON text per frame."""
    images = file.get("Data/Image")
    if not isinstance(images, h5py.Group):
        return None
    for image in images.values():
        data = image.get("Data") if isinstance(image, h5py.Group) else None
        if isinstance(data, h5py.Dataset) and data.ndim == 3:
            pixels = np.moveaxis(stored(path, data), 2, 0)
            return np.ascontiguousarray(pixels), "TYX", _velox_size(image.get("Metadata"))
    return None


def _velox_size(metadata: Any) -> Calibration | None:
    if not isinstance(metadata, h5py.Dataset) or metadata.ndim != 2 or not metadata.shape[1]:
        return None
    text = bytes(metadata[:, 0]).partition(b"\0")[0]
    try:
        result = json.loads(text)["BinaryResult"]
        sizes = [
            length(result["PixelSize"][side], result[f"PixelUnit{axis}"])
            for side, axis in (("height", "Y"), ("width", "X"))
        ]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return believed(sizes, "EMD (Velox) PixelSize")


def _ncem(path: Path, file: h5py.File) -> Found | None:
    """Find the first group that calls itself EMD data: ``data`` with ``dim1`` to ``dimN``."""
    groups: list[h5py.Group] = []

    def look(_: str, node: Any) -> None:
        if isinstance(node, h5py.Group) and "emd_group_type" in node.attrs and "data" in node:
            groups.append(node)

    file.visititems(look)
    for group in groups:
        data = group["data"]
        if not isinstance(data, h5py.Dataset) or data.ndim not in (2, 3):
            continue
        dims = [group.get(f"dim{number}") for number in range(1, data.ndim + 1)]
        names = [_text(dim.attrs.get("name", "")).lower() if dim is not None else "" for dim in dims]
        pixels = stored(path, data)
        if names[:2] == ["x", "y"]:  # tomography programs count from x; images count from rows
            pixels, dims = pixels.transpose(), dims[::-1]
        sizes = [_step(dim) for dim in dims[-2:]]
        return np.ascontiguousarray(pixels), "ZYX"[-pixels.ndim :], believed(sizes, "EMD (NCEM) dimensions")
    return None


def _step(dim: Any) -> float | None:
    """Return the step of a dimension in metres; its unit looks like ``[n_m]`` for nm."""
    if not isinstance(dim, h5py.Dataset) or dim.ndim != 1 or dim.size < 2:
        return None
    values = np.asarray(dim[()], dtype=np.float64)
    first, last = values[1] - values[0], values[-1] - values[-2]
    if not np.isfinite([first, last]).all() or abs(first - last) > _STRAIGHT * abs(first):
        return None
    # All steps together lose fewer digits to the rounding of the file than one.
    step = (values[-1] - values[0]) / (len(values) - 1)
    return length(float(step), _text(dim.attrs.get("units", "")).strip("[]").replace("_", ""))


def _text(value: Any) -> str:
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)
