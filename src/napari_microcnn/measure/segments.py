"""Segments of grain boundaries, from triple point to triple point, and how sure a model is of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from napari_microcnn.measure.editing import Labels, check_labels
from napari_microcnn.measure.objects import Table

_CERTAIN = 255


@dataclass(frozen=True, eq=False)
class Segments:
    """The boundary segments of one plane.

    A segment is a connected piece of the border between two grains; it ends where a third grain or
    the border of the image begins.

    Attributes
    ----------
    first, second : numpy.ndarray, (S,) int64
        Numbers of the two grains, the smaller one first.
    length : numpy.ndarray, (S,) int64
        Pixels on the border.
    confidence : numpy.ndarray, (S,) float64
        Mean probability of a boundary along the segment, 0 to 1.
    places : numpy.ndarray, (P,) int64
        Pixels, as ``y * width + x``, whose right or lower neighbour belongs to another grain.
    numbers : numpy.ndarray, (P,) int64
        Which segment each of them lies on, from 0.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    length: NDArray[np.int64]
    confidence: NDArray[np.float64]
    places: NDArray[np.int64]
    numbers: NDArray[np.int64]

    def of_grains(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean (weighted by length) and least confidence of the segments around every grain.

        NaN for grains without any segment: one that fills the image has none.
        """
        size = int(max(ids.max(initial=0), self.second.max(initial=0))) + 1
        total, weight, least = np.zeros(size), np.zeros(size), np.full(size, np.inf)
        for side in (self.first, self.second):
            total += np.bincount(side, self.confidence * self.length, size)
            weight += np.bincount(side, self.length, size)
            np.minimum.at(least, side, self.confidence)
        mean = np.divide(total, weight, out=np.full(size, np.nan), where=weight > 0)
        return mean[ids], np.where(np.isfinite(least), least, np.nan)[ids]

    def merged(self, kept_from: float, largest: int) -> NDArray[np.int64]:
        """Return the new number of every grain, (largest + 1,), when doubtful segments are removed.

        Grains stay apart as long as one of the segments between them has at least the confidence
        `kept_from`; the grains on both sides of a removed border get the smallest of their numbers.
        """
        pairs, place = np.unique(self.first << 32 | self.second, return_inverse=True)
        surest = np.zeros(len(pairs))
        np.maximum.at(surest, place, self.confidence)
        gone = pairs[surest < kept_from]
        links = (np.ones(len(gone)), (gone >> 32, gone & 0xFFFFFFFF))
        graph = sparse.coo_matrix(links, shape=(largest + 1, largest + 1))
        _, group = sparse.csgraph.connected_components(graph, directed=False)
        smallest = np.full(int(group.max()) + 1, largest + 1, np.int64)
        np.minimum.at(smallest, group, np.arange(largest + 1))
        return np.asarray(smallest[group])

    def drawn(self, shape: tuple[int, int], kept_from: float, sure_from: float) -> NDArray[np.uint8]:
        """Return (Y, X) uint8: 1 on segments that are sure, 2 on doubtful ones, 3 on removed ones, 0 elsewhere.

        Parameters
        ----------
        shape : tuple of int
            Height and width of the plane.
        kept_from : float
            As for `merged`.
        sure_from : float
            Segments of less confidence are doubtful.
        """
        kept = self.merged(kept_from, int(self.second.max(initial=0)))
        kind = np.where(self.confidence < sure_from, 2, 1).astype(np.uint8)
        kind[kept[self.first] == kept[self.second]] = 3
        result = np.zeros(shape, np.uint8)
        result.ravel()[self.places] = kind[self.numbers]
        return result


def with_confidence(table: Table, labels: Labels, boundary: NDArray[np.uint8]) -> Table:
    """Return a table of grains with how sure the model is of the boundaries around each.

    Parameters
    ----------
    table : dict of str to numpy.ndarray
        As `measure_objects` returns it; ``plane`` and ``label`` are used.
    labels, boundary : numpy.ndarray, (..., Y, X)
        As for `find_segments`; of a stack every plane by itself.

    Returns
    -------
    dict of str to numpy.ndarray
        Two columns more: ``confidence``, the mean along the grain's boundary, and
        ``weakest_boundary``, the least of its segments; NaN for a grain without neighbours.
    """
    mean, least = np.full(len(table["label"]), np.nan), np.full(len(table["label"]), np.nan)
    for number, index in enumerate(np.ndindex(labels.shape[:-2])):
        rows = table["plane"] == number if labels.ndim > 2 else np.ones(len(mean), bool)
        found = find_segments(labels[index], boundary[index])
        mean[rows], least[rows] = found.of_grains(table["label"][rows].astype(np.int64))
    return {**table, "confidence": mean, "weakest_boundary": least}


def find_segments(labels: Labels, boundary: NDArray[np.uint8]) -> Segments:
    """Find the boundary segments between grains, and how sure the model is of each.

    Parameters
    ----------
    labels : numpy.ndarray, (Y, X) of integers
        Grains; 0 is no grain and has no segments.
    boundary : numpy.ndarray, (Y, X) uint8
        Probability of a boundary, 255 = certain. The largest value within a pixel of the border
        counts, because grains may meet a pixel beside the ridge of the probability.

    Raises
    ------
    ValueError
        If the arrays do not have the same shape, or `labels` are no labels.
    """
    check_labels(labels)
    if labels.shape != boundary.shape:
        raise ValueError(
            f"Labels have the shape {labels.shape}, but the probability {boundary.shape}; give both of one image."
        )
    places, keys, strength = _border(labels, boundary)
    pairs, pair = np.unique(keys, return_inverse=True)
    segment = _connected(places, pair, labels.shape)
    count = int(segment.max(initial=-1)) + 1
    of_segment = np.zeros(count, np.int64)
    of_segment[segment] = pair
    length = np.bincount(segment, minlength=count)
    mean = np.bincount(segment, strength, count) / np.maximum(length, 1) / _CERTAIN
    both = pairs[of_segment]
    return Segments(both >> 32, both & 0xFFFFFFFF, length, mean, places, segment)


def _border(
    labels: Labels, boundary: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    """Return, where a grain's right or lower neighbour is another one: place, both numbers as one, and probability."""
    ridge = ndimage.maximum_filter(boundary, 3)
    position = np.arange(labels.size).reshape(labels.shape)
    found = []
    for one, other in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        border = (labels[one] != labels[other]) & (labels[one] > 0) & (labels[other] > 0)
        a, b = labels[one][border].astype(np.int64), labels[other][border].astype(np.int64)
        key = np.minimum(a, b) << 32 | np.maximum(a, b)
        found.append((position[one][border], key, np.maximum(ridge[one], ridge[other])[border]))
    places, keys, strength = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return places, keys, strength


def _connected(places: NDArray[np.int64], pair: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Number what lies on the border of the same two grains and touches, corners included."""
    y, x = np.divmod(places, shape[1])
    stride = shape[1] + 1  # so that the last column does not touch the first
    spot = pair * (stride * (shape[0] + 1)) + y * stride + x
    order = np.argsort(spot, kind="stable")
    spot = spot[order]
    links = [np.stack([np.flatnonzero(spot[1:] == spot[:-1]), np.flatnonzero(spot[1:] == spot[:-1]) + 1])]
    for step in (1, stride - 1, stride, stride + 1):
        there = np.minimum(np.searchsorted(spot, spot + step), max(len(spot) - 1, 0))
        touching = np.flatnonzero(spot[there] == spot + step) if len(spot) else there
        links.append(np.stack([touching, there[touching]]))
    rows, cols = np.concatenate(links, axis=1)
    graph = sparse.coo_matrix((np.ones(len(rows)), (rows, cols)), shape=(len(spot), len(spot)))
    numbers = np.empty(len(spot), np.int64)
    numbers[order] = sparse.csgraph.connected_components(graph, directed=False)[1] if len(spot) else 0
    return numbers
