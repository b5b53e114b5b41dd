"""The magnification at which a model sees a micrograph best."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.data.normalisation import IntensityLimits, intensity_limits
from napari_microcnn.data.resampling import Resampled, sample_windows, zoomed_shape
from napari_microcnn.micrograph import Pixels
from napari_microcnn.predict.tiles import Tile, TilePredictor

MAGNIFICATIONS = (0.18, 0.25, 0.35, 0.5, 0.71, 1.0, 1.41, 2.0, 2.83)
"""Candidates: factors of about the root of 2."""

_WINDOW, _WINDOWS = 224, 2
_NOT_BOUNDARY = 0.2
_ALMOST_BEST = 0.85
_RANGE = 2.0
_DOUBT = 0.6


class _View(NamedTuple):
    """What the network makes of a micrograph at one magnification."""

    sureness: float
    intercept: float


def find_magnifications(
    predictor: TilePredictor, plane: Pixels, channel: int, typical_intercept: float
) -> tuple[float, ...]:
    """Find the resampling at which the network sees most boundaries most surely.

    Where grains are too small for the network it runs them together, where they are too large it
    loses boundaries, and in both cases it doubts: the probability of what it takes for boundaries
    is neither high nor low. So the number of boundaries met per length of the image, times the
    sureness, is largest at the right magnification. Left out are magnifications at which the grains
    come out far from the size of those it learned from, or at which it is much less sure than at
    others: there it may find grains in mere noise. Where it stays in doubt even at the best one, the
    neighbouring magnifications shall have their say too.

    Parameters
    ----------
    predictor : TilePredictor
    plane : array, (Y, X) or (Y, X, C)
        May be lazy; only some windows of it are read.
    channel : int
        Index of the boundary class.
    typical_intercept : float
        Mean lineal intercept, in pixels, of the grains learned from.

    Returns
    -------
    tuple of float
        The best of `MAGNIFICATIONS`, and in doubt others to average with; only 1 where nothing that
        looks like a boundary is found.
    """
    views = {factor: _look(predictor, plane, channel, factor) for factor in _candidates(plane)}
    seen = {factor: view for factor, view in views.items() if np.isfinite(view.intercept)}
    if not seen:
        return (1.0,)
    misfit = {factor: abs(np.log(view.intercept / typical_intercept)) for factor, view in seen.items()}
    allowed = max(np.log(_RANGE), min(misfit.values()))
    fitting = {factor: view for factor, view in seen.items() if misfit[factor] <= allowed}
    surest = max(view.sureness for view in fitting.values())
    sure = {factor: view for factor, view in fitting.items() if view.sureness >= _ALMOST_BEST * surest}
    best = max(sure, key=lambda factor: sure[factor].sureness * factor / sure[factor].intercept)
    if sure[best].sureness >= _DOUBT:
        return (best,)
    place = MAGNIFICATIONS.index(best)
    return (best, *(factor for factor in MAGNIFICATIONS[max(0, place - 1) : place + 2] if factor != best))


def _candidates(plane: Pixels) -> list[float]:
    """Leave out what makes an image too small to hold a few grains."""
    shorter = min(int(plane.shape[0]), int(plane.shape[1]))
    return [factor for factor in MAGNIFICATIONS if factor >= 1 or shorter * factor >= 64]


def _look(predictor: TilePredictor, plane: Pixels, channel: int, factor: float) -> _View:
    """Measure in some windows how far from 1/2 the probability of what may be boundary is, and how large grains are."""
    windows = sample_windows(at_magnification(plane, factor), _WINDOW, _WINDOWS)
    limits = limits_of(windows)
    maps = [_boundary(predictor, window, channel, limits) for window in windows]
    values = np.concatenate([probability.ravel() for probability in maps])
    candidates = values[values > _NOT_BOUNDARY]
    sureness = float(np.abs(2 * candidates - 1).mean()) if candidates.size else 0.0
    crossings = sum(_crossings(probability > 0.5) for probability in maps)
    return _View(sureness, 2 * values.size / crossings if crossings else np.inf)


def _crossings(boundary: NDArray[np.bool_]) -> int:
    """Count how often rows and columns enter a boundary."""
    rows = boundary[:, 1:] & ~boundary[:, :-1]
    cols = boundary[1:] & ~boundary[:-1]
    return int(rows.sum() + cols.sum())


def _boundary(
    predictor: TilePredictor, window: NDArray[Any], channel: int, limits: IntensityLimits
) -> NDArray[np.float32]:
    result = np.zeros(window.shape[:2], np.float32)
    for event in predictor.tiles(window, limits):
        if isinstance(event, Tile):
            result[event.region] = event.probabilities[channel]
    return result


def at_magnification(plane: Pixels, factor: float) -> Pixels:
    """Return the plane with `factor` times as many pixels per side, resampled when read."""
    if factor == 1:
        return plane
    return Resampled(plane, zoomed_shape(plane.shape, factor), np.float64)  # type: ignore[return-value]  # read like an array


def limits_of(windows: list[NDArray[Any]]) -> IntensityLimits:
    """Return the intensity limits of several windows together."""
    channels = windows[0].shape[2:]
    return intensity_limits(np.concatenate([window.reshape(-1, 1, *channels) for window in windows]))
