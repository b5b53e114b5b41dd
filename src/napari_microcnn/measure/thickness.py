"""How thick a phase is from place to place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_LEVELS = 32


def local_thickness(mask: NDArray[np.bool_], sizes: tuple[float, float] = (1.0, 1.0)) -> NDArray[np.float32]:
    """Return the diameter of the largest disc within the phase that covers each pixel.

    Parameters
    ----------
    mask : numpy.ndarray, (Y, X) bool
        The phase: ligaments, or pores. Beyond the border of the image it is taken to go on.
    sizes : tuple of float
        Length of a pixel along y and x.

    Returns
    -------
    numpy.ndarray
        (Y, X) float32, 0 outside of the phase; in steps of a thirty-second of the largest diameter or, if that is
        more, of a pixel. A strip of an even number of pixels is one pixel too thin, since its middle lies
        between pixels. Infinite if there is nothing but the phase.

    References
    ----------
    T. Hildebrand and P. Rüegsegger, Journal of Microscopy 185 (1997) 67.
    """
    if mask.ndim != 2:
        raise ValueError(f"The thickness needs a mask of shape (Y, X), not {mask.shape}; take one plane.")
    if mask.all():
        return np.full(mask.shape, np.inf, np.float32)
    half = min(sizes) / 2
    # From pixel to pixel; the outline passes half a pixel before the next one.
    depth = ndimage.distance_transform_edt(mask, sampling=sizes)
    deepest = float(depth.max())
    result = np.zeros(mask.shape, np.float32)
    levels = np.unique(depth[mask]) if mask.any() else np.empty(0)
    if len(levels) > _LEVELS:
        number = int(min(_LEVELS, max(2, np.ceil(deepest / half))))
        levels = np.linspace(float(levels[0]), deepest, number)
    for radius in levels:  # from thin to thick, so that the largest disc is the last to be written
        reached = ndimage.distance_transform_edt(depth < radius, sampling=sizes) < radius
        result[reached & mask] = 2 * (radius - half)
    return result
