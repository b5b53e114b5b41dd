"""What is held out to judge a network that is being trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_microcnn.data.annotations import IGNORE

SHARE = 0.2
"""Part of the annotation that is held out."""

_BLOCK = 32
_LEAST_STROKES = 5


def split_images(targets: Sequence[NDArray[np.uint8]], classes: int, rng: np.random.Generator) -> list[bool] | None:
    """Choose the images to hold out, so that every class stays on both sides.

    Parameters
    ----------
    targets : sequence of numpy.ndarray, (Y, X) uint8
    classes : int
    rng : numpy.random.Generator

    Returns
    -------
    list of bool or None
        Per image whether it is held out; None where no choice leaves every class on both sides.
    """
    present = np.array([np.bincount(one.ravel(), minlength=256)[:classes] > 0 for one in targets])
    wanted = max(1, round(SHARE * len(targets)))
    held = np.zeros(len(targets), bool)
    for index in rng.permutation(len(targets)):
        trial = held.copy()
        trial[index] = True
        if present[~trial].any(axis=0).all():
            held = trial
        if held.sum() >= wanted and present[held].any(axis=0).all():
            return [bool(value) for value in held]
    return None


def hold_out(targets: NDArray[np.uint8], classes: int, rng: np.random.Generator) -> tuple[NDArray[np.bool_], list[int]]:
    """Choose pixels of one image to hold out: whole strokes, or blocks where strokes are few.

    Parameters
    ----------
    targets : numpy.ndarray, (Y, X) uint8
    classes : int
    rng : numpy.random.Generator

    Returns
    -------
    held : numpy.ndarray, (Y, X) bool
        About a fifth of the annotation of every class.
    too_small : list of int
        Classes with too little annotation to hold out any of it.
    """
    held = np.zeros(targets.shape, bool)
    too_small = []
    for index in range(classes):
        units, count = _units(targets == index)
        if count < 2:
            too_small.append(index)
            continue
        sizes = np.bincount(units.ravel(), minlength=count + 1)[1:]
        chosen = _choose(sizes, rng)
        held |= np.isin(units, chosen + 1)
    return held, too_small


def _units(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """Return the strokes of a class, numbered; if they are few, the pieces of them in the blocks of a grid."""
    strokes, count = ndimage.label(mask, np.ones((3, 3)))
    if count >= _LEAST_STROKES:
        return strokes, count
    rows, columns = (np.arange(length) // _BLOCK for length in mask.shape)
    blocks = rows[:, None] * (columns[-1] + 1) + columns[None, :] + 1
    values, pieces = np.unique(np.where(mask, blocks, 0), return_inverse=True)
    return pieces.reshape(mask.shape).astype(np.int32) + int(values[0] != 0), len(values) - int(values[0] == 0)


def _choose(sizes: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    """Return units that together hold about `SHARE` of the pixels: at least one, never more than half of the units."""
    order = rng.permutation(len(sizes))
    order = order[np.argsort(sizes[order] > sizes.sum() / 2, kind="stable")]  # not most of it, where avoidable
    so_far = np.cumsum(sizes[order])
    count = int(np.searchsorted(so_far, SHARE * sizes.sum())) + 1
    return order[: min(count, max(1, len(sizes) // 2))]


def without(targets: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return targets in which the pixels of a mask are not annotated."""
    return np.where(mask, np.uint8(IGNORE), targets)
