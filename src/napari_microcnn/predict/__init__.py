"""From a micrograph and a model to an answer."""

from __future__ import annotations

from napari_microcnn.predict.tiles import Tile, TilePredictor, predict_plane, predict_tiles

__all__ = ["Tile", "TilePredictor", "predict_plane", "predict_tiles"]
