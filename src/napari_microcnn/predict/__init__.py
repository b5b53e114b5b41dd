"""From a micrograph and a model to an answer."""

from __future__ import annotations

from napari_microcnn.predict.instances import close_grains, grain_boundaries, label_particles
from napari_microcnn.predict.large import LargeSegmentation, segment_large
from napari_microcnn.predict.segment import Segmentation, segment
from napari_microcnn.predict.tiles import Tile, TilePredictor, predict_plane, predict_tiles

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
