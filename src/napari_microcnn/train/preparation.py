"""Checking what the user gives to train on, and making it ready."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.config import ClassInfo
from napari_microcnn.data import Annotated, to_targets
from napari_microcnn.data.patches import Source


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
    """

    train: list[Source]
    validation: list[Source]
    everything: list[Source]
    weights: NDArray[np.float32]


def check_classes(classes: Sequence[ClassInfo], dense: bool) -> None:
    """Raise `ValueError` for classes that cannot be told apart."""
    ids = [entry.id for entry in classes]
    if len(ids) < 2 or len(set(ids)) != len(ids):
        raise ValueError(f"Training needs at least two classes with different ids, not {ids}.")
    if not dense and 0 in ids:
        raise ValueError("With strokes, 0 means 'not annotated' and cannot be a class; number the classes from 1.")


def in_order(classes: Sequence[ClassInfo]) -> tuple[ClassInfo, ...]:
    """Return classes by their ids, so that the same ones always make the same network."""
    return tuple(sorted(classes, key=lambda info: info.id))


def named(classes: Sequence[ClassInfo]) -> str:
    """Return the names of classes for a sentence."""
    return " and ".join(repr(info.name) for info in classes)


def check(data: Sequence[Annotated], classes: Sequence[ClassInfo], dense: bool) -> list[NDArray[np.uint8]]:
    """Return the targets of every image; two annotated classes are enough.

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
    if np.count_nonzero(counts) < 2:
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
