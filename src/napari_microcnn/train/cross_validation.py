"""Judging the recipe of a classifier by k-fold cross-validation."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.config import ClassifierTrainConfig
from napari_microcnn.data.collections import Collection
from napari_microcnn.data.orientations import orientations_of
from napari_microcnn.data.partition import folds as deal_out
from napari_microcnn.data.scores import Predictions, accuracy, balanced_accuracy, macro_f1
from napari_microcnn.events import Finished, Job, Progress
from napari_microcnn.models import Classifier
from napari_microcnn.models.looking import image_logits, probabilities
from napari_microcnn.train.classifier import train_classifier

_WINDOWS = 9


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """What k-fold cross-validation found.

    Attributes
    ----------
    predictions : Predictions
        Of every image, by a network that had seen nothing of its micrograph.
    folds : tuple of dict
        Accuracy, balanced accuracy and macro-F1 of every fold.
    """

    predictions: Predictions
    folds: tuple[dict[str, float], ...]

    def mean_and_spread(self, score: str) -> tuple[float, float]:
        """Return mean and standard deviation of a score over the folds."""
        values = [fold[score] for fold in self.folds]
        return float(np.mean(values)), float(np.std(values, ddof=1))

    def __str__(self) -> str:
        parts = [(name, *self.mean_and_spread(name)) for name in self.folds[0]]
        return " · ".join(f"{name} {mean:.3f} ± {spread:.3f}" for name, mean, spread in parts)


def cross_validate(
    collection: Collection, config: ClassifierTrainConfig | None = None, number: int = 5
) -> Job[CrossValidation]:
    """Train as many times as there are folds, each time judged by micrographs that nothing was chosen by.

    Parameters
    ----------
    collection : Collection
    config : ClassifierTrainConfig, optional
        Limits are those of one training.
    number : int
        Of folds.

    Yields
    ------
    Progress, Notice, BatchDone, ClassifierEpoch, Finished
        `Progress` at the beginning of every fold, and at the end.

    Raises
    ------
    ValueError
        If a class has fewer micrographs than there are folds, or too few to hold any out within one.
    """
    config = config or ClassifierTrainConfig()
    collection.check_trainable()
    held = deal_out(collection, number, np.random.default_rng(config.seed))
    found: list[Predictions] = []
    for index, outside in enumerate(held):
        yield Progress(index, number, f"Fold {index + 1} of {number}")
        inside = tuple(image for image, out in zip(collection.images, outside, strict=True) if not out)
        notices = collection.notices if index == 0 else ()
        job = train_classifier(Collection(inside, collection.classes, notices), config)
        with closing(job):
            for event in job:
                if isinstance(event, Finished):
                    found.append(_predicted(event.result, collection, outside))
                else:
                    yield event
    yield Progress(number, number, "All folds are done")
    measures: dict[str, Callable[[Any], Any]] = {
        "accuracy": accuracy, "balanced accuracy": balanced_accuracy, "macro-F1": macro_f1,
    }  # fmt: skip
    scores = tuple({name: float(measure(one.confusion)) for name, measure in measures.items()} for one in found)
    yield Finished(CrossValidation(Predictions.joined(found), scores))


def _predicted(classifier: Classifier, collection: Collection, chosen: NDArray[np.bool_]) -> Predictions:
    """Return the predictions for some images of a collection."""
    outputs = {info.id: index for index, info in enumerate(classifier.classes)}
    images = [image for image, one in zip(collection.images, chosen, strict=True) if one]
    orientations = orientations_of(classifier.flips, classifier.turns)
    view = classifier.view
    logits = np.stack(
        [image_logits(classifier.net, view.of(image.pixels).spread(_WINDOWS), orientations) for image in images]
    )
    return Predictions(
        tuple(image.name for image in images),
        tuple(image.micrograph for image in images),
        np.array([outputs[image.class_id] for image in images]),
        probabilities(logits, classifier.temperature),
    )
