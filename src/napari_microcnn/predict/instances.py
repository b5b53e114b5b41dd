"""From classes to numbered objects: grains enclosed by boundaries, and particles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

Number = TypeVar("Number", np.bool_, np.uint8, np.int32)

CORE_BELOW = 0.25
"""Pixels with a lower boundary probability are certainly inside a grain."""

JOINED_BELOW = 0.5
"""Neighbours whose common border has a lower mean boundary probability are one grain."""

CORE_SHARE = 0.25
"""Part of a small grain that its blurred boundaries leave over."""

NECK = 7
"""Width in pixels, odd: the longest gap in a boundary that is looked at."""

LEVELS = 255
"""What a certain boundary is in the smoothed probability."""

NEAR, REACH = 16, 128
"""Pixels around a strip in which the nearest core is looked for: more only where some pixel has none so near."""

_STRIP = 512


def close_grains(boundary: NDArray[np.float32], min_size: int = 20) -> NDArray[np.int32]:
    """Find the grains that a map of boundary probabilities encloses.

    Pixels that are surely inside form cores, which are cut where they are narrow: there the
    boundary may have a gap. Cores grow until they meet; then neighbours whose common border is
    weak on average are joined again. So a gap in a strong boundary is bridged, a loose end does
    not cut a grain, and neither does a narrow place in it. Slivers between two lines of a boundary
    are shared out among their neighbours. No watershed is needed, whose time and memory would rule
    in large images.

    Parameters
    ----------
    boundary : numpy.ndarray, (Y, X) float32
        Probability of a grain boundary.
    min_size : int
        About the smallest grain, in pixels; what is smaller is left to its neighbours.

    Returns
    -------
    numpy.ndarray
        (Y, X) int32, 1..N, every pixel belongs to a grain.
    """
    level = smoothed(boundary)
    cores, n = _cut_at_necks(level)
    size = _sizes(cores, n)
    kept = size >= min_size * CORE_SHARE
    kept &= (size >= min_size) | _is_wide(cores, level, n)
    kept[0] = False
    if not kept.any():
        return np.ones(boundary.shape, np.int32)
    grow(cores, kept)
    return _number(cores, _join_weak(cores, level, n + 1))


def _cut_at_necks(level: NDArray[np.uint8]) -> tuple[NDArray[np.int32], int]:
    """Number the cores, cut wherever they are narrower than `NECK` pixels, and return their number."""
    whole, n = ndimage.label(level < CORE_BELOW * LEVELS)
    parts, m = ndimage.label(largest_around(level, NECK // 2) < CORE_BELOW * LEVELS)
    owner = np.zeros(m + 1, np.int64)
    owner[parts.ravel()] = whole.ravel()
    owner[0] = 0
    divided = np.bincount(owner, minlength=n + 1) > 1
    divided[0] = False
    if not divided.any():
        return whole, n
    inside = divided[whole]
    parts[~inside] = 0
    for _ in range(NECK // 2 + 1):  # back to where the parts were before they were thinned
        np.copyto(parts, largest_around(parts), where=(parts == 0) & inside)
    # What was narrow all over, such as a thin grain behind a gap, is a core of its own.
    narrow, k = ndimage.label(inside & (parts == 0))
    # The middle of a neck belongs to neither side; as a core it would join what was just cut.
    narrow[(_sizes(narrow, k) < NECK**2)[narrow]] = 0
    np.add(narrow, n + m, out=narrow, where=narrow > 0)
    np.add(parts, n, out=narrow, where=parts > 0)
    np.copyto(whole, narrow, where=inside)
    return whole, n + m + k


def _sizes(numbers: NDArray[np.int32], n: int) -> NDArray[np.int64]:
    """Return how many pixels have each of the numbers 0 to `n`; in strips, for numpy copies what it counts."""
    return sum(
        (np.bincount(numbers[inner].ravel(), minlength=n + 1) for inner, _ in _strips(len(numbers), margin=0)),
        start=np.zeros(n + 1, np.int64),
    )


def _is_wide(cores: NDArray[np.int32], level: NDArray[np.uint8], n: int) -> NDArray[np.bool_]:
    """Return for every core whether three by three pixels fit into it."""
    wide = np.zeros(n + 1, bool)
    wide[cores[largest_around(level) < CORE_BELOW * LEVELS]] = True
    return wide


def smoothed(boundary: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the slightly blurred probability as 0..255: a quarter of the memory, and fine enough."""
    level = np.empty(boundary.shape, np.uint8)
    for inner, outer in _strips(len(boundary), margin=4):
        blurred = ndimage.gaussian_filter(boundary[outer], 0.7, truncate=3)
        level[inner] = (blurred * LEVELS).round()[inner.start - outer.start :][: inner.stop - inner.start]
    return level


