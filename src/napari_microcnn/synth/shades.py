"""Greys of grains, different enough between neighbours that somebody can see the boundary."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.synth.fields import Field

_ROUNDS = 12


def grain_greys(grains: NDArray[np.int32], least: float, rng: np.random.Generator) -> Field:
    """Draw a grey for every grain.

    Parameters
    ----------
    grains : numpy.ndarray
        (Y, X) int32.
    least : float
        Neighbours differ by at least this share of the whole range, as far as some rounds of drawing anew reach.
    rng : numpy.random.Generator

    Returns
    -------
    numpy.ndarray
        (N + 1,) float32 between -1 and 1, by number of the grain.
    """
    n = int(grains.max()) + 1
    grey = rng.uniform(-1, 1, n).astype(np.float32)
    if not least or n < 3:
        return grey
    one, other = _neighbours(grains, n)
    for _ in range(_ROUNDS):
        close = np.abs(grey[one] - grey[other]) < 2 * least
        if not close.any():
            break
        # Only one of every pair is drawn anew, and not always, so that neighbours do not follow each other about.
        again = np.unique(np.where(rng.random(int(close.sum())) < 0.5, one[close], other[close]))
        grey[again] = rng.uniform(-1, 1, len(again))
    return grey


def _neighbours(grains: NDArray[np.int32], n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs of grains that share a border."""
    keys = []
    for a, b in ((grains[:, :-1], grains[:, 1:]), (grains[:-1], grains[1:])):
        border = a != b
        low, high = np.minimum(a[border], b[border]).astype(np.int64), np.maximum(a[border], b[border])
        keys.append(low * n + high)
    pairs = np.unique(np.concatenate(keys))
    return pairs // n, pairs % n
