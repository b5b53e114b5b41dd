"""Grain boundaries of the shipped model on fresh synthetic and on real micrographs.

The folders come from the environment variable MICROCNN_GRAINS (several: separated as in PATH). A
folder holds ``image.*`` with ``boundary.*``, or ``images/`` with ``boundaries/`` of the same names;
boundaries are white on black.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import skeletonize

from benchmarks.common import Table
from napari_microcnn.events import result_of
from napari_microcnn.io.read import read_micrograph
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.models import Model, load_model
from napari_microcnn.predict.segment import Segmentation, segment
from napari_microcnn.synth import LOOKS, polycrystal

TOLERANCE = 3
FRESH_SEEDS = range(901, 905)

Mask = NDArray[np.bool_]


def run() -> Table:
    """Score the model ``grain-boundaries`` with its default settings."""
    table = Table(
        "Grain boundaries, default settings",
        ("micrographs", "pictures", "boundary F1 (3 px)", "precision", "recall", "mean intercept, predicted / true"),
        note="" if os.environ.get("MICROCNN_GRAINS") else "MICROCNN_GRAINS names no folder with references.",
    )
    model = load_model("grain-boundaries")
    for look in LOOKS:
        scores = [_score_synthetic(model, look, seed) for seed in FRESH_SEEDS]
        table.add(f"synthetic, {look}", len(scores), *(float(value) for value in np.mean(scores, axis=0)))
    for folder in os.environ.get("MICROCNN_GRAINS", "").split(os.pathsep):
        if not folder:
            continue
        rows = []
        for image, reference in _pairs(Path(folder)):
            result: Segmentation = result_of(segment(read_micrograph(image), model))
            rows.append(_scores(np.asarray(result.classes) == 1, _mask(reference)))
        table.add(Path(folder).name, len(rows), *(float(value) for value in np.mean(rows, axis=0)))
    return table


def _score_synthetic(model: Model, look: str, seed: int) -> tuple[float, float, float, float]:
    """Score a picture whose seed no training has used."""
    structure, imaging = LOOKS[look]
    made = polycrystal(structure.model_copy(update={"height": 512, "width": 512, "grains": 200}), imaging, seed)
    result: Segmentation = result_of(segment(Micrograph(made.image), model))
    return _scores(np.asarray(result.classes) == 1, made.structure.boundaries)


def _pairs(folder: Path) -> list[tuple[Path, Path]]:
    if (folder / "images").is_dir():
        references = {path.stem: path for path in (folder / "boundaries").iterdir()}
        return [(path, references[path.stem]) for path in sorted((folder / "images").iterdir())]
    return [(next(folder.glob("image.*")), next(folder.glob("boundary.*")))]


def _mask(path: Path) -> Mask:
    pixels = np.asarray(read_micrograph(path).pixels)
    return np.asarray((pixels[..., 0] if pixels.ndim == 3 else pixels) > 0)


def _scores(found: Mask, true: Mask) -> tuple[float, float, float, float]:
    """Return F1, precision, recall and the ratio of the mean intercepts of two boundary maps."""
    found, true = (skeletonize(lines) for lines in (found, true))  # type: ignore[no-untyped-call]
    precision, recall = _within(found, true), _within(true, found)
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return f1, precision, recall, _crossings(true) / max(_crossings(found), 1)


def _within(points: Mask, target: Mask) -> float:
    if not points.any() or not target.any():
        return 0.0
    return float((ndimage.distance_transform_edt(~target)[points] <= TOLERANCE).mean())


def _crossings(lines: Mask) -> int:
    """Return how often all rows and columns meet a line; the mean intercept is inverse to it."""
    return sum(int((way[:, 1:] & ~way[:, :-1]).sum()) for way in (lines, lines.T))