def grow(cores: NDArray[np.int32], kept: NDArray[np.bool_]) -> None:
    """Give every pixel the number of the nearest core that is kept, in place."""
    _replace(cores, np.where(kept, np.arange(len(kept)), 0).astype(np.int32))
    above = cores[:0].copy()  # the rows before the strip, as they were before they were filled
    for inner, _ in _strips(len(cores), margin=0):
        filled = None
        for reach in (NEAR, REACH):
            before = above[max(0, len(above) - reach) :]
            part = np.concatenate([before, cores[inner.start : inner.stop + reach]])
            if part.any():
                rows = slice(len(before), len(before) + inner.stop - inner.start)
                filled, farthest = nearest_number(part, (rows, slice(None)))
                if farthest <= reach:
                    break
        above = cores[max(inner.start, inner.stop - REACH) : inner.stop].copy()
        if filled is not None:
            cores[inner] = filled
    if not cores.all():  # strips far from any core
        cores[:] = nearest_number(cores)[0]


def nearest_number(
    cores: NDArray[np.int32], part: tuple[slice, slice] = (slice(None), slice(None))
) -> tuple[NDArray[np.int32], float]:
    """Return for every pixel of a part the number of the nearest core, and how far the farthest of these is.

    There must be a core, in the part or around it.
    """
    rows, cols = ndimage.distance_transform_edt(cores == 0, return_distances=False, return_indices=True)[:, *part]
    result: NDArray[np.int32] = cores[rows, cols]
    rows -= np.arange(len(cores), dtype=np.int32)[part[0], None]
    cols -= np.arange(cores.shape[1], dtype=np.int32)[part[1]]
    return result, float(np.max(rows**2 + cols**2)) ** 0.5


def largest_around(values: NDArray[Number], reach: int = 1) -> NDArray[Number]:
    """Return for every pixel of (Y, X) the largest value within so many rows and columns.

    With bytes scipy.ndimage takes ten times as long, for it computes with float64, one pixel after the other.
    """
    result = np.empty_like(values)
    for inner, outer in _strips(len(values), margin=reach):
        part = values[outer]
        for axis in (0, 1):
            source, part = part, part.copy()
            seen, largest = np.moveaxis(source, axis, 0), np.moveaxis(part, axis, 0)
            for shift in range(1, reach + 1):
                np.maximum(largest[shift:], seen[:-shift], out=largest[shift:])
                np.maximum(largest[:-shift], seen[shift:], out=largest[:-shift])
        result[inner] = part[inner.start - outer.start :][: inner.stop - inner.start]
    return result


def _strips(height: int, margin: int) -> Iterator[tuple[slice, slice]]:
    """Yield strips of rows, without and with a margin, so that work on them needs little memory."""
    for top in range(0, height, _STRIP):
        stop = min(top + _STRIP, height)
        yield slice(top, stop), slice(max(0, top - margin), min(height, stop + margin))


def _join_weak(labels: NDArray[np.int32], level: NDArray[np.uint8], n: int) -> NDArray[np.int32]:
    """Return the new number of every label after joining neighbours across weak borders."""
    borders = [_border(labels, level, inner, outer) for inner, outer in _strips(len(labels), margin=2)]
    keys, strength = (np.concatenate(parts) for parts in zip(*borders, strict=True))
    pairs, place = np.unique(keys, return_inverse=True)
    weak = np.bincount(place, strength) < JOINED_BELOW * LEVELS * np.bincount(place)
    rows, cols = pairs[weak] >> 32, pairs[weak] & 0xFFFFFFFF
    graph = sparse.coo_matrix((np.ones(len(rows)), (rows, cols)), shape=(n, n))
    return np.asarray(sparse.csgraph.connected_components(graph, directed=False)[1], dtype=np.int32)


