"""Read MRC files of electron microscopes."""

from __future__ import annotations

import math
import struct
import warnings
from pathlib import Path

import mrcfile
import numpy as np

from napari_microcnn.io.axes import normalise_axes
from napari_microcnn.io.errors import DAMAGED, ReadError, too_short
from napari_microcnn.io.lengths import believed, length
from napari_microcnn.micrograph import Calibration, Micrograph

_AXES = {2: "YX", 3: "ZYX"}
_HEADER, _MODE, _EXTENDED, _STAMP = 1024, 12, 92, 212
"""Length of the header, and where it tells the kind of numbers, bytes of more header, and the order of bytes."""
_FILLED_IN = 1.0
"""Å per voxel that programs write when nobody told them the size."""


def read_mrc(path: Path, name: str) -> Micrograph:
    """Read an MRC image or stack; its pixel size is the cell over the grid, in Å (MRC2014).

    Exactly 1 Å is what programs fill in for an unknown size, and gives no calibration.

    Parameters
    ----------
    path : Path
    name : str
        Name of the micrograph.

    Raises
    ------
    ReadError
        If the file is damaged, truncated, or holds volumes or complex numbers.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            _check(path)
            with mrcfile.open(path, mode="r", permissive=False) as mrc:
                pixels = np.array(mrc.data)
                calibration = _calibration(mrc.header)
    except ReadError:
        raise
    except (*DAMAGED, OSError) as error:
        raise ReadError(f"{path.name} is a damaged or truncated MRC file; copy or export it again.") from error
    axes = _AXES.get(pixels.ndim)
    if axes is None or pixels.dtype.kind not in "iuf" or not pixels.size:
        raise ReadError(f"{path.name} holds no image or stack of real numbers; export one image of it.")
    native = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    planes, order = normalise_axes(native, axes, path.name)
    return Micrograph(planes, order, calibration, name, path, {"file_axes": axes})


def _check(path: Path) -> None:
    """Compare what the header promises with the file, before mrcfile makes room for all of it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_HEADER)
    order = ">" if head[_STAMP : _STAMP + 1] == b"\x11" else "<"
    shape = struct.unpack_from(f"{order}3i", head)[::-1]
    mode, extended = (struct.unpack_from(f"{order}i", head, place)[0] for place in (_MODE, _EXTENDED))
    pixel = mrcfile.utils.dtype_from_mode(mode).itemsize
    if min(*shape, extended + 1) < 1 or math.prod(shape) * pixel + extended > size:
        raise too_short(path, shape, size)


def _calibration(header: np.recarray) -> Calibration | None:
    sizes = []
    for axis in "yx":
        grid, cell = int(header[f"m{axis}"]), float(header["cella"][axis])
        # The cell is a 32-bit number: seven digits are all that it knows.
        size = float(f"{cell / grid:.7g}") if grid > 0 else 0.0
        sizes.append(None if size == _FILLED_IN else length(size, "Å"))
    plain = (int(header["mapc"]), int(header["mapr"])) in ((1, 2), (0, 0))
    return believed(sizes, "MRC cell size") if plain else None
