"""Checking what the user gives to train on, and making it ready."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.config import ClassInfo, TrainConfig
from napari_microcnn.data import IGNORE, Annotated, to_targets
from napari_microcnn.data.patches import Source, read_source
from napari_microcnn.data.splitting import hold_out, split_images, without


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What is trained on and what is held out.

    Attributes
    ----------
    train, validation : list of Source
    everything : list of Source
        What is trained on, with what was held out of it; without what the user marked for validation.
    weights : numpy.ndarray, (K,) float32
        Weight of every class in the loss.
    notices : list of str
        What the user should know.
    """

    train: list[Source]
    validation: list[Source]
    everything: list[Source]
    weights: NDArray[np.float32]
    notices: list[str] = field(default_factory=list)


def check_classes(classes: Sequence[ClassInfo], dense: bool) -> None:
    """Raise `ValueError` for classes that cannot be told apart."""
    ids = [entry.id for entry in classes]
    if len(ids) < 2 or len(set(ids)) != len(ids):
        raise ValueError(f"Training needs at least two classes with different ids, not {ids}.")
    if not dense and 0 in ids:
        raise ValueError("With strokes, 0 means 'not annotated' and cannot be a class; number the classes from 1.")


def check(
    data: Sequence[Annotated], classes: Sequence[ClassInfo], dense: bool, *, growing: bool = False
) -> list[NDArray[np.uint8]]:
    """Return the targets of every image; where the annotation is growing still, two annotated classes are enough.

    Raises
    ------
    ValueError
        If there is nothing to learn from; the message says what is missing.
    """
    ids = [entry.id for entry in classes]
    if not data:
        raise ValueError("There is no image to train on.")
    if len({one.channels for one in data}) > 1:
        numbers = ", ".join(f"{one.name}: {one.channels}" for one in data)
        raise ValueError(f"All training images need the same number of channels ({numbers}).")
    targets = []
    for one in data:
        try:
            targets.append(to_targets(one.annotation, ids, dense))
        except ValueError as error:
            raise ValueError(f"{one.name}: {error}") from None
    counts = count_pixels([t for t, one in zip(targets, data, strict=True) if not one.validation], len(classes))
    if not counts.any():
        raise ValueError("Nothing is annotated; paint a few strokes of every class into the annotation.")
    if not growing or np.count_nonzero(counts) < 2:
        _check_present(counts, classes)
    return targets


def _check_present(counts: NDArray[np.int64], classes: Sequence[ClassInfo]) -> None:
    missing = [f"{entry.name!r} ({entry.id})" for entry, count in zip(classes, counts, strict=True) if not count]
    if missing:
        raise ValueError(
            f"The annotation has no pixel of the class {' and '.join(missing)}; paint some of it, or remove the class."
        )


def count_pixels(targets: Sequence[NDArray[np.uint8]], classes: int) -> NDArray[np.int64]:
    """Return the number of annotated pixels of every class."""
    counts = np.zeros(classes, np.int64)
    for one in targets:
        counts += np.bincount(one.ravel(), minlength=256)[:classes]
    return counts


def prepare(
    data: Sequence[Annotated],
    classes: Sequence[ClassInfo],
    config: TrainConfig,
    margin: int,
    rng: np.random.Generator,
) -> TrainingData:
    """Check and read the annotated images, and hold out part of the annotation.

    Parameters
    ----------
    data, classes, config
        As for `train_segmenter`.
    margin : int
        How far a patch can reach beyond the annotation, in pixels.
    rng : numpy.random.Generator

    Raises
    ------
    ValueError
        If the user made a mistake, in one sentence.
    """
    targets = check(data, classes, config.dense)
    notices: list[str] = []
    used = [(one, target) for one, target in zip(data, targets, strict=True) if (target != IGNORE).any()]
    sources = []
    for one, target in used:
        source = read_source(one, target, margin)
        notices += check_pixels(one, source)
        sources.append(source)
    fixed = [one.validation for one, _ in used]
    train, validation = _split(sources, fixed, classes, rng, notices)
    everything = [source for source, marked in zip(sources, fixed, strict=True) if not marked]
    return TrainingData(train, validation, everything, class_weights(train, len(classes), config.dense), notices)


def class_weights(sources: Sequence[Source], classes: int, dense: bool) -> NDArray[np.float32]:
    """Return the weight of every class in the loss, (K,) with a mean of 1; that of a class without annotation is 1.

    Strokes say nothing about how frequent a class is, so that there all classes count alike. Dense masks do: then
    every pixel counts alike.
    """
    counts = count_pixels([source.targets for source in sources], classes).astype(float)
    present = counts > 0
    if dense or not present.any():
        return np.ones(classes, np.float32)
    weights = counts.sum() / counts[present]
    weights = np.minimum(weights / weights.min(), 20.0)
    result = np.ones(classes, np.float32)
    result[present] = weights / weights.mean()
    return result


def class_shares(sources: Sequence[Source], classes: int) -> NDArray[np.float64]:
    """Return how often patches are drawn around every class of dense masks, (K,): half evenly, half as it occurs."""
    counts = count_pixels([source.targets for source in sources], classes).astype(float)
    present = counts > 0
    shares: NDArray[np.float64] = 0.5 * counts / counts.sum() + 0.5 * present / present.sum()
    return shares


def check_pixels(one: Annotated, source: Source) -> list[str]:
    """Return a notice about pixels that are no numbers; raise for an image without any contrast."""
    if not source.limits.scale.any():
        raise ValueError(f"{one.name}: all pixels of the image have the same value, there is nothing to learn from.")
    if source.pixels.dtype.kind == "f" and not np.isfinite(source.pixels).all():
        return [f"{one.name}: pixels that are NaN or infinite are treated as medium grey."]
    return []


def _split(
    sources: list[Source],
    fixed: list[bool],
    classes: Sequence[ClassInfo],
    rng: np.random.Generator,
    notices: list[str],
) -> tuple[list[Source], list[Source]]:
    """Return the sources to train on and to validate on."""
    held = fixed if any(fixed) else None
    if held is None and len(sources) > 1:
        held = split_images([source.targets for source in sources], len(classes), rng)
    if held is not None:
        return (
            [source for source, out in zip(sources, held, strict=True) if not out],
            [source for source, out in zip(sources, held, strict=True) if out],
        )
    return _split_regions(sources, classes, rng, notices)


def _split_regions(
    sources: list[Source], classes: Sequence[ClassInfo], rng: np.random.Generator, notices: list[str]
) -> tuple[list[Source], list[Source]]:
    """Hold out strokes or blocks in every image; a class with too little of them is judged on what it is trained on."""
    train, validation, everywhere = [], [], set(range(len(classes)))
    for source in sources:
        held, too_small = hold_out(source.targets, len(classes), rng)
        everywhere &= set(too_small)
        train.append(source.with_targets(without(source.targets, held)))
        validation.append(source.with_targets(without(source.targets, ~held)))
    if everywhere:
        names = " and ".join(repr(classes[index].name) for index in sorted(everywhere))
        notices.append(f"There is too little of {names} to hold any out: its score is on the training strokes.")
        validation = [
            shown.with_targets(np.where(np.isin(source.targets, list(everywhere)), source.targets, shown.targets))
            for source, shown in zip(sources, validation, strict=True)
        ]
    return train, [source for source in validation if (source.targets != IGNORE).any()]
