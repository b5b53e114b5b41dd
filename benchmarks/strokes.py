"""A minute of training on the strokes of the built-in micrograph, against its hand-painted region."""

from __future__ import annotations

import numpy as np

from benchmarks.common import Table
from napari_microcnn.config import TrainConfig
from napari_microcnn.data import Annotated
from napari_microcnn.events import result_of
from napari_microcnn.io.samples import NANOPOROUS_CLASSES, NANOPOROUS_REGION, nanoporous, nanoporous_region
from napari_microcnn.models import Model
from napari_microcnn.predict.segment import Segmentation, segment
from napari_microcnn.train.segmenter import train_segmenter

SEEDS = (0, 1)


def run() -> Table:
    """Train with default settings, segment, and compare the pores of the region."""
    table = Table(
        "Strokes to mask: nanoporous gold, default settings, one minute of training",
        ("seed", "IoU of pores", "bar", "area fraction", "painted", "bar for the difference"),
    )
    micrograph, strokes = nanoporous()
    true = np.asarray(nanoporous_region()) == 1
    for seed in SEEDS:
        data = [Annotated(np.asarray(micrograph.pixels), strokes, micrograph.name, micrograph.calibration)]
        model: Model = result_of(train_segmenter(data, NANOPOROUS_CLASSES, TrainConfig(seed=seed)))
        result: Segmentation = result_of(segment(micrograph, model))
        found = result.classes[NANOPOROUS_REGION] == 1
        iou = (found & true).sum() / (found | true).sum()
        table.add(str(seed), float(iou), "0.85", float(found.mean()), float(true.mean()), "0.03")
        table.at_least(f"IoU of pores, seed {seed}", float(iou), 0.85)
        table.at_most(f"area fraction off, seed {seed}", abs(float(found.mean() - true.mean())), 0.03)
    return table
