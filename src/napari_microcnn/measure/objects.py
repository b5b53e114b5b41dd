"""Numbers of single objects: grains, particles, pores.

Everything is counted in bands of rows, in one pass over the label image whatever the number of
objects, so that a lazy image is never in memory as a whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np

from napari_microcnn.measure.units import length_unit, pixel_sizes
from napari_microcnn.micrograph import Calibration, Pixels

Table: TypeAlias = "dict[str, np.ndarray[Any, Any]]"
"""Columns of one length; units stand at the end of their names."""

_BAND_PIXELS = 4_000_000
_STEPS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Half of the eight neighbours of a pixel, as rows and columns."""


def measure_objects(labels: Pixels, calibration: Calibration | None = None) -> Table:
    """Measure every object of a label image.

    The perimeter is that of Cauchy and Crofton from test lines in four directions, as in
    `skimage.measure.perimeter_crofton`: right on average for any shape, where counting the outer
    pixels would be too long for smooth outlines.

    Parameters
    ----------
    labels : numpy.ndarray or dask.array.Array
        Integers of shape (Y, X); 0 is background. With more dimensions every plane is measured
        for itself.
    calibration : Calibration, optional
        Size of a pixel; without it everything is in pixels.

    Returns
    -------
    dict of str to numpy.ndarray
        ``label``, ``area``, ``equivalent_circular_diameter``, ``perimeter``, ``centroid_y``,
        ``centroid_x`` (from the centre of the first pixel) and ``touches_border``. The measures
        carry their unit, as in ``area_nm2`` and ``perimeter_nm``, or ``area_px`` and
        ``perimeter_px``. A stack adds ``plane``, counted from 0, as the first column.

    Raises
    ------
    ValueError
        If `labels` are not integers or have fewer than two dimensions.

    Examples
    --------
    >>> table = measure_objects(np.array([[0, 0, 0, 0], [0, 7, 7, 0], [0, 0, 0, 0]]), Calibration.parse("0.5 um"))
    >>> float(table["area_um2"][0]), float(table["centroid_x_um"][0])
    (0.5, 0.75)
    """
    if labels.dtype.kind not in "iu" or labels.ndim < 2:
        raise ValueError(
            f"Labels must be whole numbers of shape (Y, X), not {labels.dtype} of shape {labels.shape}; "
            "number the objects of a mask first."
        )
    if labels.ndim == 2:
        return _plane(labels, calibration)
    tables = [_plane(labels[index], calibration) for index in np.ndindex(labels.shape[:-2])]
    counts = [len(table["label"]) for table in tables]
    columns = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    return {"plane": np.repeat(np.arange(len(tables)), counts), **columns}


def _plane(labels: Pixels, calibration: Calibration | None) -> Table:
    ids = _ids(labels)
    sums = _sums(labels, ids, pixel_sizes(calibration))
    y, x = pixel_sizes(calibration)
    unit = length_unit(calibration)
    squared = f"{unit}2" if calibration is not None else unit
    area = sums["pixels"] * y * x
    return {
        "label": ids,
        f"area_{squared}": area,
        f"equivalent_circular_diameter_{unit}": np.sqrt(4 * area / math.pi),
        f"perimeter_{unit}": sums["perimeter"],
        f"centroid_y_{unit}": sums["row"] / sums["pixels"] * y,
        f"centroid_x_{unit}": sums["column"] / sums["pixels"] * x,
        "touches_border": sums["border"] > 0,
    }


def _bands(labels: Pixels) -> Iterator[tuple[int, int, np.ndarray[Any, Any]]]:
    """Yield the first row, the number of rows, and a band that has one row more unless it is the last."""
    height, width = labels.shape
    rows = max(1, _BAND_PIXELS // max(1, width))
    for top in range(0, height, rows):
        yield top, min(rows, height - top), np.asarray(labels[top : top + rows + 1])


def _ids(labels: Pixels) -> np.ndarray[Any, Any]:
    """Return the sorted numbers of the objects, without the background."""
    found = [np.unique(band) for _, _, band in _bands(labels)]
    ids = np.unique(np.concatenate([np.zeros(1, labels.dtype), *found]))
    return np.asarray(ids[ids != 0])


def _sums(labels: Pixels, ids: np.ndarray[Any, Any], sizes: tuple[float, float]) -> dict[str, np.ndarray[Any, Any]]:
    """Add up over all bands, per object: pixels, rows, columns, perimeter, and pixels on the border."""
    n = len(ids)
    sums = {name: np.zeros(n) for name in ("pixels", "row", "column", "perimeter", "border")}
    height, width = labels.shape
    for top, rows, band in _bands(labels):
        index = _index(band, ids)
        inner = index[:rows]
        per_pixel = np.arange(inner.size)
        flat = inner.ravel()
        sums["pixels"] += np.bincount(flat, minlength=n + 1)[1:]
        sums["row"] += np.bincount(flat, per_pixel // width + top, n + 1)[1:]
        sums["column"] += np.bincount(flat, per_pixel % width, n + 1)[1:]
        sums["perimeter"] += _perimeters(index, rows, n, sizes, first=top == 0, last=top + rows == height)
        edges = [inner[:, 0], inner[:, -1]]
        edges += [inner[0]] if top == 0 else []
        edges += [inner[-1]] if top + rows == height else []
        sums["border"] += np.bincount(np.concatenate(edges), minlength=n + 1)[1:]
    return sums


def _index(band: np.ndarray[Any, Any], ids: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the band with its objects numbered 1 to N in the order of `ids`; 0 stays background."""
    if len(ids) == 0 or (ids[0] == 1 and ids[-1] == len(ids)):
        return band.astype(np.int64, copy=False)
    if ids[0] > 0 and ids[-1] < 16 * band.size:
        table = np.zeros(int(ids[-1]) + 1, np.int64)
        table[ids] = np.arange(1, len(ids) + 1)
        return np.asarray(table[band])
    return np.where(band == 0, 0, np.searchsorted(ids, band) + 1)


def _perimeters(
    index: np.ndarray[Any, Any], rows: int, n: int, sizes: tuple[float, float], *, first: bool, last: bool
) -> np.ndarray[Any, Any]:
    """Count where lines in four directions enter or leave each object, weighted to a length.

    A band counts the neighbours of its own `rows` rows downwards; the row below belongs to the next.
    """
    y, x = sizes
    framed = np.pad(index, ((int(first), int(last)), (1, 1)))
    diagonal = math.hypot(y, x)
    tilt = math.atan2(y, x)
    # Distance between the lines of a direction, times the angle it stands for.
    weights = (y * tilt, x * (math.pi / 2 - tilt), y * x / diagonal * math.pi / 4, y * x / diagonal * math.pi / 4)
    total = np.zeros(n)
    own = rows + int(first) + int(last)
    for (down, right), weight in zip(_STEPS, weights, strict=True):
        here = framed[: own if down == 0 else min(own, len(framed) - 1)]
        there = framed[down : down + len(here)]
        if right == 1:
            here, there = here[:, :-1], there[:, 1:]
        elif right == -1:
            here, there = here[:, 1:], there[:, :-1]
        crossed = here != there
        total += weight / 2 * np.bincount(here[crossed], minlength=n + 1)[1:]
        total += weight / 2 * np.bincount(there[crossed], minlength=n + 1)[1:]
    return total
