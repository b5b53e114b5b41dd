"""Twins: as parts of their grains, as ASTM E112 counts them, or as grains of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.measure.filling import fill_boundaries

_REACH = 2
"""Pixels by which a stroke over a boundary may lie beside it."""


def with_twins(labels: NDArray[Any], twins: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Number twins as grains of their own: every connected piece of a grain within or without twins.

    ASTM E112 counts a grain with its twins as one; that is what `labels` are.

    Parameters
    ----------
    labels : numpy.ndarray, (Y, X)
        Grains.
    twins : numpy.ndarray, (Y, X) bool
        Where the twins are.
    """
    from skimage.measure import label

    _check_shape(labels, twins)
    pieces = np.where(labels == 0, 0, labels.astype(np.int64) * 2 + twins)
    return np.asarray(label(pieces, background=0, connectivity=1), np.int32)  # type: ignore[no-untyped-call]


def without_twin_boundaries(labels: NDArray[Any], marked: NDArray[np.bool_]) -> NDArray[Any]:
    """Join grains across the twin boundaries that somebody marked.

    Grains are joined where more than half of the border between them is marked, to two pixels. That is how twins are
    left out where they were found as grains: ASTM E112 asks for it unless something else was agreed.

    Parameters
    ----------
    labels : numpy.ndarray, (Y, X)
        Grains; 0 is boundary, which is shared out first.
    marked : numpy.ndarray, (Y, X) bool
        Strokes over the twin boundaries.

    Returns
    -------
    numpy.ndarray
        (Y, X); joined grains have the lowest of their numbers.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    from scipy import ndimage, sparse

    _check_shape(labels, marked)
    filled = fill_boundaries(labels)
    near = ndimage.binary_dilation(marked, iterations=_REACH)
    ids, places = np.unique(filled, return_inverse=True)
    places = places.reshape(filled.shape)
    border = sparse.coo_array((len(ids), len(ids)))
    under = border
    for one, other in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        met = (places[one] != places[other]) & (filled[one] > 0) & (filled[other] > 0)
        pairs = np.sort(np.stack([places[one][met], places[other][met]]), axis=0)
        border = border + _counted(pairs, np.ones(pairs.shape[1]), len(ids))
        under = under + _counted(pairs, (near[one] | near[other])[met].astype(float), len(ids))
    joined = sparse.csgraph.connected_components(2 * under > border, directed=False)[1]
    lowest = np.full(joined.max() + 1, ids.max(), ids.dtype)
    np.minimum.at(lowest, joined, ids)
    return np.asarray(lowest[joined][places])


def _counted(pairs: NDArray[Any], weights: NDArray[np.float64], number: int) -> Any:
    from scipy import sparse

    return sparse.coo_array((weights, (pairs[0], pairs[1])), shape=(number, number)).tocsr()


def _check_shape(labels: NDArray[Any], marked: NDArray[np.bool_]) -> None:
    if labels.shape != marked.shape:
        raise ValueError(f"The mask of twins has shape {marked.shape}, but the grains have {labels.shape}.")
