"""Read DM3 and DM4 files of Gatan's DigitalMicrograph, with RosettaSciIO where it is installed."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from napari_microcnn.io.axes import normalise_axes
from napari_microcnn.io.errors import ReadError
from napari_microcnn.io.lengths import believed, length
from napari_microcnn.micrograph import Micrograph

_AXES = {2: "YX", 3: "ZYX"}


def read_dm(path: Path, name: str) -> Micrograph:
    """Read the first image of a DM3 or DM4 file; its pixel size is the scale of its dimensions.

    Parameters
    ----------
    path : Path
    name : str
        Name of the micrograph.

    Raises
    ------
    ReadError
        If RosettaSciIO, which is no part of this package because of its licence, is missing, or the
        file is damaged or holds no image.
    """
    try:
        reader = importlib.import_module("rsciio.digitalmicrograph")
    except ImportError as error:
        raise ReadError(
            f"{path.name}: DM3 and DM4 files need RosettaSciIO; install it with: pip install 'napari-microcnn[dm]', or "
            f"save the image as TIFF."
        ) from error
    try:
        with np.errstate(all="ignore"):  # it computes with whatever the file says
            signals: list[dict[str, Any]] = reader.file_reader(str(path))
    except Exception as error:  # RosettaSciIO's own errors have no other base, and their place changed with versions
        raise ReadError(f"{path.name} is a damaged or truncated DM file; copy or export it again.") from error
    for signal in signals:
        pixels, axes = np.asarray(signal["data"]), signal["axes"]
        if pixels.ndim in _AXES and pixels.dtype.kind in "iuf" and pixels.size:
            sizes = [length(axis.get("scale"), axis.get("units")) for axis in axes[-2:]]
            plane, order = normalise_axes(pixels, _AXES[pixels.ndim], path.name)
            return Micrograph(plane, order, believed(sizes, "DM scale"), name, path, {"file_axes": order})
    raise ReadError(f"{path.name} holds no image or stack of real numbers; export one image of it as TIFF.")
