"""Particles that touch, told apart by their cores."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_microcnn.predict.instances import grow

CORE_FROM = 0.5
"""Pixels that lie well inside of a particle with this probability belong to its core."""

LEAST_CORE = 2
"""Pixels of the smallest core that counts where a region has several."""


def separate_particles(mask: NDArray[np.bool_], cores: NDArray[np.float32], min_size: int = 20) -> NDArray[np.int32]:
    """Number particles, those too that touch or overlap.

    Every connected region of the mask is as many particles as it has cores; each pixel belongs to the
    nearest core of its region. A region without a core is one particle.

    Parameters
    ----------
    mask : numpy.ndarray, (Y, X) bool
        Where there are particles.
    cores : numpy.ndarray, (Y, X) float32
        Probability that a pixel lies well inside of a particle.
    min_size : int
        Particles of fewer pixels are dropped.

    Returns
    -------
    numpy.ndarray
        (Y, X) int32, 1..N, 0 = background.

    Examples
    --------
    >>> mask = np.ones((3, 6), bool)
    >>> cores = np.zeros((3, 6), np.float32)
    >>> cores[:, [0, 1, 4, 5]] = 1
    >>> separate_particles(mask, cores, min_size=1)[0].tolist()
    [1, 1, 1, 2, 2, 2]
    """
    regions, count = ndimage.label(mask, np.ones((3, 3)))
    seeds, found = ndimage.label((cores >= CORE_FROM) & mask)
    large = np.bincount(seeds.ravel(), minlength=found + 1) >= LEAST_CORE
    large[0] = False
    region_of = np.zeros(found + 1, np.int64)
    region_of[seeds.ravel()] = regions.ravel()
    several = np.bincount(region_of[large], minlength=count + 1) > 1
    labels = np.asarray(regions, np.int32)
    boxes = ndimage.find_objects(regions)
    number = count
    for region in np.flatnonzero(several):
        window = boxes[region - 1]
        mine = regions[window] == region
        part = shared_out(np.where(mine & large[seeds[window]], seeds[window], 0))
        labels[window][mine] = number + part[mine]
        number += int(part.max())
    return _numbered(labels, number, min_size)


def shared_out(seeds: NDArray[np.int32]) -> NDArray[np.int32]:
    """Give every pixel the number, from 1, of its nearest seed."""
    numbers, place = np.unique(seeds, return_inverse=True)
    part = place.reshape(seeds.shape).astype(np.int32)  # 0 stays 0: there are pixels between cores
    grow(part, np.ones(len(numbers), bool))
    return part


def _numbered(labels: NDArray[np.int32], highest: int, min_size: int) -> NDArray[np.int32]:
    """Drop what is too small, and number the rest without gaps."""
    kept = np.bincount(labels.ravel(), minlength=highest + 1) >= min_size
    kept[0] = False
    numbers = np.where(kept, np.cumsum(kept), 0).astype(np.int32)
    return np.asarray(numbers[labels], np.int32)
