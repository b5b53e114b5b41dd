"""Where objects lie and how large they are, added up over the blocks of a plane."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

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
        present = np.zeros(len(self._pixels), bool)
        present[labels] = True
        present[0] = False
        ids = np.flatnonzero(present)
        place = np.zeros(len(present), np.int32)
        place[ids] = np.arange(1, len(ids) + 1)
        local = place[labels]
        flat, counted = local.ravel(), len(ids) + 1
        pixels = np.bincount(flat, minlength=counted)[1:]
        self._pixels[ids] += pixels
        index = np.arange(flat.size)
        for axis, (corner, where) in enumerate(zip((box.top, box.left), np.divmod(index, box.shape[1]), strict=True)):
            sums = np.bincount(flat, where, counted)[1:].astype(np.int64)
            self._sums[axis, ids] += sums + pixels * corner
        boxes = np.array(
            [[part.start, part.stop] for found in ndimage.find_objects(local) for part in found], np.int32
        ).reshape(-1, 2, 2)
        corner_of = np.array([box.top, box.left], np.int32)
        self._first[:, ids] = np.minimum(self._first[:, ids], (boxes[..., 0] + corner_of).T)
        self._last[:, ids] = np.maximum(self._last[:, ids], (boxes[..., 1] + corner_of).T)

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
