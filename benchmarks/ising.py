"""Below or above the critical temperature: the configurations of mdsdata, half to learn from, half to judge by."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import Table
from benchmarks.labelled import collection_of, correct
from napari_microcnn.events import result_of
from napari_microcnn.models import Classifier
from napari_microcnn.synth.ising import energies
from napari_microcnn.train.classifier import train_classifier
from napari_microcnn.train.transition import LATTICE_TRAINING

VARIABLE = "MICROCNN_ISING"
SETTINGS = LATTICE_TRAINING.model_copy(update={"minutes": 2.5})
NEAR = 0.3


def run() -> Table:
    """Train on one half, and set the threshold of the energy on the same half."""
    table = Table(
        "Ising configurations of mdsdata, 64 x 64, below or above the critical temperature",
        ("what", "accuracy, held-out half", f"within {NEAR} of the critical temperature", "seconds", "bar"),
        note=f"The file ising_64.npz in the folder {VARIABLE}; 750 to learn from, 750 to judge by.",
    )
    if VARIABLE not in os.environ:
        return table
    spins, above, temperatures = _read(Path(os.environ[VARIABLE]) / "ising_64.npz")
    order = np.random.default_rng(0).permutation(len(spins))
    learn, judge = order[: len(order) // 2], order[len(order) // 2 :]
    near = np.abs(temperatures[judge] - 2.2692) < NEAR
    start = time.perf_counter()
    pictures = np.where(spins > 0, 255, 0).astype(np.uint8)
    names = ["above" if one else "below" for one in above]
    model: Classifier = result_of(train_classifier(collection_of(pictures[learn], [names[i] for i in learn]), SETTINGS))
    right = correct(model, pictures[judge], [names[i] for i in judge])
    table.add("conv-pool network", right.mean(), right[near].mean(), time.perf_counter() - start, 0.99)
    for name, values in (("energy threshold", energies(spins)), ("|m| threshold", -np.abs(spins.mean(axis=(1, 2))))):
        right = (values[judge] > _threshold(values[learn], above[learn])) == above[judge]
        table.add(name, right.mean(), right[near].mean(), "", "")
    return table


def _read(file: Path) -> tuple[NDArray[np.int8], NDArray[np.bool_], NDArray[np.float64]]:
    with np.load(file) as data:
        side = int(data["shape"][-1])
        up = np.unpackbits(data["spins_packed"], axis=-1)[:, :, :side]
        return up.astype(np.int8) * np.int8(2) - np.int8(1), data["label"] > 0, data["temperature"].astype(float)


def _threshold(values: NDArray[np.float64], above: NDArray[np.bool_]) -> float:
    """Return the threshold with the fewest mistakes."""
    order = np.argsort(values)
    mistakes: NDArray[np.int64] = np.cumsum(above[order]) + np.cumsum(~above[order][::-1])[::-1] - ~above[order]
    return float(values[order[np.argmin(mistakes)]])
