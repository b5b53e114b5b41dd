"""From a micrograph and a model to an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_microcnn.predict.instances import close_grains, grain_boundaries, label_particles
from napari_microcnn.predict.segment import Segmentation, segment
from napari_microcnn.predict.tiles import Tile, TilePredictor, predict_plane, predict_tiles

if TYPE_CHECKING:
    from napari_microcnn.predict.large import LargeSegmentation, segment_large

__all__ = [
    "LargeSegmentation",
    "Segmentation",
    "Tile",
    "TilePredictor",
    "close_grains",
    "grain_boundaries",
    "label_particles",
    "predict_plane",
    "predict_tiles",
    "segment",
    "segment_large",
]


def __getattr__(name: str) -> Any:
    """Import what is for large images when it is first asked for: with dask and zarr it takes a second."""
    if name not in ("LargeSegmentation", "segment_large"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from napari_microcnn.predict import large

    return getattr(large, name)
