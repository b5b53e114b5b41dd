"""Distributions of sizes: edge correction, percentiles, and how lognormal they are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr


def edge_weights(
    shape: tuple[int, int], extent_y: NDArray[Any], extent_x: NDArray[Any], cut: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return how many objects each whole one stands for, since large ones are cut by the border more often.

    Parameters
    ----------
    shape : tuple of int
        Height and width of the field in pixels.
    extent_y, extent_x : numpy.ndarray, (N,)
        Height and width of the objects' bounding boxes in pixels.
    cut : numpy.ndarray, (N,) bool
        Objects that the border cuts: they get 0.

    Returns
    -------
    numpy.ndarray
        (N,) float64: H W / ((H - h - 1) (W - w - 1)), all places over those where the object does not touch the border.
        The sum over the area is the number density without bias.

    References
    ----------
    R. E. Miles, in: J. Serra, Image Analysis and Mathematical Morphology (1982), p. 246 (Miles and Lantuejoul).
    """
    height, width = shape
    free = np.maximum(height - 1 - extent_y, 1) * np.maximum(width - 1 - extent_x, 1)
    return np.where(cut, 0.0, height * width / free)


def percentiles(sizes: ArrayLike, weights: ArrayLike, shares: tuple[float, ...] = (0.1, 0.5, 0.9)) -> list[float]:
    """Return the sizes below which given shares of the weight lie: D10, D50 and D90.

    Each object takes its weight around its own size (half below, half above), and the sizes between are interpolated.

    Parameters
    ----------
    sizes, weights : array-like, (N,)
        Objects without weight count for nothing.
    shares : tuple of float
        Between 0 and 1.

    Returns
    -------
    list of float
        nan without objects.
    """
    at, by = (np.asarray(values, float) for values in (sizes, weights))
    order = np.argsort(at[by > 0], kind="stable")
    at, by = at[by > 0][order], by[by > 0][order]
    if not len(at):
        return [float("nan")] * len(shares)
    below = (np.cumsum(by) - by / 2) / by.sum()
    return [float(value) for value in np.interp(shares, below, at)]


def lognormal_misfit(sizes: ArrayLike) -> float:
    """Return the largest distance between the distribution of sizes and its best lognormal law.

    Parameters
    ----------
    sizes : array-like, (N,)
        Positive.

    Returns
    -------
    float
        Kolmogorov-Smirnov distance, 0 to 1; nan for fewer than three sizes, or sizes all alike.
    """
    logarithms = np.sort(np.log(np.asarray(sizes, float)))
    number = len(logarithms)
    if number < 3 or np.ptp(logarithms) == 0:
        return float("nan")
    law = ndtr((logarithms - logarithms.mean()) / logarithms.std(ddof=1))
    steps = np.arange(number + 1) / number
    return float(max((steps[1:] - law).max(), (law - steps[:-1]).max()))
