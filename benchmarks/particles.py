"""Nanoparticles of the shipped model on fresh synthetic pictures, and on a folder with references.

The folders come from the environment variable MICROCNN_PARTICLES (several: separated as in PATH). A
folder holds ``images/`` and ``particles/`` with label images of the same names.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import Table
from napari_microcnn.events import result_of
from napari_microcnn.io.read import read_labels, read_micrograph
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.models import Model, load_model
from napari_microcnn.predict.segment import Segmentation, segment
from napari_microcnn.synth import PARTICLE_LOOKS, nanoparticles, random_particles

FRESH_SEEDS = range(901, 905)
RANDOM_SEEDS = range(9_000, 9_024)
_SIDE = 512
_MIN_SIZE = 20
_BARRED = ("HRTEM", "HAADF")


class Score(NamedTuple):
    """How well particles were found."""

    dice: float
    f1: float
    """Of particles, where one counts as found at an IoU of more than 1/2."""

    ratio: float
    """Number found over the true number."""


def run() -> Table:
    """Score the model ``nanoparticles`` with its default settings."""
    table = Table(
        "Nanoparticles, default settings",
        ("pictures", "number", "Dice", "particle F1 (IoU 0.5)", "particles found / true"),
        note="" if os.environ.get("MICROCNN_PARTICLES") else "MICROCNN_PARTICLES names no folder with references.",
    )
    model = load_model(os.environ.get("MICROCNN_MODEL", "nanoparticles"))
    for look in PARTICLE_LOOKS:
        for scale in (0.4, 1.0, 2.0):
            rows = [_score_look(model, look, scale, seed) for seed in FRESH_SEEDS]
            diameter = PARTICLE_LOOKS[look].diameter * scale
            dice, f1, ratio = _mean(rows)
            table.add(f"synthetic, {look}, {diameter:.0f} px", len(rows), dice, f1, ratio)
            if look in _BARRED:
                table.at_least(f"Dice, {look}, {diameter:.0f} px", dice, 0.95)
                table.at_least(f"particle F1, {look}, {diameter:.0f} px", f1, 0.92)
    rows = [_score_random(model, seed) for seed in RANDOM_SEEDS]
    table.add("synthetic, random looks", len(rows), *_mean(rows))
    for folder in os.environ.get("MICROCNN_PARTICLES", "").split(os.pathsep):
        if folder:
            rows = [_score_files(model, image) for image in sorted((Path(folder) / "images").iterdir())]
            table.add(Path(folder).name, len(rows), *_mean(rows))
    return table


def _mean(rows: list[Score]) -> list[float]:
    return [float(value) for value in np.mean(np.array(rows), axis=0)]


def _score_look(model: Model, look: str, scale: float, seed: int) -> Score:
    """Score a picture whose seed no training has used, with particles of another size."""
    config = PARTICLE_LOOKS[look]
    spacing = config.fringe_spacing if scale <= 1 else config.fringe_spacing * scale
    changed = {"height": _SIDE, "width": _SIDE, "diameter": config.diameter * scale, "fringe_spacing": spacing}
    made = nanoparticles(config.model_copy(update=changed), seed)
    return score(_found(model, Micrograph(made.image)), made.labels)


def _score_random(model: Model, seed: int) -> Score:
    made = nanoparticles(random_particles(seed, _SIDE // 2, _SIDE // 2), seed)
    return score(_found(model, Micrograph(made.image)), made.labels)


def _score_files(model: Model, image: Path) -> Score:
    true = np.asarray(read_labels(image.parent.parent / "particles" / image.name), np.int32)
    return score(_found(model, read_micrograph(image)), true)


def _found(model: Model, micrograph: Micrograph) -> NDArray[np.int32]:
    result: Segmentation = result_of(segment(micrograph, model))
    return np.asarray(result.labels, np.int32)


def score(found: NDArray[np.int32], true: NDArray[np.int32]) -> Score:
    """Compare two label images; particles smaller than those that `segment` keeps do not count."""
    true = np.where(np.bincount(true.ravel())[true] >= _MIN_SIZE, true, 0)
    together = 2 * int(((found > 0) & (true > 0)).sum())
    dice = together / max(int((found > 0).sum() + (true > 0).sum()), 1)
    pairs, common = np.unique(np.stack([found.ravel(), true.ravel()]), axis=1, return_counts=True)
    both = (pairs > 0).all(axis=0)
    sizes = np.bincount(found.ravel())[pairs[0]] + np.bincount(true.ravel())[pairs[1]] - common
    hits = int((common / sizes > 0.5)[both].sum())
    n_found, n_true = (int((np.bincount(labels.ravel())[1:] > 0).sum()) for labels in (found, true))
    return Score(dice, 2 * hits / max(n_found + n_true, 1), n_found / max(n_true, 1))
