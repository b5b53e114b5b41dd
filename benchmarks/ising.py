"""Below or above the critical temperature: the configurations of mdsdata, half to learn from, half to judge by."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import Table
from benchmarks.labelled import collection_of, correct
from napari_microcnn.events import result_of
from napari_microcnn.models import Classifier
from napari_microcnn.synth import CRITICAL_TEMPERATURE
from napari_microcnn.synth.ising import energies
from napari_microcnn.train.classifier import train_classifier
from napari_microcnn.train.transition import LATTICE_TRAINING

VARIABLE = "MICROCNN_ISING"
SETTINGS = LATTICE_TRAINING.model_copy(update={"minutes": 2.5})
NEAR = 0.3


def run() -> Table:
    """Train on either half and judge by the other one; the thresholds are set on the same half as the network."""
    table = Table(
        "Ising configurations of mdsdata, 64 x 64, below or above the critical temperature",
        (
            "what",
            "accuracy, both halves",
            "one half",
            "other half",
            f"within {NEAR} of the critical temperature",
            "bar",
        ),
        note=f"The file ising_64.npz in the folder {VARIABLE}; 750 to learn from in {SETTINGS.minutes:g} minutes, the "
        "other 750 to judge by, and the other way round. Given its energy, an equilibrium configuration says no "
        "more of its temperature: no method can be expected to be better than a threshold on the energy at the "
        "right place, which the last row puts there with the answers in hand.",
    )
    if VARIABLE not in os.environ:
        return table
    spins, above, temperatures = _read(Path(os.environ[VARIABLE]) / "ising_64.npz")
    order = np.random.default_rng(0).permutation(len(spins))
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    values = {"energy threshold": energies(spins), "|m| threshold": -np.abs(spins.mean(axis=(1, 2)))}
    right = {name: np.zeros(len(spins), bool) for name in ("conv-pool network", *values)}
    for learn, judge in (halves, halves[::-1]):
        right["conv-pool network"][judge] = _taught(spins, above, learn, judge)
        for name, one in values.items():
            right[name][judge] = (one[judge] > _threshold(one[learn], above[learn])) == above[judge]
    known = "energy threshold, chosen with the answers"
    right[known] = np.zeros(len(spins), bool)
    for judge in halves:
        threshold = _threshold(values["energy threshold"][judge], above[judge])
        right[known][judge] = (values["energy threshold"][judge] > threshold) == above[judge]
    near = np.abs(temperatures - CRITICAL_TEMPERATURE) < NEAR
    for name, one in right.items():
        bar = 0.99 if name == "conv-pool network" else None
        table.add(name, *(f"{one[part].mean():.4f}" for part in (order, halves[1], halves[0], near)), bar or "")
        if bar:
            table.at_least(f"accuracy, {name}", float(one.mean()), bar)
    return table


def _taught(
    spins: NDArray[np.int8], above: NDArray[np.bool_], learn: NDArray[np.int64], judge: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which configurations a network is right about that learnt from others."""
    pictures = np.where(spins > 0, 255, 0).astype(np.uint8)
    names = ["above" if one else "below" for one in above]
    model: Classifier = result_of(train_classifier(collection_of(pictures[learn], [names[i] for i in learn]), SETTINGS))
    return correct(model, pictures[judge], [names[i] for i in judge])


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
