"""Where test lines meet grain boundaries, counted as ASTM E112 says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.measure.figures import TestLine

CROSSING, TANGENT, TRIPLE, END = 0, 1, 2, 3
"""Kinds of intersections."""

WEIGHTS = np.array([1.0, 1.0, 1.5, 0.5])
"""What each kind counts (ASTM E112, section on the intercept procedure)."""

_REACH, _SHORT = 3, 2
"""Pixels before and after a crossing that are looked at, and the longest way through a grain that is no way at all."""

Labels = NDArray[Any]
Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Intersections:
    """Intersections of test lines with boundaries.

    Attributes
    ----------
    points : numpy.ndarray, (N, 2)
        Positions as (y, x) in pixels.
    kinds : numpy.ndarray, (N,) int
        `CROSSING`, `TANGENT`, `TRIPLE` or `END`.
    lines : numpy.ndarray, (N,) int
        Which test line.
    """

    points: NDArray[np.float64]
    kinds: Index
    lines: Index

    @property
    def weights(self) -> NDArray[np.float64]:
        """What every intersection counts."""
        return np.asarray(WEIGHTS[self.kinds])


def intersections(labels: Labels, lines: Sequence[TestLine]) -> Intersections:
    """Find where test lines pass from one grain into another.

    Pixels that are 0 belong to boundaries or are unknown: a line that leaves a grain there and comes back into the
    same grain has met nothing. A line that only touches a grain is a tangent and counts once, a line through a
    point where three grains meet counts one and a half, and an end on a boundary one half.

    Whether a line of pixels passes such a point on the one side (one crossing) or on the other (two) is chance. Both
    are found by a look at the neighbouring line and get one and a half, so that the sum stays right on average.

    Parameters
    ----------
    labels : numpy.ndarray, (Y, X)
        Whole numbers; 0 is boundary or unknown.
    lines : sequence of TestLine

    Returns
    -------
    Intersections
    """
    found = [_on_line(labels, line) for line in lines]
    if not found:
        return Intersections(np.empty((0, 2)), np.empty(0, np.intp), np.empty(0, np.intp))
    numbers = np.repeat(np.arange(len(found)), [len(kinds) for _, kinds in found])
    return Intersections(np.concatenate([p for p, _ in found]), np.concatenate([k for _, k in found]), numbers)


def _on_line(labels: Labels, line: TestLine) -> tuple[NDArray[np.float64], Index]:
    """Return positions and kinds of the intersections of one line."""
    points = line.points
    met = _sampled(labels, points)
    if line.direction is None and met.any():  # a circle may start on a boundary
        first = int(np.flatnonzero(met)[0])
        points = np.concatenate([points[first:-1], points[: first + 1]])
        met = _sampled(labels, points)
    grain = np.flatnonzero(met)
    changes = np.flatnonzero(met[grain[1:]] != met[grain[:-1]])
    leaving, entering, kinds = _collapsed(met, grain[changes], grain[changes + 1])
    kinds, kept = _triples(_beside(labels, points), met, leaving, entering, kinds)
    where = (points[leaving] + points[entering]) / 2
    ends = [i for i in (0, -1) if line.direction is not None and met[i] == 0 and len(grain)]
    return (
        np.concatenate([where[kept], points[ends]]),
        np.concatenate([kinds[kept], np.full(len(ends), END)]).astype(np.intp),
    )


def _collapsed(met: Labels, leaving: Index, entering: Index) -> tuple[Index, Index, Index]:
    """Take changes to and fro between the same two grains within a few pixels for one.

    A slanting line of pixels that runs along a boundary changes sides at the corners of the pixels: an odd number of
    changes is one crossing, an even number is a tangent.
    """
    if len(leaving) == 0:
        return leaving, entering, leaving
    before, after = met[leaving], met[entering]
    linked = (before[:-1] == after[1:]) & (after[:-1] == before[1:]) & (leaving[1:] - entering[:-1] < _REACH)
    first = np.flatnonzero(np.append(True, ~linked))
    last = np.append(first[1:], len(leaving)) - 1
    kinds = np.where((last - first) % 2, TANGENT, CROSSING)
    return leaving[first], entering[last], kinds.astype(np.intp)


def _sampled(labels: Labels, points: NDArray[np.float64]) -> Labels:
    index = np.floor(points + 0.5).astype(np.intp)
    return np.asarray(labels[tuple(np.clip(index[:, k], 0, labels.shape[k] - 1) for k in (0, 1))])


def _triples(
    beside: list[Labels], met: Labels, leaving: Index, entering: Index, kinds: Index
) -> tuple[Index, NDArray[np.bool_]]:
    """Find the points where three grains meet; of two crossings there only the first is kept."""
    kept = np.ones(len(leaving), bool)
    if len(leaving) == 0:
        return kinds, kept
    kinds, crossing = kinds.copy(), kinds == CROSSING
    before, after = met[leaving], met[entering]
    short = leaving[1:] - entering[:-1] + 1 <= _SHORT
    pair = np.append(short & crossing[1:] & crossing[:-1] & (before[:-1] != after[1:]), False)
    last, stop = np.append(after[1:], after[-1:]), np.append(entering[1:], entering[-1:])
    pair &= np.any([_between(path, leaving, stop, before, last)[0] for path in beside], axis=0)
    for i in np.flatnonzero(pair):  # a change belongs to one pair only
        if kept[i]:
            kinds[i], kept[i + 1] = TRIPLE, False
    cut = np.any([_between(path, leaving, entering, before, after)[1] for path in beside], axis=0)
    kinds[kept & (kinds == CROSSING) & cut] = TRIPLE
    return kinds, kept


def _beside(labels: Labels, points: NDArray[np.float64]) -> list[Labels]:
    """Return what lines one pixel to the left and to the right would meet."""
    along = np.gradient(points, axis=0)
    across = np.stack([along[:, 1], -along[:, 0]], 1)
    across /= np.maximum(np.abs(across).max(1, keepdims=True), 1e-9)
    return [_sampled(labels, points + side * across) for side in (1, -1)]


def _between(
    path: Labels, start: Index, stop: Index, before: Labels, after: Labels
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Say of a neighbouring line whether it goes straight from `before` to `after`, or by a short way through a third.

    Of every change, the pixels around it are looked at; boundary pixels count for nothing.
    """
    middle = (start + stop) // 2
    window = np.clip(middle[:, None] + np.arange(-_REACH, _REACH + 2), 0, len(path) - 1)
    met = path[window]
    one, other = met == before[:, None], met == after[:, None]
    third = (met != 0) & ~one & ~other
    place = np.arange(met.shape[1])
    last_one = np.where(one, place, -1).max(1)
    first_other = np.where(other, place, met.shape[1]).min(1)
    ends = one.any(1) & other.any(1) & (last_one < first_other)
    least = np.where(third, place, met.shape[1]).min(1)
    most = np.where(third, place, -1).max(1)
    number = third.sum(1)
    straight = ends & (number == 0)
    single = np.take_along_axis(met, least.clip(0, met.shape[1] - 1)[:, None], 1) == met
    through = ends & (number >= 1) & (number <= _SHORT) & (~third | single).all(1)
    return straight, through & (last_one < least) & (most < first_other)
