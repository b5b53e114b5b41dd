"""Correcting label images: select, delete and merge objects.

Whatever the number of objects, every function goes over the pixels once or a few times.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_microcnn.measure.bands import row_bands
from napari_microcnn.measure.units import pixel_sizes
from napari_microcnn.micrograph import Calibration

Labels: TypeAlias = "NDArray[np.integer[Any]]"
Where = Literal["anywhere", "inside", "border"]

_DENSE = 16
"""A table with one entry per possible number is made up to so many entries per pixel."""


@dataclass(frozen=True, eq=False)
class Objects:
    """The objects of a label image.

    Attributes
    ----------
    ids : numpy.ndarray, (N,) int64
        Their numbers, sorted; 0, the background, is none.
    pixels : numpy.ndarray, (N,) int64
        How large they are.
    touches_border : numpy.ndarray, (N,) bool
        Whether the image's border cuts them.
    """

    ids: NDArray[np.int64]
    pixels: NDArray[np.int64]
    touches_border: NDArray[np.bool_]

    def diameters(self, calibration: Calibration | None = None) -> NDArray[np.float64]:
        """Return the equivalent circular diameters, (N,), in the calibration's unit, or in pixels."""
        y, x = pixel_sizes(calibration)
        return np.asarray(np.sqrt(4 / math.pi * y * x * self.pixels))

    def largest(self, ids: ArrayLike) -> int:
        """Return the one with the most pixels of some of them; of equal ones that with the smallest number."""
        chosen = np.flatnonzero(np.isin(self.ids, ids))
        if not len(chosen):
            raise ValueError("None of these objects is in the image.")
        return int(self.ids[chosen[self.pixels[chosen].argmax()]])


def count_objects(labels: Labels) -> Objects:
    """Count the pixels of every object, and find those at the border.

    Parameters
    ----------
    labels : numpy.ndarray, (Y, X) of integers
        Object numbers; 0 is background.

    Raises
    ------
    ValueError
        If `labels` are no integers, negative, or have other than two axes.

    Examples
    --------
    >>> found = count_objects(np.array([[3, 0, 0, 0], [0, 0, 7, 0], [0, 0, 7, 0], [0, 0, 0, 0]]))
    >>> found.ids.tolist(), found.pixels.tolist(), found.touches_border.tolist()
    ([3, 7], [1, 2], [True, False])
    """
    check_labels(labels)
    counts: dict[int, int] = {}
    largest = int(labels.max(initial=0))
    if largest < _DENSE * max(labels.size, 1):
        total = np.zeros(largest + 1, np.int64)
        for _, band in row_bands(labels):
            total += np.bincount(band.ravel(), minlength=largest + 1)
        total[0] = 0
        ids = np.flatnonzero(total)
        pixels = total[ids]
    else:
        for _, band in row_bands(labels):
            for number, n in zip(*np.unique(band, return_counts=True), strict=True):
                counts[int(number)] = counts.get(int(number), 0) + int(n)
        counts.pop(0, None)
        ids = np.array(sorted(counts), np.int64)
        pixels = np.array([counts[int(number)] for number in ids], np.int64)
    edges = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])) if labels.size else ids[:0]
    return Objects(ids.astype(np.int64), pixels, np.isin(ids, edges))


def check_labels(labels: Labels) -> None:
    """Raise `ValueError` if something is no label image or class map of one plane."""
    if labels.dtype.kind not in "iu" or labels.ndim != 2:
        raise ValueError(f"Labels must be whole numbers of shape (Y, X), not {labels.dtype} of shape {labels.shape}.")
    if labels.dtype.kind == "i" and labels.min(initial=0) < 0:
        raise ValueError("Labels must not be negative; number the objects from 1.")


