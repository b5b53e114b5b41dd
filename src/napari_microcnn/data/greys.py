"""Grey values of a plane that is read in bands of rows, and regions found in it: memory depends on the band."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from napari_microcnn.data.windows import Box
from napari_microcnn.micrograph import Pixels

_BAND = 16 << 20
"""Bytes of a band as it is read, at four or more per pixel: what is counted in it takes three times as much."""
_SAMPLES = 1 << 20
_EXACT = ("u1", "u2", "f4")
"""Types whose values are the same as float32, so that they are not held as that too."""


class Greys:
    """One grey value per pixel of a plane.

    Parameters
    ----------
    plane : array, (Y, X) or (Y, X, C)
        May be lazy: never more of it is read at once than a band of rows.

    Attributes
    ----------
    shape : tuple of int
        Height and width.
    whole : Box
    """

    def __init__(self, plane: Pixels) -> None:
        self._plane, self._flipped = plane, False
        self.shape = int(plane.shape[0]), int(plane.shape[1])
        self.whole = Box(0, self.shape[0], 0, self.shape[1])
        self._known: dict[Box, tuple[float, float, float]] = {}

    def upside_down(self) -> Greys:
        """Return the same with the rows counted from below."""
        other = Greys(self._plane)
        other._flipped = not self._flipped
        return other

    def read(self, box: Box, step: int = 1) -> NDArray[Any]:
        """Return every so many-th row and column of a part: uint8, uint16 or float32."""
        top, bottom = (self.shape[0] - box.bottom, self.shape[0] - box.top) if self._flipped else box[:2]
        pixels = np.asarray(self._plane[top:bottom:step, box.left : box.right : step])
        grey: NDArray[Any] = pixels if pixels.ndim == 2 else pixels.mean(axis=2, dtype=np.float32)
        if grey.dtype.str[1:] not in _EXACT:
            grey = grey.astype(np.float32)
        return grey[::-1] if self._flipped else grey

    def bands(self, box: Box) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield the first row and the grey values of one band of a part after the other."""
        channels = int(self._plane.shape[2]) if self._plane.ndim == 3 else 1
        rows = max(1, _BAND // (box.shape[1] * max(4, channels * self._plane.dtype.itemsize)))
        if not isinstance(self._plane, np.ndarray):  # a chunk is decoded as a whole
            rows -= rows % min(rows, int(self._plane.chunks[0][0]))
        for top in range(box.top, box.bottom, rows):
            yield top, self.read(box._replace(top=top, bottom=min(top + rows, box.bottom)))

    def summary(self, box: Box) -> tuple[float, float, float]:
        """Return the lowest, the highest and the most frequent grey value of a part; the last one of samples."""
        if box not in self._known:
            step = max(3, int(np.ceil((box.shape[0] * box.shape[1] / _SAMPLES) ** 0.5)))
            ends, samples = [], []
            for top, band in self.bands(box):
                ends += [band.min(), band.max()]
                samples.append(band[(box.top - top) % step :: step, ::step].ravel())
            self._known[box] = float(np.min(ends)), float(np.max(ends)), most_frequent(np.concatenate(samples))
        return self._known[box]


def most_frequent(values: NDArray[Any]) -> float:
    """Return the most frequent of some values, the lowest of several."""
    found, counts = counted(values)
    return float(found[counts.argmax()])


def counted(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the different values in order, and how often each occurs."""
    if values.dtype != np.uint8:
        return np.unique(values, return_counts=True)
    counts = np.bincount(values.ravel())
    found = np.flatnonzero(counts)
    return found, counts[found]


class Regions:
    """Connected regions of a mask that comes in bands of rows.

    Parameters
    ----------
    least : float
        Pixels of the smallest that is wanted: in noisy pictures there are millions of others.
    """

    def __init__(self, least: float = 1) -> None:
        self._least, self._count = least, 0
        self._sides: list[NDArray[np.int64]] = [np.zeros((0, 4), np.int64)]
        self._sizes: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
        self._links: list[NDArray[np.int64]] = [np.zeros((2, 0), np.int64)]
        self._below: NDArray[np.int64] | None = None

    def add(self, top: int, mask: NDArray[np.bool_]) -> None:
        """Go on with the next band, whose first row is `top`."""
        pieces, count = ndimage.label(mask)
        sizes = np.bincount(pieces.ravel(), minlength=count + 1)
        kept = sizes >= self._least
        kept[pieces[0]] = kept[pieces[-1]] = True  # these may go on in another band
        kept[0] = False
        np.take(np.where(kept, np.cumsum(kept), 0).astype(pieces.dtype), pieces, out=pieces, mode="clip")
        places = ndimage.find_objects(pieces)
        sides = [(top + rows.start, top + rows.stop, cols.start, cols.stop) for rows, cols in places]
        self._sides.append(np.array(sides, np.int64).reshape(-1, 4))
        self._sizes.append(sizes[kept])
        first, last = (np.where(row > 0, row + np.int64(self._count), 0) for row in (pieces[0], pieces[-1]))
        if self._below is not None:
            meet = (self._below > 0) & (first > 0)
            self._links.append(np.stack([self._below[meet], first[meet]]) - 1)
        self._below, self._count = last, self._count + len(places)

    def found(self) -> list[tuple[Box, int]]:
        """Return where the regions are and how many pixels they have, in the order of their first pixels."""
        links, sides = np.concatenate(self._links, axis=1), np.concatenate(self._sides)
        graph = sparse.coo_matrix((np.ones(links.shape[1], bool), links), shape=(self._count, self._count))
        count, group = sparse.csgraph.connected_components(graph, directed=False) if self._count else (0, [])
        sizes = np.bincount(group, np.concatenate(self._sizes), count) if count else np.zeros(0)
        boxes = np.full((count, 4), np.iinfo(np.int64).max)
        np.minimum.at(boxes, group, sides * (1, -1, 1, -1))  # the largest end is the smallest of the negative ones
        boxes *= (1, -1, 1, -1)
        return [(Box(*boxes[n].tolist()), int(sizes[n])) for n in np.flatnonzero(sizes >= self._least)]
