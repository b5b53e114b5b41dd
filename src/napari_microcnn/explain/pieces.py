"""Pieces of an image that are explained one after the other, and what is read around each of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_microcnn.data.views import Region, spread_windows
from napari_microcnn.data.windows import Box, window_around

WINDOWS = 16
"""Windows of an image that a classifier looks at, at most: as many as it looks at for its answer."""
CELLS = 64
"""Pieces of an image that a segmenter looks at, at most: some minutes on one core."""

Piece = tuple[Box, Box]
"""What a window stands for, and what the network sees."""


@dataclass(frozen=True, eq=False)
class Window:
    """A piece of an image as the network sees it.

    Attributes
    ----------
    top, left : int
        Its place in the resampled image.
    image : torch.Tensor, (1, C, H, W) float32
    where : torch.Tensor, (H, W) bool
        The pixels of interest in it.
    core : tuple of slice
        Rows and columns of the window that it stands for; around them is what the network needs to
        see for its answer there to be that of the whole image.
    """

    top: int
    left: int
    image: Tensor
    where: Tensor
    core: Region

    @property
    def own(self) -> Tensor:
        """The pixels of interest that no other window stands for, (H, W) bool; only segmenters need it."""
        own = torch.zeros_like(self.where)
        own[self.core] = self.where[self.core]
        return own

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        _, channels, height, width = self.image.shape
        return channels, height, width


def spread(box: Box, side: int) -> list[Piece]:
    """Return the windows with which a classifier covers a box as evenly as it can; they may overlap."""
    height, width = box.shape
    sides = min(side, height), min(side, width)
    places = spread_windows(box.shape, max(sides), WINDOWS) if box.shape != sides else [(0, 0)]
    found = [
        Box(box.top + top, box.top + top + sides[0], box.left + left, box.left + left + sides[1])
        for top, left in places
    ]
    return [(one, one) for one in found]


def cells(box: Box, full: tuple[int, int], side: int, step: int, margin: int) -> list[Piece]:
    """Cut a box into cells of about equal size, each with a margin that ends where the image does.

    Parameters
    ----------
    box : Box
        Its edges are multiples of `step`.
    full : tuple of int
        Height and width of the image, rounded up to multiples of `step`.
    side : int
        Of a cell, at most.
    step : int
        Edges of the cells are multiples of it, so that poolings begin where they do in the whole image.
    margin : int

    Examples
    --------
    >>> cells(Box(0, 64, 0, 32), (64, 32), 32, 16, 16)[0]
    (Box(top=0, bottom=32, left=0, right=32), Box(top=0, bottom=48, left=0, right=32))
    """
    rows, columns = (_spans(part, side, step) for part in box.slices)
    while len(rows) * len(columns) > CELLS:
        longer = rows if len(rows) >= len(columns) else columns
        kept = np.linspace(0, len(longer) - 1, len(longer) - 1).round().astype(int)
        longer[:] = [longer[at] for at in kept]
    found = [Box(*row, *column) for row in rows for column in columns]
    return [(one, window_around(one, full, margin, step)) for one in found]


def shifted(core: Box, around: Box) -> Region:
    """Return a box in rows and columns of another one."""
    rows = slice(core.top - around.top, core.bottom - around.top)
    return rows, slice(core.left - around.left, core.right - around.left)


def cut(mask: NDArray[np.bool_], box: Box) -> NDArray[np.bool_]:
    """Return a box of a mask, False beyond its edges."""
    result = np.zeros(box.shape, bool)
    part = mask[box.slices]
    result[: part.shape[0], : part.shape[1]] = part
    return result


def _spans(part: slice, side: int, step: int) -> list[tuple[int, int]]:
    count = max(1, -(-(part.stop - part.start) // side))
    edges = np.linspace(part.start, part.stop, count + 1) / step
    ends = [int(edge) * step for edge in edges.round()]
    return list(pairwise(ends))
