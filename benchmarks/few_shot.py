"""A minute with the strokes of one image, judged on the other images of its set, against a random forest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from benchmarks.common import Table
from benchmarks.micrographs import (
    MISSING,
    Fold,
    Picture,
    Predict,
    folds,
    mean_iou,
    strokes_of,
    train_forest,
    train_unet,
)
from napari_microcnn.config import TrainConfig

Change = Callable[[Picture, Picture], tuple[Picture, Picture]]


def _grey(change: Callable[[Picture], Picture]) -> Change:
    """Return the change of an 8-bit image whose class map stays as it is."""

    def changed(image: Picture, truth: Picture) -> tuple[Picture, Picture]:
        return (change(image / 255) * 255).round().clip(0, 255).astype(np.uint8), truth

    return changed


def _zoom(factor: float) -> Change:
    def changed(image: Picture, truth: Picture) -> tuple[Picture, Picture]:
        return ndimage.zoom(image, factor, order=1), ndimage.zoom(truth, factor, order=0)

    return changed


def _noise(image: Picture) -> Picture:
    return image + np.random.default_rng(0).normal(0, 0.04, image.shape)


CHANGES: dict[str, Change] = {
    "contrast": _grey(lambda image: 0.5 + 0.6 * (image - 0.5)),
    "gamma": _grey(lambda image: image**1.5),
    "brightness": _grey(lambda image: image + 0.1),
    "blur": _grey(lambda image: ndimage.gaussian_filter(image, 1.5)),
    "noise": _grey(_noise),
    "0.7 x": _zoom(0.7),
    "1.4 x": _zoom(1.4),
}


def _unchanged(image: Picture, truth: Picture) -> tuple[Picture, Picture]:
    return image, truth


def run() -> Table:
    """Train on strokes and on mean strokes, with the default start, from scratch and with a forest."""
    table = Table(
        "Strokes on one image, one minute, mean IoU on the other images",
        ("image", "strokes", "U-Net", "from scratch", "forest", "U-Net, images changed", "forest, images changed"),
    )
    for fold in folds():
        for mean in (False, True):
            strokes = strokes_of(fold, mean)
            unet = train_unet(fold, strokes, TrainConfig())
            forest = train_forest(fold, strokes, dense=False)
            scratch = mean_iou(train_unet(fold, strokes, TrainConfig(init=None)), fold, _unchanged)
            table.add(
                fold.name,
                "mean" if mean else "usual",
                mean_iou(unet, fold, _unchanged),
                scratch,
                mean_iou(forest, fold, _unchanged),
                *(_changed(peer, fold) for peer in (unet, forest)),
            )
            ahead = float(table.rows[-1][2]) - float(table.rows[-1][4])
            table.at_least(f"mean IoU above the forest, {fold.name}, {table.rows[-1][1]} strokes", ahead, 0.06)
            print(table.rows[-1], flush=True)
    table.note = "" if table.rows else MISSING
    return table


def _changed(predict: Predict, fold: Fold) -> float:
    """Return the mean IoU over all changes."""
    return float(np.mean([mean_iou(predict, fold, change) for change in CHANGES.values()]))
