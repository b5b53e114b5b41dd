"""Connected regions of a plane that is looked at block by block, numbered as if it had been seen as a whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from napari_microcnn.data.windows import Box

CORNERS = np.ones((3, 3))
"""Structure with which pixels that share no more than a corner are connected too."""


@dataclass(frozen=True, eq=False)
class Numbering:
    """What the numbers given block by block mean for the whole plane.

    Attributes
    ----------
    numbers : numpy.ndarray, (P + 1,) int32
        Number of the region in the plane, 1..N in the order of their first pixels, for every number in a block.
    sizes : numpy.ndarray, (N + 1,) int64
        Pixels of every region.
    """

    numbers: NDArray[np.int32]
    sizes: NDArray[np.int64]

    @property
    def count(self) -> int:
        """Number of regions."""
        return len(self.sizes) - 1

    def flags(self, provisional: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return for every region, (N + 1,), whether one of its parts has a flag, (P + 1,)."""
        found = np.zeros(len(self.sizes), bool)
        found[self.numbers[provisional]] = True
        found[0] = False
        return found


class SeamLabels:
    """Numbers connected regions block by block and notes which of them meet at the seams.

    Blocks come row by row, each row from the left. The numbers that `add` gives are provisional; `merged` tells
    what they are in the whole plane: just those that `scipy.ndimage.label` gives.

    Parameters
    ----------
    width : int
        Of the plane in pixels.
    structure : numpy.ndarray, optional
        Which neighbours are connected; by default those that share an edge.
    """

    def __init__(self, width: int, structure: NDArray[np.float64] | None = None) -> None:
        self._structure, self._width = structure, width
        self._reach = 0 if structure is None else 1
        self._above = np.zeros(width, np.int32)
        self._below = np.zeros(width, np.int32)
        self._left = np.zeros(0, np.int32)
        self._row = 0
        self.count = 0
        self._first: list[NDArray[np.int64]] = [np.zeros(1, np.int64)]
        self._sizes: list[NDArray[np.int32]] = [np.zeros(1, np.int32)]
        self._pairs: list[NDArray[np.int64]] = [np.zeros((0, 2), np.int64)]

    def add(self, box: Box, mask: NDArray[np.bool_]) -> NDArray[np.int32]:
        """Return the provisional numbers, (H, W) int32 from 1, of the regions of a block; 0 is outside."""
        labels: NDArray[np.int32]
        labels, found = ndimage.label(mask, self._structure)
        self._note(box, labels, found)
        np.add(labels, self.count, out=labels, where=mask)
        self.count += found
        if box.left == 0:
            self._left = np.zeros(0, np.int32)
            if box.top > self._row:
                self._above, self._below, self._row = self._below, np.zeros(self._width, np.int32), box.top
        low, high = max(0, box.left - self._reach), min(self._width, box.right + self._reach)
        self._meet(labels[0], self._above[low:high], box.left - low)
        if len(self._left):
            self._meet(labels[:, 0], self._left, 0)
        self._below[box.left : box.right] = labels[-1]
        self._left = labels[:, -1].copy()
        return labels

    def _note(self, box: Box, local: NDArray[np.int32], found: int) -> None:
        """Keep size and first pixel of every region of a block."""
        flat = local.ravel()
        starts = np.flatnonzero(np.append(True, flat[1:] != flat[:-1]))  # of runs of one number, which are far fewer
        numbers = flat[starts]
        sizes = np.bincount(numbers, np.diff(starts, append=flat.size), found + 1)
        self._sizes.append(sizes[1:].astype(np.int32))
        first = np.zeros(found + 1, np.int64)
        first[numbers[::-1]] = starts[::-1]  # the last assignment counts: that of the first pixel
        row, col = np.divmod(first[1:], local.shape[1])
        self._first.append((row + box.top) * self._width + col + box.left)

    def _meet(self, here: NDArray[np.int32], there: NDArray[np.int32], offset: int) -> None:
        """Note which numbers along the edge of a block touch those on the other side of the seam."""
        for shift in range(-self._reach, self._reach + 1):
            start = offset + shift
            first, last = max(0, -start), min(len(here), len(there) - start)
            pairs = np.stack([here[first:last], there[first + start : last + start]], 1).astype(np.int64)
            pairs = pairs[(pairs > 0).all(1)]
            if len(pairs):
                self._pairs.append(np.unique(pairs, axis=0))

    def merged(self) -> Numbering:
        """Return what the provisional numbers are in the whole plane."""
        rows, cols = np.concatenate(self._pairs).T
        graph = sparse.coo_matrix((np.ones(len(rows), bool), (rows, cols)), shape=(self.count + 1, self.count + 1))
        count, group = sparse.csgraph.connected_components(graph, directed=False)
        first = np.full(count, np.iinfo(np.int64).max)
        places = np.concatenate(self._first)
        places[0] = -1  # nothing comes before the background
        np.minimum.at(first, group, places)
        rank = np.empty(count, np.int32)
        rank[np.argsort(first)] = np.arange(count, dtype=np.int32)
        numbers = rank[group]
        return Numbering(numbers, np.bincount(numbers, np.concatenate(self._sizes)).astype(np.int64))
