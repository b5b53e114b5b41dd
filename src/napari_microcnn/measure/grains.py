"""Grain size from test lines."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_microcnn.measure.bands import row_bands
from napari_microcnn.measure.units import pixel_sizes
from napari_microcnn.micrograph import Calibration


def mean_intercept(grains: np.ndarray[Any, Any], calibration: Calibration | None = None) -> float:
    """Mean lineal intercept over every row and every column.

    The length of all test lines divided by the number of times they cross from one grain into
    another (Heyn; ASTM E112 with test lines of two directions).

    Parameters
    ----------
    grains : numpy.ndarray
        (Y, X) booleans: a boundary mask, thinned to one pixel before it is counted. Integers:
        labels, where 0 is boundary or unknown; a line that leaves a grain and comes back into
        the same one has crossed nothing.
    calibration : Calibration, optional
        Size of a pixel.

    Returns
    -------
    float
        In the unit of the calibration, or in pixels; infinite where no line crosses a boundary.

    Raises
    ------
    ValueError
        If `grains` is not a two-dimensional mask or label image.

    Examples
    --------
    >>> four = np.kron([[1, 2], [3, 4]], np.ones((10, 10), int))
    >>> mean_intercept(four)
    20.0
    """
    if grains.ndim != 2 or grains.dtype.kind not in "biu":
        raise ValueError(
            f"Grains must be a boundary mask or labels of shape (Y, X), not {grains.dtype} of shape {grains.shape}."
        )
    if grains.dtype.kind == "b":
        from skimage.morphology import skeletonize

        thin = skeletonize(grains)  # type: ignore[no-untyped-call]
        crossings = sum(_entries(lines) for lines in (thin, thin.T))
    else:
        crossings = sum(_changes(lines) for lines in (grains, grains.T))
    y, x = pixel_sizes(calibration)
    return grains.size * (y + x) / crossings if crossings else float("inf")


def _entries(lines: np.ndarray[Any, Any]) -> int:
    """Count the runs of True along rows: each is one boundary crossed."""
    return int(lines[:, 0].sum()) + int((lines[:, 1:] & ~lines[:, :-1]).sum())


def _changes(lines: np.ndarray[Any, Any]) -> int:
    """Count along rows how often one grain follows another, whatever is between."""
    changes = 0
    for _, band in row_bands(lines):
        # The column of the last grain pixel up to here; carried on over boundary pixels.
        last = np.where(band != 0, np.arange(band.shape[1]), -1)
        np.maximum.accumulate(last, axis=1, out=last)
        filled = np.take_along_axis(band, np.maximum(last, 0), axis=1)
        before, after = filled[:, :-1], filled[:, 1:]
        changes += int(((before != after) & (before != 0)).sum())
    return changes
