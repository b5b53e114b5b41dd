"""Smooth random fields, the stuff of shading, waviness and texture."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Field = NDArray[np.float32]


@lru_cache(maxsize=64)
def _spline(length: int, knots: int) -> tuple[NDArray[np.int64], Field]:
    """Return the first knot and the weights (4, length) of the uniform cubic B-spline at every pixel."""
    position = np.linspace(0, knots, length, endpoint=False)
    first = position.astype(np.int64)
    t = position - first
    weights = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]) / 6
    return first, weights.astype(np.float32)


def _interpolate(values: Field, length: int, knots: int) -> Field:
    """Interpolate along the first axis. A matrix product would round differently on different machines."""
    first, weights = _spline(length, knots)
    result: Field = weights[0][:, None] * values[first]
    for k in range(1, 4):
        result += weights[k][:, None] * values[first + k]
    return result


def smooth_field(shape: tuple[int, int], scale: float, rng: np.random.Generator) -> Field:
    """Return a random field of about unit variance that varies over `scale` pixels.

    Parameters
    ----------
    shape : tuple of int
        Height and width in pixels.
    scale : float
        Distance between the knots of the cubic spline, in pixels.
    rng : numpy.random.Generator

    Returns
    -------
    numpy.ndarray
        float32.
    """
    knots = [max(1, round(side / scale)) for side in shape]
    values = rng.standard_normal((knots[0] + 3, knots[1] + 3), dtype=np.float32)
    field = _interpolate(_interpolate(values, shape[0], knots[0]).T, shape[1], knots[1]).T
    # A cubic B-spline of white noise has a standard deviation of 0.479 in two dimensions.
    return np.ascontiguousarray(field) / np.float32(0.479)


def blur(field: Field, sigma: float) -> Field:
    """Gaussian filter cut at three standard deviations."""
    return np.asarray(ndimage.gaussian_filter(field, sigma, truncate=3, mode="nearest"), dtype=np.float32)
