"""How much of a micrograph each class takes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from napari_microcnn.measure.bands import row_bands
from napari_microcnn.micrograph import Pixels


def area_fractions(
    classes: Pixels, ids: Iterable[int] | None = None, *, ignore: np.ndarray[Any, Any] | None = None
) -> dict[int, float]:
    """Return the area fraction of every class.

    Parameters
    ----------
    classes : numpy.ndarray or dask.array.Array
        Class map of any number of dimensions, whole numbers from 0 to 65535.
    ids : iterable of int, optional
        Classes to tell, also those that do not occur; by default those that do.
    ignore : numpy.ndarray, optional
        Mask of the same shape: pixels that count for nothing, such as a databar.

    Returns
    -------
    dict of int to float
        The fractions of all classes that occur add up to one; nan where nothing is counted.

    Raises
    ------
    ValueError
        If `classes` are not whole numbers in that range, or `ignore` has another shape.

    Examples
    --------
    >>> area_fractions(np.array([[1, 1, 1, 2]]), ids=[1, 2, 3])
    {1: 0.75, 2: 0.25, 3: 0.0}
    """
    if classes.dtype.kind not in "biu":
        raise ValueError(f"A class map holds whole numbers, not {classes.dtype}; take the most probable class first.")
    if ignore is not None and ignore.shape != classes.shape:
        raise ValueError(f"The mask to ignore has shape {ignore.shape}, but the class map {classes.shape}.")
    counts = _count(classes, ignore)
    total = int(counts.sum())
    wanted = [int(i) for i in (ids if ids is not None else np.flatnonzero(counts))]
    found = {i: int(counts[i]) if 0 <= i < len(counts) else 0 for i in wanted}
    return {i: n / total if total else float("nan") for i, n in found.items()}


def _count(classes: Pixels, ignore: np.ndarray[Any, Any] | None) -> np.ndarray[Any, Any]:
    counts = np.zeros(65_536, np.int64)
    for plane in np.ndindex(classes.shape[:-2]):
        for top, band in row_bands(classes[plane]):
            kept = band.ravel() if ignore is None else band[~ignore[plane][top : top + len(band)].astype(bool)]
            if kept.size and (int(kept.min()) < 0 or int(kept.max()) > 65_535):
                raise ValueError(f"Classes are numbered from 0 to 65535, not {kept.min()} to {kept.max()}.")
            counts += np.bincount(kept.astype(np.int64, copy=False), minlength=65_536)
    return counts
