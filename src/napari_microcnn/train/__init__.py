"""Training: one loop, and what feeds it."""

from __future__ import annotations

from napari_microcnn.train.loop import LoopSettings, train_loop
from napari_microcnn.train.losses import segmentation_loss

__all__ = ["LoopSettings", "segmentation_loss", "train_loop"]
