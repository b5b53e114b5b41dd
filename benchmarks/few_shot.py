"""A minute with the strokes of one image, judged on the other images of its set, against a random forest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from statistics import fmean

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


def unchanged(image: Picture, truth: Picture) -> tuple[Picture, Picture]:
    """Return an image and its class map as they are."""
    return image, truth


@dataclass(frozen=True)
class _Row:
    """Mean IoU of one fold and one kind of strokes."""

    folder: str
    strokes: str
    unet: float
    scratch: float
    forest: float
    unet_changed: float
    forest_changed: float


def run() -> Table:
    """Train on strokes and on mean strokes, with the default start, from scratch and with a forest."""
    table = Table(
        "Strokes on one image, one minute, mean IoU on the other images",
        ("image", "strokes", "U-Net", "from scratch", "forest", "U-Net, images changed", "forest, images changed"),
        note="Bars are about the means over the images of a set; MICROCNN_FOLDS says how many are learnt from in turn.",
    )
    rows = []
    for fold in folds():
        for mean in (False, True):
            strokes = strokes_of(fold, mean)
            unet = train_unet(fold, strokes, TrainConfig())
            forest = train_forest(fold, strokes, dense=False)
            scratch = mean_iou(train_unet(fold, strokes, TrainConfig(init=None)), fold, unchanged)
            kind = "mean" if mean else "usual"
            plain = (mean_iou(unet, fold, unchanged), scratch, mean_iou(forest, fold, unchanged))
            row = _Row(fold.folder, kind, *plain, *(iou_changed(peer, fold) for peer in (unet, forest)))
            rows.append(row)
            table.add(fold.name, *astuple(row)[1:])
            print(table.rows[-1], flush=True)
    if rows:
        _declare(table, rows)
    else:
        table.note = MISSING
    return table


def _declare(table: Table, rows: Sequence[_Row]) -> None:
    """Declare the bars: against the forest on each set and over the sets, against scratch, and on changed images."""
    for kind in ("usual", "mean"):
        ahead = {
            folder: fmean(row.unet - row.forest for row in rows if (row.folder, row.strokes) == (folder, kind))
            for folder in sorted({row.folder for row in rows})
        }
        for folder, difference in ahead.items():
            table.at_least(f"mean IoU above the forest, {kind} strokes, {folder}", difference, 0.0)
        if kind == "usual":
            table.at_least("mean IoU above the forest, usual strokes, mean of the sets", fmean(ahead.values()), 0.06)
    table.at_least("mean IoU above training from scratch", fmean(row.unet - row.scratch for row in rows), 0.03)
    ours = fmean(row.unet - row.unet_changed for row in rows)
    theirs = fmean(row.forest - row.forest_changed for row in rows)
    table.at_most("loss of mean IoU on changed images, strokes, beyond half of the forest's", ours - theirs / 2, 0.0)


def iou_changed(predict: Predict, fold: Fold) -> float:
    """Return the mean IoU over all changes."""
    return float(np.mean([mean_iou(predict, fold, change) for change in CHANGES.values()]))