def select_objects(
    objects: Objects,
    calibration: Calibration | None = None,
    *,
    smallest: float | None = None,
    largest: float | None = None,
    where: Where = "anywhere",
) -> NDArray[np.int64]:
    """Select objects by their size and by whether they touch the border.

    Parameters
    ----------
    objects : Objects
    calibration : Calibration, optional
        Size of a pixel; without it diameters are in pixels.
    smallest, largest : float, optional
        Equivalent circular diameter in the calibration's unit, both included.
    where : {"anywhere", "inside", "border"}
        ``"border"``: only objects cut by the border; ``"inside"``: only the others.

    Returns
    -------
    numpy.ndarray
        (M,) int64, numbers of the selected objects.

    Raises
    ------
    ValueError
        If `smallest` is larger than `largest`.
    """
    if smallest is not None and largest is not None and smallest > largest:
        raise ValueError(f"No object is at least {smallest:g} and at most {largest:g} wide; change one of them.")
    diameters = objects.diameters(calibration)
    wanted = np.ones(len(objects.ids), bool)
    if smallest is not None:
        wanted &= diameters >= smallest
    if largest is not None:
        wanted &= diameters <= largest
    if where != "anywhere":
        wanted &= objects.touches_border == (where == "border")
    return objects.ids[wanted]


class Members:
    """Tells which pixels belong to some objects; made once, used for one band of rows after the other.

    Parameters
    ----------
    ids : array of int
        Numbers of the objects.
    """

    def __init__(self, ids: ArrayLike) -> None:
        self._ids = np.unique(np.asarray(ids, np.int64))
        self._table: NDArray[np.bool_] | None = None

    def __call__(self, labels: Labels) -> NDArray[np.bool_]:
        """Return, in the shape of `labels`, where one of the objects is."""
        if not len(self._ids):
            return np.zeros(labels.shape, bool)
        largest = int(self._ids[-1])
        if largest >= _DENSE * max(labels.size, 1 << 20):
            return np.isin(labels, self._ids)
        if self._table is None:
            self._table = np.zeros(largest + 2, bool)
            self._table[self._ids[self._ids >= 0]] = True
        found: NDArray[np.bool_] = self._table[np.minimum(labels, largest + 1)]  # beyond the table: none of them
        return found


def delete_objects(labels: Labels, ids: ArrayLike) -> Labels:
    """Return the labels with some objects made background.

    Parameters
    ----------
    labels : numpy.ndarray of integers
        Stays as it is.
    ids : array of int
        Numbers of the objects.

    Examples
    --------
    >>> delete_objects(np.array([[1, 2], [3, 2]]), [2, 3])
    array([[1, 0],
           [0, 0]])
    """
    return _relabelled(labels, ids, 0)


def merge_objects(labels: Labels, ids: ArrayLike) -> Labels:
    """Return the labels with some objects made one, which gets the smallest of their numbers.

    Parameters
    ----------
    labels : numpy.ndarray of integers
        Stays as it is.
    ids : array of int
        Numbers of at least two objects; 0, the background, is none.

    Raises
    ------
    ValueError
        If there are fewer than two.

    Examples
    --------
    >>> merge_objects(np.array([[1, 2], [3, 2]]), [2, 3])
    array([[1, 2],
           [2, 2]])
    """
    return _relabelled(labels, ids, merged_number(ids))


def merged_number(ids: ArrayLike) -> int:
    """Return the number that objects get when they become one: the smallest of theirs; see `merge_objects`."""
    numbers = np.unique(np.asarray(ids, np.int64))
    if np.count_nonzero(numbers > 0) < 2:
        raise ValueError("Select at least two objects to merge them.")
    return int(numbers[numbers > 0][0])


def _relabelled(labels: Labels, ids: ArrayLike, number: int) -> Labels:
    result, members = labels.copy(), Members(ids)
    for top, band in row_bands(result.reshape(-1, result.shape[-1])):
        rows = result.reshape(-1, result.shape[-1])[top : top + len(band)]
        rows[members(band)] = number
    return result
