"""The case study of the phase transition: networks learn the two phases, and say where one becomes the other.

After J. Carrasquilla and R. G. Melko, Nature Physics 13 (2017) 431.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.config import ClassifierTrainConfig, IsingConfig, TransitionConfig
from napari_microcnn.data.collections import ClassifiedImage, Collection, named_classes
from napari_microcnn.data.orientations import orientations_of
from napari_microcnn.events import Alive, ClassifierEpoch, Event, Finished, Job, Notice, Progress
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
_STEPS = 1000
_JUDGED = 4
"""Times as many configurations are judged as are learnt: with as many only, most of the error bar would be theirs."""
_MOST_TEMPERATURES = 10_000
_SEEDS = 1_000_000
"""Seeds of a study lie so far from those of the next one."""


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


@dataclass(frozen=True, eq=False)
class NetworkDone(Event):
    """One network more has learnt and was asked: what is known so far."""

    study: Study


def study_transition(lattice: IsingConfig, config: TransitionConfig | None = None, seed: int = 0) -> Job[Study]:
    """Draw configurations, teach networks on which side of the critical temperature they are, and ask them for others.

    Parameters
    ----------
    lattice : IsingConfig
        Size and temperatures; what is learnt from covers their range evenly.
    config : TransitionConfig, optional
    seed : int
        Of everything random.

    Yields
    ------
    Progress, Notice, Alive, NetworkDone, Finished
        ``NetworkDone`` holds the `Study` with the networks so far, ``Finished`` the whole one;
        `napari_microcnn.measure.transition.find_transition` tells where the outputs cross one half.

    Raises
    ------
    ValueError
        If the temperatures do not lie on both sides of the critical one, or the gap leaves none.
    """
    config = config or TransitionConfig()
    number = lattice.temperatures * config.repeats
    stages = 1 + 2 * config.networks
    # Few temperatures would move the transition to the middle between the two that enclose it.
    spread = lattice.model_copy(update={"temperatures": min(number, _MOST_TEMPERATURES)})
    stage = _Stage(0, stages, "Configurations to judge by")
    judged = yield from _drawn(lattice, _JUDGED * number, seed, 0, stage)
    at, energies, magnetisations = np.array([(one.temperature, one.energy, one.magnetisation) for one in judged]).T
    study = Study((), at, energies, magnetisations, np.zeros((0, len(judged))))
    for index in range(config.networks):
        which = f"network {index + 1} of {config.networks}"
        stage = _Stage(1 + 2 * index, stages, f"Configurations for {which}")
        learnt = _collection((yield from _drawn(spread, number, seed, (index + _JUDGED) * number, stage)), config.gap)
        stage = _Stage(2 + 2 * index, stages, f"Training {which}")
        classifier = yield from _taught(learnt, config, seed + index, stage)
        outputs = np.vstack([study.outputs, (yield from _probability_above(classifier, judged))])
        study = replace(study, classifiers=(*study.classifiers, classifier), outputs=outputs)
        yield NetworkDone(study)
    yield Finished(study)


@dataclass(frozen=True)
class _Stage:
    """A part of the whole study."""

    index: int
    stages: int
    message: str

    def progress(self, share: float, more: str = "") -> Progress:
        """Return how far the study is when a share of this part is done."""
        done = round(_STEPS * (self.index + share))
        return Progress(done, _STEPS * self.stages, f"{self.message}{more}")


def _drawn(
    lattice: IsingConfig, number: int, seed: int, offset: int, stage: _Stage
) -> Generator[Event, None, list[IsingConfiguration]]:
    """Draw configurations as `ising` numbers them, from a multiple of the number of temperatures on."""
    made = []
    start = seed * _SEEDS + offset
    start -= start % lattice.temperatures
    for index in range(number):
        made.append(ising(lattice, start + index))
        yield stage.progress((index + 1) / number) if index % _TOLD_EVERY == 0 else Alive()
    return made


def _taught(
    collection: Collection, config: TransitionConfig, seed: int, stage: _Stage
) -> Generator[Event, None, Classifier]:
    """Train one network; its events become those of the study."""
    minutes = config.minutes if config.epochs is None else None
    settings = LATTICE_TRAINING.model_copy(
        update={"minutes": minutes, "epochs": config.epochs, "seed": seed, "device": config.device}
    )
    started, share = time.monotonic(), 0.0
    with closing(train_classifier(collection, settings)) as job:
        for event in job:
            if isinstance(event, Finished):
                return event.result
            if isinstance(event, ClassifierEpoch) and event.seconds_left is not None:
                elapsed = time.monotonic() - started
                share = max(share, elapsed / max(elapsed + event.seconds_left, 1e-9))  # estimates may go back
                yield stage.progress(share, f", epoch {event.epoch}: balanced accuracy {event.score:.3f}")
            else:
                yield event if isinstance(event, Notice) else Alive()
    raise RuntimeError("The training ended without a result.")


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


def _probability_above(
    classifier: Classifier, made: list[IsingConfiguration]
) -> Generator[Event, None, NDArray[np.float64]]:
    """Return the calibrated probability of the upper phase."""
    orientations = orientations_of(classifier.flips, classifier.turns)
    logits = []
    for one in made:
        windows = classifier.view.of(one.image).spread(_WINDOWS)
        logits.append(window_logits(classifier.net, windows, orientations).mean(axis=0))
        yield Alive()
    above = next(index for index, info in enumerate(classifier.classes) if info.name == "above")
    return probabilities(np.stack(logits), classifier.temperature)[:, above].astype(np.float64)
