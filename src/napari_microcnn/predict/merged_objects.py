"""Where objects lie and how large they are, added up over the blocks of a plane."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.data.windows import Box


class MergedObjects:
    """Adds up pixels, centroid and bounding box of every object, one block after the other.

    Parameters
    ----------
    count : int
        Objects have the numbers 1 to `count`.
    """

    def __init__(self, count: int) -> None:
        self._pixels = np.zeros(count + 1, np.int64)
        self._sums = np.zeros((2, count + 1), np.int64)
        self._first = np.full((2, count + 1), np.iinfo(np.int32).max, np.int32)
        self._last = np.zeros((2, count + 1), np.int32)

    def add(self, box: Box, labels: NDArray[np.int32]) -> None:
        """Take the labels, (H, W), of a block."""
        changes = np.ones(labels.shape, bool)
        np.not_equal(labels[:, 1:], labels[:, :-1], out=changes[:, 1:])
        starts = np.flatnonzero(changes)  # of runs of one number within a row, which are far fewer than pixels
        length, ids = np.diff(starts, append=labels.size), labels.ravel()[starts]
        start, length, ids = starts[ids > 0], length[ids > 0], ids[ids > 0]
        row, column = np.divmod(start, labels.shape[1])
        row, column = row + box.top, column + box.left
        np.add.at(self._pixels, ids, length)
        np.add.at(self._sums[0], ids, row * length)
        np.add.at(self._sums[1], ids, column * length + length * (length - 1) // 2)
        for axis, (first, last) in enumerate(((row, row + 1), (column, column + length))):
            np.minimum.at(self._first[axis], ids, first.astype(np.int32))
            np.maximum.at(self._last[axis], ids, last.astype(np.int32))

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return ``label``, ``pixels``, ``row``, ``column`` (of the centroid), and the box with exclusive ends."""
        ids = np.flatnonzero(self._pixels)
        centre = self._sums[:, ids] / self._pixels[ids]
        return {
            "label": ids.astype(np.int32),
            "pixels": self._pixels[ids],
            "row": centre[0],
            "column": centre[1],
            "top": self._first[0, ids],
            "bottom": self._last[0, ids],
            "left": self._first[1, ids],
            "right": self._last[1, ids],
        }
