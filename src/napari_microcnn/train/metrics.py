"""Scores of a segmentation, all of them from one confusion matrix."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_microcnn.data import IGNORE

_RESAMPLES = 200
LEAST_UNITS = 4
"""From fewer pieces nobody can tell how much they differ."""


class ConfusionMatrix:
    """Counts how often class *row* was predicted as class *column*.

    Parameters
    ----------
    classes : int
        Number of classes.

    Examples
    --------
    >>> scores = ConfusionMatrix(2)
    >>> scores.update(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 1, 255]))
    >>> scores.iou().tolist()
    [0.5, 0.5]
    """

    def __init__(self, classes: int) -> None:
        self.counts = torch.zeros(classes, classes, dtype=torch.int64)

    def update(self, truth: Tensor, predicted: Tensor) -> None:
        """Add pixels: two tensors of class indices, of equal shape; where either is `IGNORE` nothing counts."""
        classes = len(self.counts)
        counted = (truth != IGNORE) & (predicted != IGNORE)
        pairs = truth[counted].long() * classes + predicted[counted].long()
        self.counts += torch.bincount(pairs.cpu(), minlength=classes**2).reshape(classes, classes)

    def _parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return per class the pixels that are right, that are true and that are predicted."""
        counts = self.counts.double()
        return counts.diagonal(), counts.sum(dim=1), counts.sum(dim=0)

    def iou(self) -> Tensor:
        """Intersection over union (Jaccard) of every class; NaN where it neither occurs nor is predicted."""
        right, true, predicted = self._parts()
        return right / (true + predicted - right)

    def dice(self) -> Tensor:
        """Dice score (F1) of every class; NaN where it neither occurs nor is predicted."""
        right, true, predicted = self._parts()
        return 2 * right / (true + predicted)

    def accuracy(self) -> float:
        """Return the share of pixels that are right."""
        return float(self.counts.diagonal().sum() / self.counts.sum())

    def mean_iou(self) -> float:
        """Mean of `iou` over the classes that occur or are predicted; 0 without any pixel."""
        mean = float(self.iou().nanmean())
        return 0.0 if mean != mean else mean


def bootstrap_spread(counts: NDArray[np.int64]) -> float | None:
    """Return the standard error of a mean IoU by the bootstrap over the pieces that were judged.

    The pieces (squares or images) are drawn anew with replacement, 200 times, always in the same
    way; the standard deviation of the mean IoU over these draws is returned.

    Parameters
    ----------
    counts : numpy.ndarray, (U, K, K) int64
        One confusion matrix per piece, true classes in rows.

    Returns
    -------
    float or None
        None for fewer than `LEAST_UNITS` pieces.
    """
    units, classes = counts.shape[:2]
    if units < LEAST_UNITS:
        return None
    times = np.random.default_rng(0).multinomial(units, np.full(units, 1 / units), size=_RESAMPLES)
    drawn = (times @ counts.reshape(units, -1)).reshape(-1, classes, classes)
    right = np.diagonal(drawn, axis1=1, axis2=2).astype(float)
    union = drawn.sum(axis=1) + drawn.sum(axis=2) - right
    seen = union > 0
    iou = np.divide(right, union, out=np.zeros_like(right), where=seen).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    return float(iou.std(ddof=1))
