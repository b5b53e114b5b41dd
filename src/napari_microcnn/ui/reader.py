"""Reader for napari that adds the one thing napari's own reader leaves out: the pixel size."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from napari_microcnn.micrograph import Micrograph
from napari_microcnn.ui import layers

LayerData = tuple[Any, dict[str, Any], str]
_NAPARI_READS = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp")


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """Return a reader if the file says what a pixel measures, or only we read it; otherwise None: then others do."""
    if isinstance(path, list):
        if len(path) != 1:
            return None
        path = path[0]

    from napari_microcnn.io.read import ReadError, read_micrograph

    try:
        micrograph = read_micrograph(path)
    except (ReadError, ValueError, OSError):
        return None  # napari's own reader says what is wrong
    plain = Path(path).suffix.lower() in _NAPARI_READS
    return partial(_layers, micrograph) if micrograph.calibration is not None or not plain else None


def _layers(micrograph: Micrograph, path: str | list[str]) -> list[LayerData]:  # noqa: ARG001 - read already
    """Return a micrograph as an image layer with scale and unit."""
    known = {"calibration": micrograph.calibration, "lazy": hasattr(micrograph.pixels, "dask")}
    ndim = len(micrograph.axes.removesuffix("C"))
    about: dict[str, Any] = {
        "name": micrograph.name,
        "metadata": {layers.KEY: known, **micrograph.metadata},
        **layers.calibrated(micrograph.calibration, ndim),
    }
    if micrograph.axes.endswith("C"):
        if micrograph.channels in (3, 4):
            about["rgb"] = True
        else:
            about |= {"channel_axis": len(micrograph.axes) - 1}
            about["name"] = [f"{micrograph.name} {index}" for index in range(micrograph.channels)]
    return [(micrograph.pixels, about, "image")]
