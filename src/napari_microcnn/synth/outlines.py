"""Random outlines of phases: fields that are positive inside, and about the distance to the edge in pixels near it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage
from scipy.spatial import cKDTree

from napari_microcnn.synth.fields import Field, smooth_field

_FAR = np.float32(-1e3)
_BANDWIDTH = 0.15
"""Spread of the wavelengths of `bands`, as a share of the wavelength."""


def blobs(side: int, size: float, direction: float, elongation: float, rng: np.random.Generator) -> Field:
    """Return a random field of unit variance whose hills are about `size` pixels wide.

    Parameters
    ----------
    side : int
        Of the picture, in pixels.
    size : float
    direction : float
        Along which hills are longer, in radians.
    elongation : float
        1 = round.
    rng : numpy.random.Generator
    """
    v, u = _frequencies(side, direction, elongation)
    return _filtered(side, np.exp(-((np.pi * size / 2) ** 2) * (v**2 + u**2)), rng)


def bands(side: int, wavelength: float, direction: float, elongation: float, rng: np.random.Generator) -> Field:
    """Return a random field of unit variance and one wavelength: labyrinths, and lamellae where it is elongated."""
    v, u = _frequencies(side, direction, elongation)
    away = np.sqrt(v**2 + u**2) * wavelength - 1
    return _filtered(side, np.exp(-(away**2) / (2 * _BANDWIDTH**2)), rng)


def _frequencies(side: int, direction: float, elongation: float) -> tuple[Field, Field]:
    """Return the frequencies across and along a direction, per pixel."""
    y, x = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]
    cosine, sine = np.cos(direction), np.sin(direction)
    across, along = (y * cosine - x * sine) / elongation, (x * cosine + y * sine) * elongation
    return across.astype(np.float32), along.astype(np.float32)


def _filtered(side: int, response: NDArray[np.floating], rng: np.random.Generator) -> Field:
    noise = rng.standard_normal((side, side), dtype=np.float32)
    field = fft.irfft2(fft.rfft2(noise) * response.astype(np.float32), (side, side))
    return np.asarray((field - field.mean()) / max(float(field.std()), 1e-6), np.float32)


def cells(side: int, size: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the numbers, from 0, of cells about `size` pixels wide with wavy edges."""
    reach = size
    count = max(4, round(((side + 2 * reach) / size) ** 2))
    seeds = rng.uniform(-reach, side + reach, (count, 2))
    y, x = np.mgrid[:side, :side].astype(np.float32)
    y, x = (axis + np.float32(size / 8) * smooth_field((side, side), size / 2, rng) for axis in (y, x))
    nearest = cKDTree(seeds).query(np.stack([y.ravel(), x.ravel()], axis=1))[1]
    return np.asarray(nearest, np.int64).reshape(side, side)


def ellipses(
    side: int, radius: float, spread: float, count: int, direction: float, elongation: float, rng: np.random.Generator
) -> Field:
    """Return the outlines of ellipses at random places.

    Parameters
    ----------
    side : int
    radius : float
        Median of the smaller half axes, in pixels.
    spread : float
        Standard deviation of their logarithms.
    count : int
    direction : float
        Of most of the longer axes, in radians.
    elongation : float
    rng : numpy.random.Generator
    """
    result = np.full((side, side), _FAR)
    for _ in range(count):
        half = radius * np.exp(rng.normal(0, spread))
        angle = direction if rng.random() < 0.7 else rng.uniform(0, np.pi)
        centre = rng.uniform(0, side, 2)
        reach = int(half * elongation) + 4
        rows, columns = (slice(max(0, int(place) - reach), max(0, int(place) + reach + 1)) for place in centre)
        y, x = np.ogrid[:side, :side]
        down, right = y[rows] - centre[0], x[:, columns] - centre[1]
        along = (right * np.cos(angle) + down * np.sin(angle)) / elongation
        across = down * np.cos(angle) - right * np.sin(angle)
        inside = half - np.hypot(along, across)
        np.maximum(result[rows, columns], inside, out=result[rows, columns], casting="same_kind")
    return result


def cracks(side: int, width: float, count: int, waviness: float, rng: np.random.Generator) -> Field:
    """Return the outlines of winding lines; they turn by about `waviness` radians per pixel."""
    away = np.ones((side, side), bool)
    for _ in range(count):
        steps = int(rng.uniform(0.3, 1.5) * side)
        turned = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, waviness, steps))
        y, x = (rng.uniform(0, side) + np.cumsum(part(turned)) for part in (np.sin, np.cos))
        seen = (y >= 0) & (y < side) & (x >= 0) & (x < side)
        away[y[seen].astype(int), x[seen].astype(int)] = False
    if away.all():
        return np.full((side, side), _FAR)
    return np.asarray(width / 2 - ndimage.distance_transform_edt(away), np.float32)


def coat(side: int, direction: float, rng: np.random.Generator) -> Field:
    """Return the outline of a layer across the picture, straight on the whole, with uneven edges."""
    y, x = np.mgrid[:side, :side].astype(np.float32) - np.float32(side / 2)
    angle = direction + rng.normal(0, 0.15)
    away = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
    away += side * (np.float32(rng.uniform(-0.4, 0.4)) + np.float32(0.04) * smooth_field((side, side), side / 4, rng))
    return np.asarray(np.float32(side * rng.uniform(0.08, 0.3)) - np.abs(away), np.float32)
