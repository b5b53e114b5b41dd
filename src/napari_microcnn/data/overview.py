"""The overview: an image with a quarter of its pixels per side, in which a network sees four times as far.

What the network makes of the image itself knows the details, what it makes of the overview the surroundings. So
the probabilities of the former are multiplied by the root of the ratio of the two, taken at the overview's
resolution: where details are finer they stay, and where the overview is surer of a class it has its say.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from napari_microcnn.data.annotations import IGNORE
from napari_microcnn.data.growth import GROWN
from napari_microcnn.data.patches import Source
from napari_microcnn.data.resampling import Resampled, zoomed_shape

OVERVIEW = 0.25
"""Magnification of the overview."""

_WORTH = 3
"""An overview holds at least so many quarters of a patch per side; a smaller one is mostly its own mirror image."""


_LEAST = 1e-3

Probabilities = TypeVar("Probabilities", NDArray[Any], Tensor)


def correction(distant: Probabilities, near: Probabilities) -> Probabilities:
    """Return what the probabilities of an image are to be multiplied with, before their sum is made 1 again.

    Parameters
    ----------
    distant, near : numpy.ndarray or Tensor
        What a network makes of the overview, and what it makes of the image, brought to the overview's resolution.
    """
    return ((distant + _LEAST) / (near + _LEAST)) ** 0.5


def worth_an_overview(shape: tuple[int, ...], patch: int) -> bool:
    """Whether an image of this shape, in pixels, shows more in its overview than in patches of this side."""
    return min(shape[:2]) * OVERVIEW * 4 >= _WORTH * patch


def overview_of(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Return the overview of an image, (Y, X) or (Y, X, C)."""
    return Resampled(pixels, zoomed_shape(pixels.shape, OVERVIEW), np.float64)[:, :]


def reduced_source(source: Source, pixels: NDArray[np.float32]) -> Source:
    """Return the overview of a source; what was painted has the say over what has grown.

    Parameters
    ----------
    source : Source
    pixels : numpy.ndarray
        What `overview_of` makes of its pixels.
    """
    targets, shape = source.targets, pixels.shape[:2]
    has_grown = (targets >= GROWN) & (targets != IGNORE)
    painted = reduced_targets(np.where(has_grown, np.uint8(IGNORE), targets), shape)
    grown = reduced_targets(np.where(has_grown, targets, np.uint8(IGNORE)), shape)
    return Source(pixels, np.where(painted != IGNORE, painted, grown), source.limits)


def reduced_targets(targets: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return the most frequent class among the annotated pixels that a pixel of the overview stands for.

    Parameters
    ----------
    targets : numpy.ndarray, (Y, X) uint8
        Class indices or `IGNORE`.
    shape : tuple of int
        Height and width of the overview.

    Examples
    --------
    >>> fine = np.full((4, 8), IGNORE, np.uint8)
    >>> fine[1, :3] = 2
    >>> reduced_targets(fine, (1, 2)).tolist()
    [[2, 255]]
    """
    rows, columns = np.nonzero(targets != IGNORE)
    place = (rows * shape[0] // targets.shape[0]) * shape[1] + columns * shape[1] // targets.shape[1]
    result = np.full(shape[0] * shape[1], IGNORE, np.uint8)
    most = np.zeros(result.size, np.int64)
    values = targets[rows, columns]
    for value in np.unique(values):
        count = np.bincount(place[values == value], minlength=result.size)
        result[count > most] = value
        np.maximum(most, count, out=most)
    return result.reshape(shape[0], shape[1])