def _border(
    labels: NDArray[np.int32], level: NDArray[np.uint8], inner: slice, outer: slice
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return, for neighbouring pixels of two labels, both labels in one number and the probability there."""
    # Where cores meet may be a pixel beside the ridge of the probability.
    ridge = largest_around(level[outer])[inner.start - outer.start :]
    here = labels[inner.start : inner.stop + 1]
    return meeting(here, ridge[: len(here)], inner.stop - inner.start, labels.shape[1])


def meeting(
    labels: NDArray[np.int32], ridge: NDArray[np.uint8], rows: int, columns: int
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return both labels in one number and the probability, where one of the first pixels' next has another label.

    Parameters
    ----------
    labels : numpy.ndarray, (Y, X) int32
        May have one row and one column more than count.
    ridge : numpy.ndarray, (Y, X) uint8
        Largest probability of a boundary within a pixel.
    rows, columns : int
        Pixels whose right and lower neighbours are looked at.
    """
    keys, strengths = [], []
    for one, other in ((np.s_[:rows, :-1], np.s_[:rows, 1:]), (np.s_[:-1, :columns], np.s_[1:, :columns])):
        border = labels[one] != labels[other]
        a, b = labels[one][border].astype(np.int64), labels[other][border]
        keys.append((np.minimum(a, b) << 32) | np.maximum(a, b))
        strengths.append(np.maximum(ridge[one], ridge[other])[border])
    return np.concatenate(keys), np.concatenate(strengths)


def _number(labels: NDArray[np.int32], joined: NDArray[np.int32]) -> NDArray[np.int32]:
    """Replace labels by what they were joined to, numbered 1..N without gaps, in place."""
    used = np.zeros(len(joined), bool)
    for strip, _ in _strips(len(labels), margin=0):
        used[joined[labels[strip]]] = True
    _replace(labels, np.cumsum(used, dtype=np.int32)[joined])
    return labels


def _replace(labels: NDArray[np.int32], numbers: NDArray[np.int32]) -> None:
    """Replace every label by its new number, in place."""
    for strip, _ in _strips(len(labels), margin=0):
        labels[strip] = numbers[labels[strip]]


def grain_boundaries(grains: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return the pixels, (Y, X) bool, on either side of the borders between grains."""
    result = np.zeros(grains.shape, bool)
    for one, other in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        border = grains[one] != grains[other]
        result[one] |= border
        result[other] |= border
    return result


def bridges(grains: NDArray[np.int32], found: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the borders between grains that fill the gaps of a boundary map: with them the network is closed.

    Parameters
    ----------
    grains : numpy.ndarray, (Y, X) int32
        As from `close_grains`.
    found : numpy.ndarray, (Y, X) bool
        Boundaries that the network is sure of.

    Returns
    -------
    numpy.ndarray
        (Y, X) bool.
    """
    beside = grain_boundaries(grains) & ~found
    pieces, n = ndimage.label(beside, np.ones((3, 3)))
    # A border that runs beside the line of its boundary all the way bridges nothing.
    wanted = np.zeros(n + 1, bool)
    wanted[pieces[beside & ~largest_around(found)]] = True
    result: NDArray[np.bool_] = wanted[pieces]
    return result


def label_particles(mask: NDArray[np.bool_], min_size: int = 20) -> NDArray[np.int32]:
    """Number the connected regions of a mask, those of at least `min_size` pixels."""
    labels, n = ndimage.label(mask, np.ones((3, 3)))
    large = np.bincount(labels.ravel(), minlength=n + 1) >= min_size
    large[0] = False
    numbers: NDArray[np.int32] = np.where(large, np.cumsum(large), 0).astype(np.int32)
    result: NDArray[np.int32] = numbers[labels]
    return result
