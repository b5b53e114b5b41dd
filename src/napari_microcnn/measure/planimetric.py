"""Counting grains in a field (Jeffries), each by how much of it the field shows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def jeffries_weights(labels: NDArray[Any], ids: NDArray[Any]) -> NDArray[np.float64]:
    """Return what every grain of a rectangular field counts.

    Grains inside count 1, those that a side cuts 1/2, those at a corner 1/4. So the sum is N_inside + N_cut / 2 + 1,
    where N_cut is without the four corners (ASTM E112, planimetric procedure with a rectangle). That is the number
    of grains the area of the field has on average, as Steiner's formula says for convex grains. A grain that the
    frame cuts in two places counts 1/2 less again: with 1/2 for it, small fields and long grains are counted too
    often.

    Parameters
    ----------
    labels : numpy.ndarray, (Y, X)
        Grains up to the sides of the field.
    ids : numpy.ndarray, (N,)
        The sorted numbers of the grains.

    Returns
    -------
    numpy.ndarray
        (N,) float64.

    References
    ----------
    Heping Li and Xing Zhou, Journal of ASTM International 8 (2011), JAI103476: the count is one too high without the
    corners. D. Stoyan, W. S. Kendall, J. Mecke, Stochastic Geometry and its Applications (1995), section 10.
    """
    weights = np.ones(len(ids))
    frame = np.concatenate([labels[0, :], labels[1:, -1], labels[-1, -2::-1], labels[-2:0:-1, 0]])
    starts = frame[frame != np.roll(frame, 1)]
    starts = starts[starts != 0]
    weights -= np.bincount(np.searchsorted(ids, starts), minlength=len(ids)) / 2
    corners = np.array([labels[i, j] for i in (0, -1) for j in (0, -1)])
    weights -= np.bincount(np.searchsorted(ids, corners[corners != 0]), minlength=len(ids)) / 4
    return weights
