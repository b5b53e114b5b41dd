"""How good a classification is: everything from one confusion matrix, with an interval that small numbers deserve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
_DRAWS = 4000
PRIOR = 0.5
"""Weight of the prior, in micrographs per class."""


@dataclass(frozen=True)
class Score:
    """A score with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True, eq=False)
class Predictions:
    """What was predicted for images whose class is known.

    Attributes
    ----------
    names : tuple of str
    micrographs : tuple of str
        Which micrograph every image was cut from.
    truth : numpy.ndarray, (N,) int64
        Index of the true class.
    probabilities : numpy.ndarray, (N, K) float32
        Of every class.
    """

    names: tuple[str, ...]
    micrographs: tuple[str, ...]
    truth: NDArray[np.int64]
    probabilities: NDArray[np.float32]

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Index of the most probable class of every image."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @property
    def confusion(self) -> Counts:
        """(K, K): how often the class of a row was predicted as that of a column."""
        return confusion_of(self.truth, self.predicted, self.probabilities.shape[1])

    def worst(self) -> list[int]:
        """Return the images that were predicted wrongly, the ones with the surest wrong answer first."""
        wrong = np.flatnonzero(self.predicted != self.truth)
        margin = self.probabilities[wrong].max(axis=1) - self.probabilities[wrong, self.truth[wrong]]
        return [int(index) for index in wrong[np.argsort(-margin, kind="stable")]]

    @property
    def doubt(self) -> float:
        """Two standard errors of the balanced accuracy, as if the micrographs were drawn at random.

        Of the share after one more image that is right and one that is wrong (Laplace's rule):
        that three of three are right says little.
        """
        number = len(set(self.micrographs))
        share = (number * float(balanced_accuracy(self.confusion)) + 1) / (number + 2)
        return 2 * float(np.sqrt(share * (1 - share) / number))

    @classmethod
    def joined(cls, parts: Sequence[Predictions]) -> Predictions:
        """Return several predictions as one."""
        return cls(
            tuple(name for part in parts for name in part.names),
            tuple(name for part in parts for name in part.micrographs),
            np.concatenate([part.truth for part in parts]),
            np.concatenate([part.probabilities for part in parts]),
        )

    def scores(self) -> dict[str, Score]:
        """Return accuracy, balanced accuracy and macro-F1 with their intervals, see `intervals`."""
        sizes = [len(set(np.array(self.micrographs)[self.truth == k])) for k in range(self.probabilities.shape[1])]
        return intervals(self.confusion, sizes)


def confusion_of(truth: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> Counts:
    """Return how often class *row* was predicted as class *column*, (K, K) int64."""
    return np.bincount(truth * classes + predicted, minlength=classes**2).reshape(classes, classes).astype(np.int64)


def accuracy(confusion: NDArray[np.floating] | Counts) -> NDArray[np.float64]:
    """Return the share of images that are right, of one (K, K) or many (..., K, K) matrices."""
    counts = np.asarray(confusion, float)
    return np.asarray(np.trace(counts, axis1=-2, axis2=-1) / counts.sum(axis=(-2, -1)))


def balanced_accuracy(confusion: NDArray[np.floating] | Counts) -> NDArray[np.float64]:
    """Return the mean over the classes that occur of the share of each that is right (macro-averaged recall)."""
    counts = np.asarray(confusion, float)
    right, true = np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1)
    return _mean_where(true > 0, right, true)


def macro_f1(confusion: NDArray[np.floating] | Counts) -> NDArray[np.float64]:
    """Return the mean F1 over the classes that occur or are predicted (Opitz and Burst, 2019: mean of the F1)."""
    counts = np.asarray(confusion, float)
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    both = counts.sum(axis=-1) + counts.sum(axis=-2)
    return _mean_where(both > 0, 2 * right, both)


def _mean_where(
    counted: NDArray[np.bool_], part: NDArray[np.float64], whole: NDArray[np.float64]
) -> NDArray[np.float64]:
    share = np.divide(part, whole, out=np.zeros_like(part), where=counted)
    return np.asarray(share.sum(axis=-1) / np.maximum(counted.sum(axis=-1), 1))


_KINDS: dict[str, Callable[[NDArray[np.floating] | Counts], NDArray[np.float64]]] = {
    "accuracy": accuracy,
    "balanced accuracy": balanced_accuracy,
    "macro-F1": macro_f1,
}


def intervals(confusion: Counts, micrographs: Sequence[int]) -> dict[str, Score]:
    """Return the scores of a confusion matrix with 95 % intervals.

    The rows of the matrix are taken as draws from unknown shares, with a Dirichlet prior worth half
    a micrograph per class (the posterior of Tötsch and Hoffmann, PeerJ Computer Science 7:e398,
    2021). Unlike the bootstrap this does not claim certainty when ten of ten are right. Images of
    one micrograph are alike, so a class counts as much as it has micrographs.

    Parameters
    ----------
    confusion : numpy.ndarray, (K, K)
    micrographs : sequence of int
        Number of micrographs of every true class.

    Returns
    -------
    dict
        ``"accuracy"``, ``"balanced accuracy"`` and ``"macro-F1"``.
    """
    classes, rng = len(confusion), np.random.default_rng(0)
    true = confusion.sum(axis=1)
    drawn = np.zeros((_DRAWS, classes, classes))
    for row in np.flatnonzero(true).tolist():
        weight = min(1.0, micrographs[row] / true[row])
        drawn[:, row] = true[row] * rng.dirichlet(weight * confusion[row] + PRIOR / classes, _DRAWS)
    found = {}
    for name, measure in _KINDS.items():
        value = float(measure(confusion))
        low, high = np.quantile(measure(drawn), (0.025, 0.975))
        found[name] = Score(value, min(float(low), value), max(float(high), value))
    return found
