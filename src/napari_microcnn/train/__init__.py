"""Training: one loop, and what feeds it."""

from __future__ import annotations

from napari_microcnn.train.loop import Lesson, LoopSettings, train_loop
from napari_microcnn.train.losses import segmentation_loss
from napari_microcnn.train.metrics import ConfusionMatrix
from napari_microcnn.train.segmenter import train_segmenter

__all__ = ["ConfusionMatrix", "Lesson", "LoopSettings", "segmentation_loss", "train_loop", "train_segmenter"]
