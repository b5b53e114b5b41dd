"""Grains up to the middle of their boundaries."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.micrograph import Pixels

WIDEST = 10
"""Width in pixels of the widest boundary that is shared out among its grains."""


def fill_boundaries(labels: Pixels, widest: int = WIDEST) -> NDArray[Any]:
    """Share boundary pixels, those that are 0, out among the grains beside them.

    Grains then meet in lines without width, which is what the rules of counting are made for: between boundaries drawn
    wide, lines miss small grains and short edges. Only the pixels of boundaries are looked at, so that large
    images take little time.

    Parameters
    ----------
    labels : numpy.ndarray or dask.array.Array, (Y, X)
        Whole numbers; 0 is boundary, or no grain.
    widest : int
        Boundaries up to this width in pixels are filled; wider regions, such as pores, lose a rim of half of it.

    Returns
    -------
    numpy.ndarray
        (Y, X), of the same type; a copy.

    Examples
    --------
    >>> fill_boundaries(np.array([[1, 1, 0, 2, 2]]))
    array([[1, 1, 1, 2, 2]])
    """
    # A frame of -1, which nobody takes, spares the tests for the rim of the image.
    signed = labels.dtype if labels.dtype.kind == "i" else np.dtype(np.int64)
    framed = np.full((labels.shape[0] + 2, labels.shape[1] + 2), -1, signed)
    framed[1:-1, 1:-1] = labels
    flat, width = framed.ravel(), framed.shape[1]
    empty = np.flatnonzero(flat == 0)
    for turn in range((widest + 1) // 2):
        if not len(empty):
            break
        # Steps along the axes and, every other time, along the diagonals go nearly as far in every direction.
        steps = (-1, 1, -width, width) + ((-width - 1, width + 1, 1 - width, width - 1) if turn % 2 else ())
        taken = np.zeros(len(empty), signed)
        for step in steps:
            beside = flat[empty + step]
            np.copyto(taken, beside, where=(taken == 0) & (beside > 0))
        flat[empty] = taken
        empty = empty[taken == 0]
    return framed[1:-1, 1:-1].astype(labels.dtype)
