"""The case study of the phase transition: networks learn the two phases, and say where one becomes the other.

After J. Carrasquilla and R. G. Melko, Nature Physics 13 (2017) 431.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.config import ClassifierTrainConfig, IsingConfig
from napari_microcnn.config.transition import TransitionConfig
from napari_microcnn.data.collections import ClassifiedImage, Collection, named_classes
from napari_microcnn.data.orientations import orientations_of
from napari_microcnn.events import Event, Finished, Job, Progress
from napari_microcnn.models import Classifier
from napari_microcnn.models.looking import probabilities, window_logits
from napari_microcnn.synth import CRITICAL_TEMPERATURE, IsingConfiguration, ising
from napari_microcnn.train.classifier import train_classifier

LATTICE_TRAINING = ClassifierTrainConfig(
    architecture="conv-pool",
    init=None,
    blocks=3,
    dropout=0,
    batch=32,
    zoom=1,
    rotation="right angles",
    intensities=False,
    inversion=True,
    wrap=True,
)
"""What is right for lattices: they close on themselves, up and down are alike, and sizes are those of spins."""

_TOLD_EVERY = 20
_WINDOWS = 9


@dataclass(frozen=True, eq=False)
class Study:
    """What networks say about configurations that they did not learn from.

    Attributes
    ----------
    classifiers : tuple of Classifier
    temperatures, energies, magnetisations : numpy.ndarray, (N,)
        Of the configurations; energy and magnetisation per spin.
    outputs : numpy.ndarray, (M, N)
        Of every network: probability to be above the critical temperature.
    """

    classifiers: tuple[Classifier, ...]
    temperatures: NDArray[np.float64]
    energies: NDArray[np.float64]
    magnetisations: NDArray[np.float64]
    outputs: NDArray[np.float64]

    def table(self) -> dict[str, NDArray[Any]]:
        """Return the columns of a table, one row for every configuration."""
        told = {f"p(above), network {number + 1}": values for number, values in enumerate(self.outputs)}
        return {
            "temperature": self.temperatures,
            "energy": self.energies,
            "magnetisation": self.magnetisations,
            **told,
        }


def study_transition(lattice: IsingConfig, config: TransitionConfig | None = None, seed: int = 0) -> Job[Study]:
    """Draw configurations, teach networks on which side of the critical temperature they are, and ask them for others.

    Parameters
    ----------
    lattice : IsingConfig
        Size and temperatures.
    config : TransitionConfig, optional
    seed : int
        Of everything random.

    Yields
    ------
    Progress, Notice, BatchDone, ClassifierEpoch, Finished
        ``Finished`` holds a `Study`; `napari_microcnn.measure.transition.find_transition` tells where the
        outputs cross one half.

    Raises
    ------
    ValueError
        If the temperatures do not lie on both sides of the critical one, or the gap leaves none.
    """
    config = config or TransitionConfig()
    number = lattice.temperatures * config.repeats
    total = config.networks + 1
    judged = yield from _drawn(lattice, number, seed, number, "to judge by", (0, total))
    classifiers = []
    for index in range(config.networks):
        learnt = yield from _drawn(lattice, number, seed, (index + 2) * number, "to learn from", (index + 1, total))
        minutes = config.minutes if config.epochs is None else None
        settings = LATTICE_TRAINING.model_copy(
            update={"minutes": minutes, "epochs": config.epochs, "seed": seed + index, "device": config.device}
        )
        with closing(train_classifier(_collection(learnt, config.gap), settings)) as job:
            for event in job:
                if isinstance(event, Finished):
                    classifiers.append(event.result)
                else:
                    yield event
    outputs = []
    for classifier in classifiers:
        outputs.append(_probability_above(classifier, judged))
        yield Progress(total, total, "Asking the networks")
    at, energies, magnetisations = np.array([(one.temperature, one.energy, one.magnetisation) for one in judged]).T
    yield Finished(Study(tuple(classifiers), at, energies, magnetisations, np.stack(outputs)))


def _drawn(
    lattice: IsingConfig, number: int, seed: int, offset: int, what: str, step: tuple[int, int]
) -> Generator[Event, None, list[IsingConfiguration]]:
    """Draw configurations as `ising` numbers them, from a multiple of the number of temperatures on."""
    made = []
    start = (seed * 1_000_003 + offset) * lattice.temperatures
    for index in range(number):
        made.append(ising(lattice, start + index))
        if index % _TOLD_EVERY == 0:
            message = f"Configurations {what}: {index + 1} of {number}"
            yield Progress(step[0] * number + index + 1, step[1] * number, message)
    return made


def _collection(made: list[IsingConfiguration], gap: float) -> Collection:
    """Return the configurations that are far enough from the critical temperature, with their phases as classes."""
    kept = [one for one in made if abs(one.temperature - CRITICAL_TEMPERATURE) >= gap]
    if {one.phase for one in kept} != {"below", "above"}:
        raise ValueError(
            f"The temperatures must lie on both sides of {CRITICAL_TEMPERATURE:.4f}, also outside the gap of {gap:g}; "
            f"widen their range or make the gap smaller."
        )
    classes = named_classes(one.phase for one in kept)
    ids = {info.name: info.id for info in classes}
    images = [
        ClassifiedImage(one.image, ids[one.phase], f"T = {one.temperature:.4f}, {index}", str(index))
        for index, one in enumerate(kept)
    ]
    return Collection(tuple(images), classes)


def _probability_above(classifier: Classifier, made: list[IsingConfiguration]) -> NDArray[np.float64]:
    """Return the calibrated probability of the upper phase."""
    orientations = orientations_of(classifier.flips, classifier.turns)
    views = (classifier.view.of(one.image).spread(_WINDOWS) for one in made)
    logits = np.stack([window_logits(classifier.net, windows, orientations).mean(axis=0) for windows in views])
    above = next(index for index, info in enumerate(classifier.classes) if info.name == "above")
    return probabilities(logits, classifier.temperature)[:, above].astype(np.float64)
