"""Numbers of single objects: grains, particles, pores.

Everything is counted in bands of rows, in one pass over the label image whatever the number of
objects, so that a lazy image is never in memory as a whole.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np

from napari_microcnn.measure.bands import row_bands
from napari_microcnn.measure.units import length_unit, pixel_sizes
from napari_microcnn.micrograph import Calibration, Pixels

Table: TypeAlias = "dict[str, np.ndarray[Any, Any]]"
"""Columns of one length; units stand at the end of their names."""


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


def _ids(labels: Pixels) -> np.ndarray[Any, Any]:
    """Return the sorted numbers of the objects, without the background."""
    found = [np.unique(band) for _, band in row_bands(labels)]
    ids = np.unique(np.concatenate([np.zeros(1, labels.dtype), *found]))
    return np.asarray(ids[ids != 0])


def _sums(labels: Pixels, ids: np.ndarray[Any, Any], sizes: tuple[float, float]) -> dict[str, np.ndarray[Any, Any]]:
    """Add up over all bands, per object: pixels, rows, columns, perimeter, and pixels on the border."""
    n = len(ids)
    sums = {name: np.zeros(n) for name in ("pixels", "row", "column", "perimeter", "border")}
    width, above = labels.shape[1], np.zeros((1, labels.shape[1]), np.int64)
    for top, band in row_bands(labels):
        index = _index(band, ids)
        last = top + len(band) == labels.shape[0]
        per_pixel = np.arange(index.size)
        flat = index.ravel()
        sums["pixels"] += np.bincount(flat, minlength=n + 1)[1:]
        sums["row"] += np.bincount(flat, per_pixel // width + top, n + 1)[1:]
        sums["column"] += np.bincount(flat, per_pixel % width, n + 1)[1:]
        below = np.zeros((int(last), width), np.int64)
        sums["perimeter"] += _perimeters(np.concatenate([above, index, below]), n, sizes)
        edges = [index[:, 0], index[:, -1], *([index[0]] if top == 0 else []), *([index[-1]] if last else [])]
        sums["border"] += np.bincount(np.concatenate(edges), minlength=n + 1)[1:]
        above = index[-1:]
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


def _perimeters(index: np.ndarray[Any, Any], n: int, sizes: tuple[float, float]) -> np.ndarray[Any, Any]:
    """Count where lines in four directions enter or leave each object, weighted to a length.

    The first row of `index` is that above the band; it is counted there only as a neighbour.
    """
    y, x = sizes
    framed = np.pad(index, ((0, 0), (1, 1)))
    above, below = framed[:-1], framed[1:]
    diagonal = math.hypot(y, x)
    tilt = math.atan2(y, x)
    # Distance between the lines of a direction, times the angle that the direction stands for.
    neighbours = (
        (below[:, :-1], below[:, 1:], y * tilt),
        (above, below, x * (math.pi / 2 - tilt)),
        (above[:, :-1], below[:, 1:], y * x / diagonal * math.pi / 4),
        (above[:, 1:], below[:, :-1], y * x / diagonal * math.pi / 4),
    )
    total = np.zeros(n)
    for here, there, weight in neighbours:
        crossed = here != there
        for side in (here, there):
            total += weight / 2 * np.bincount(side[crossed], minlength=n + 1)[1:]
    return total
