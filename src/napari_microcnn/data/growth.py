"""Growing strokes: what surely lies in the same region as a stroke counts as annotated too.

People paint short strokes in the middle of things. Between two strokes of different classes lies at least one edge, and
what can be reached from a stroke over much less than that lies on the same side of it. The way to a pixel costs the
squared gradients of the image along it (the geodesic distance of Criminisi, Sharp and Blake, 2008, "GeoS: Geodesic
Image Segmentation", ECCV).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from napari_microcnn.data.annotations import IGNORE
from napari_microcnn.data.normalisation import IntensityLimits, normalise
from napari_microcnn.data.patches import Source

GROWN = 128
"""Added to the class index of pixels that nobody painted, so that they can be told from those that somebody did."""

SURE = 0.3
"""A pixel is taken for the class of a stroke if the way to it costs less than this share of the way from there to the
nearest stroke of another class; below 1/3 the nearest other stroke is more than twice as far as the own one."""

SIDE = 1024
"""Strokes grow in pieces of at most this side, each for itself, which bounds the time: 0.2 s per class and piece."""

_SMOOTH = 1.5
"""Standard deviation, in pixels, of the Gaussian whose gradient is taken."""

_STEP = 0.05
"""What a pixel costs where nothing changes, as a multiple of the median: long ways are less sure than short ones."""


Targets = TypeVar("Targets", NDArray[Any], Tensor)

_Known = dict[tuple[int, int, int], tuple[NDArray[Any], NDArray[np.uint8], NDArray[np.uint8]]]


class Growth:
    """Grows strokes; what has grown is kept until the next time, for the pieces whose strokes are the same then."""

    def __init__(self) -> None:
        self._known: _Known = {}

    def __call__(self, sources: Sequence[Source]) -> list[Source]:
        """Return the sources with their strokes grown, but not to where the microscope wrote."""
        known, self._known = self._known, {}
        return [self._grown(source, known) for source in sources]

    def _grown(self, source: Source, known: _Known) -> Source:
        targets = source.targets.copy()
        for piece in _pieces(targets.shape):
            strokes = source.targets[piece]
            if len(np.unique(strokes[strokes != IGNORE])) < 2:
                continue
            key = (id(source.pixels), piece[0].start, piece[1].start)
            pixels, before, grown = known.get(key, (None, strokes, strokes))
            if pixels is not source.pixels or not np.array_equal(before, strokes):
                grown = grow_strokes(source.pixels[piece], strokes, source.limits)
            self._known[key] = (source.pixels, strokes.copy(), grown)
            targets[piece] = grown
        if source.outside is not None:
            targets[source.outside] = IGNORE
        return source.with_targets(targets)


def unmarked(targets: Targets) -> Targets:
    """Return the class indices, or `IGNORE`, of all pixels that were painted or grown to."""
    result: Targets = targets - GROWN * ((targets >= GROWN) & (targets != IGNORE))
    return result


def _pieces(shape: tuple[int, ...]) -> Iterator[tuple[slice, slice]]:
    """Cut a plane into pieces of about one size."""
    rows, columns = (np.linspace(0, length, -(-length // SIDE) + 1).astype(int).tolist() for length in shape[:2])
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            yield slice(top, bottom), slice(left, right)


def grow_strokes(pixels: NDArray[Any], strokes: NDArray[np.uint8], limits: IntensityLimits) -> NDArray[np.uint8]:
    """Return strokes with the pixels that surely lie in the same region.

    Parameters
    ----------
    pixels : numpy.ndarray, (Y, X) or (Y, X, C)
    strokes : numpy.ndarray, (Y, X) uint8
        Class indices below `GROWN` of at least two classes; elsewhere `IGNORE`.
    limits : IntensityLimits
        Of the whole image.

    Returns
    -------
    numpy.ndarray
        (Y, X) uint8, with the strokes as they are, and `GROWN` more than the class index where they have grown to. No
        pixel can be reached by two classes.

    Examples
    --------
    >>> image = np.repeat([0.0, 9.0], 20)[None].repeat(20, 0)
    >>> strokes = np.full(image.shape, IGNORE, np.uint8)
    >>> strokes[8:12, 5], strokes[8:12, 35] = 0, 1
    >>> grown = unmarked(grow_strokes(image, strokes, IntensityLimits(np.array([4.5]), np.array([4.5]))))
    >>> np.unique(grown[:, :16]).tolist(), np.unique(grown[:, 19:21]).tolist(), np.unique(grown[:, 24:]).tolist()
    ([0], [255], [1])
    """
    from skimage.graph import MCP_Geometric

    cost = _steepness(normalise(pixels, limits))
    painted = strokes != IGNORE
    grown = strokes.copy()
    for index in np.unique(strokes[painted]):
        own = strokes == index
        # It stops at the first pixel of another class: all that costs less is known by then.
        way, _ = MCP_Geometric(cost).find_costs(np.argwhere(own), np.argwhere(painted & ~own), find_all_ends=False)
        grown[(way < SURE * way[painted & ~own].min()) & ~painted] = index + GROWN
    return grown


def _steepness(image: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return what it costs to pass a pixel, (Y, X), for an image (C, Y, X)."""
    squares = [ndimage.gaussian_gradient_magnitude(channel.astype(np.float64), _SMOOTH) ** 2 for channel in image]
    steep: NDArray[np.float64] = np.sum(squares, axis=0)
    usual = float(np.median(steep)) or float(steep.mean()) or 1.0  # drawings are even nearly everywhere
    return steep / usual + _STEP
