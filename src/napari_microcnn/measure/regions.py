"""Correcting class maps: their connected regions, and giving some of them to their surroundings."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_microcnn.measure.editing import Labels, check_labels, count_objects, select_objects
from napari_microcnn.micrograph import Calibration


def number_regions(classes: Labels) -> NDArray[np.int32]:
    """Number the connected regions of a class map: every pixel belongs to one, class 0 included.

    Parameters
    ----------
    classes : numpy.ndarray, (Y, X) of integers

    Returns
    -------
    numpy.ndarray
        (Y, X) int32, 1..N; pixels are connected over their sides.
    """
    from skimage.measure import label

    check_labels(classes)
    return np.asarray(label(classes, background=-1, connectivity=1), np.int32)  # type: ignore[no-untyped-call]


def enclosing_classes(classes: Labels, regions: NDArray[np.int32], ids: ArrayLike) -> NDArray[np.int64]:
    """Find the class around each of some regions: the one that it shares the longest border with.

    Parameters
    ----------
    classes : numpy.ndarray, (Y, X) of integers
        Class map.
    regions : numpy.ndarray, (Y, X) int32
        Its regions, see `number_regions`.
    ids : array of int
        Regions that shall be given to their surroundings. Where one of them lies within another
        one, both get the class around both.

    Returns
    -------
    numpy.ndarray
        (N + 1,) int64, indexed by region: the new class; -1 for all other regions, and where
        nothing else is left of the image.
    """
    largest = int(regions.max(initial=0))
    new = np.full(largest + 1, -1, np.int64)
    leaving = np.zeros(largest + 1, bool)
    leaving[np.asarray(ids, np.int64)] = True
    own = np.full(largest + 1, -1, np.int64)
    own[regions.ravel()] = classes.ravel()
    pairs, lengths = _borders(regions, leaving)
    todo = leaving.copy()
    while True:
        known = np.where(leaving, new, own)
        useful = todo[pairs[:, 0]] & (known[pairs[:, 1]] >= 0)
        if not useful.any():
            return new
        votes = pairs[useful, 0] * (int(own.max()) + 1) + known[pairs[useful, 1]]
        keys, place = np.unique(votes, return_inverse=True)
        weight = np.bincount(place, lengths[useful])
        order = np.argsort(weight, kind="stable")  # the longest border is written last
        region, winner = np.divmod(keys[order], int(own.max()) + 1)
        new[region] = winner
        todo[region] = False


def _borders(regions: NDArray[np.int32], leaving: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (M, 2) region and neighbour, for regions that leave, and the length of their common border."""
    found = []
    for one, other in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        border = regions[one] != regions[other]
        a, b = regions[one][border].astype(np.int64), regions[other][border].astype(np.int64)
        found += [(a << 32 | b)[leaving[a]], (b << 32 | a)[leaving[b]]]
    keys, lengths = np.unique(np.concatenate(found), return_counts=True)
    return np.stack([keys >> 32, keys & 0xFFFFFFFF], 1), lengths


def remove_regions(classes: Labels, largest: float, calibration: Calibration | None = None) -> Labels:
    """Return the class map with small regions given to the class around them.

    Parameters
    ----------
    classes : numpy.ndarray, (Y, X) of integers
        Stays as it is.
    largest : float
        Equivalent circular diameter of the largest region to remove, in the calibration's unit or pixels.
    calibration : Calibration, optional
        Size of a pixel.
    """
    regions = number_regions(classes)
    new = enclosing_classes(classes, regions, select_objects(count_objects(regions), calibration, largest=largest))
    return np.where(new[regions] < 0, classes, new[regions]).astype(classes.dtype)
