"""Four steels told apart after 200 pictures, with augmentation and without."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import Table
from benchmarks.labelled import collection_of, correct
from napari_microcnn.config import ClassifierTrainConfig, SteelConfig
from napari_microcnn.events import result_of
from napari_microcnn.models import Classifier
from napari_microcnn.synth import STEEL_KINDS, steel
from napari_microcnn.train.classifier import train_classifier

LEARN, JUDGE = 200, 400
MINUTES = 3.0
SETTINGS = ClassifierTrainConfig(minutes=MINUTES)


def run() -> Table:
    """Train twice for the same time; pictures to judge by have seeds of their own."""
    table = Table(
        f"Steel textures, {LEARN} pictures to learn from, {JUDGE} others to judge by, {MINUTES:g} minutes",
        ("augmentation", "balanced accuracy", "worst class", "seconds", "bar"),
    )
    pictures, names = _drawn(0, LEARN)
    others, truth = _drawn(1_000_000, JUDGE)
    plain = SETTINGS.model_copy(update=SETTINGS.without_any().model_dump())
    for name, settings, bar in (("on", SETTINGS, "0.95"), ("off", plain, "")):
        start = time.perf_counter()
        model: Classifier = result_of(train_classifier(collection_of(pictures, names), settings))
        spent = time.perf_counter() - start
        right = correct(model, others, truth)
        shares = [float(right[np.array(truth) == kind].mean()) for kind in STEEL_KINDS]
        worst = int(np.argmin(shares))
        table.add(name, float(np.mean(shares)), f"{STEEL_KINDS[worst]} {shares[worst]:.3f}", spent, bar)
        if bar:
            table.at_least("balanced accuracy with augmentation", float(np.mean(shares)), float(bar))
        print(table.rows[-1], flush=True)
    return table


def _drawn(seed: int, number: int) -> tuple[NDArray[np.uint8], list[str]]:
    made = [steel(SteelConfig(), STEEL_KINDS[i % len(STEEL_KINDS)], seed + i) for i in range(number)]
    return np.stack([one.image for one in made]), [one.kind for one in made]
