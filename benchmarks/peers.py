"""Classical ways to find grain boundaries, each with the threshold that the answer says is best."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import feature, filters, morphology, segmentation

Mask = NDArray[np.bool_]
Grey = NDArray[np.float64]

_SHARES = (0.7, 0.76, 0.82, 0.86, 0.9, 0.93, 0.96, 0.98)
_SIGMAS = (1.5, 3.0)


def best_peers(image: NDArray[np.uint8], score: Callable[[Mask], float]) -> dict[str, float]:
    """Return the score of every classical method with its best threshold and scale for this image.

    Parameters
    ----------
    image : numpy.ndarray, (Y, X) uint8
    score : callable
        Boundary map -> score; it knows the answer, so that what is returned is more than anybody could reach.
    """
    grey = image / 255.0
    ways = {"Canny": _canny, "Sato": _sato, "Frangi": _frangi, "watershed": _watershed}
    return {name: max(score(found) for found in way(grey)) for name, way in ways.items()}


def _canny(grey: Grey) -> Iterator[Mask]:
    for sigma in _SIGMAS:
        for high in _SHARES:
            edges = feature.canny(grey, sigma, 0.7 * high, high, use_quantiles=True)  # type: ignore[no-untyped-call]
            yield np.asarray(edges)


def _above(strength: Grey) -> Iterator[Mask]:
    for share in _SHARES:
        yield strength > np.quantile(strength, share)


def _sato(grey: Grey) -> Iterator[Mask]:
    for dark in (True, False):
        yield from _above(filters.sato(grey, _SIGMAS, black_ridges=dark))  # type: ignore[no-untyped-call]


def _frangi(grey: Grey) -> Iterator[Mask]:
    for dark in (True, False):
        yield from _above(filters.frangi(grey, _SIGMAS, black_ridges=dark))  # type: ignore[no-untyped-call]


def _watershed(grey: Grey) -> Iterator[Mask]:
    """Flood the gradient from its minima that are at least so deep."""
    for sigma in _SIGMAS:
        gradient = ndimage.gaussian_gradient_magnitude(grey, sigma)
        for depth in (0.005, 0.01, 0.02, 0.04, 0.08):
            height = (gradient / max(gradient.max(), 1e-9)).round(3)
            seeds, _ = ndimage.label(morphology.h_minima(height, depth))  # type: ignore[no-untyped-call]
            regions = segmentation.watershed(height, seeds)  # type: ignore[no-untyped-call]
            yield segmentation.find_boundaries(regions, mode="inner")  # type: ignore[no-untyped-call]
