"""Shapes of objects: extents, Feret diameters, axes, circularity, and how near the next one is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from napari_microcnn.measure.bands import row_bands
from napari_microcnn.measure.distributions import edge_weights
from napari_microcnn.measure.objects import Table, measure_objects
from napari_microcnn.measure.units import length_unit, pixel_sizes
from napari_microcnn.micrograph import Calibration

_ANGLES = 180
"""Directions in which the extent of an object is looked for; the largest is then less than 0.004 % too small."""


def measure_shapes(labels: NDArray[Any], calibration: Calibration | None = None) -> Table:
    """Measure size, place and shape of every object.

    Parameters
    ----------
    labels : numpy.ndarray, (Y, X)
        Whole numbers; 0 is background.
    calibration : Calibration, optional
        Size of a pixel; without it everything is in pixels.

    Returns
    -------
    dict of str to numpy.ndarray
        The columns of `measure_objects` and

        - ``bbox_top``, ``bbox_left``, ``bbox_bottom``, ``bbox_right``: in pixels, the last two not included;
        - ``feret_max``, ``feret_min``: largest and smallest distance of two parallel tangents to the outline, which
          passes between the outer pixels and their neighbours, so that the sides of a square are exact, and
          the diagonals short by less than a pixel;
        - ``aspect_ratio``: longer by shorter axis of the ellipse of the same second moments, and ``orientation``
          of the longer one, in degrees from x to y, 0 to 180;
        - ``circularity``: 4 pi area / perimeter^2;
        - ``nearest_neighbour_distance``: from centroid to centroid; nan for a single object;
        - ``edge_weight``: for how many objects it stands (Miles and Lantuejoul), 0 if the border cuts it.

    Raises
    ------
    ValueError
        If `labels` are not two-dimensional integers.
    """
    if labels.ndim != 2:
        raise ValueError(f"Shapes are measured in labels of shape (Y, X), not {labels.shape}; take one plane.")
    table = measure_objects(labels, calibration)
    ids, unit, (y, x) = table["label"], length_unit(calibration), pixel_sizes(calibration)
    index = _numbered(labels, ids)
    boxes = bounding_boxes(index, np.arange(1, len(ids) + 1))
    largest, smallest = _ferets(index, len(ids), (y, x))
    ratio, angle = _axes(index, len(ids), (y, x))
    area = table[f"area_{unit}" if calibration is None else f"area_{unit}2"]
    places = np.stack([table[f"centroid_y_{unit}"], table[f"centroid_x_{unit}"]], 1)
    height, width = boxes["bbox_bottom"] - boxes["bbox_top"], boxes["bbox_right"] - boxes["bbox_left"]
    shape = (int(labels.shape[0]), int(labels.shape[1]))
    return {
        **table,
        **boxes,
        f"feret_max_{unit}": largest,
        f"feret_min_{unit}": smallest,
        "aspect_ratio": ratio,
        "orientation_degrees": angle,
        "circularity": 4 * math.pi * area / table[f"perimeter_{unit}"] ** 2,
        f"nearest_neighbour_distance_{unit}": _nearest(places),
        "edge_weight": edge_weights(shape, height, width, table["touches_border"]),
    }


def _numbered(labels: NDArray[Any], ids: NDArray[Any]) -> NDArray[np.int32]:
    """Number the objects from 1 in the order of `ids`."""
    if len(ids) == 0 or (ids[0] == 1 and ids[-1] == len(ids)):
        return labels.astype(np.int32, copy=False)
    return np.where(labels == 0, 0, np.searchsorted(ids, labels) + 1).astype(np.int32)


def bounding_boxes(labels: NDArray[Any], ids: NDArray[Any]) -> Table:
    """Return ``bbox_top``, ``bbox_left``, ``bbox_bottom`` and ``bbox_right`` of objects, in pixels, ends not included.

    Parameters
    ----------
    labels : numpy.ndarray, (Y, X)
        Whole numbers; 0 is background.
    ids : numpy.ndarray, (N,)
        The sorted numbers of all objects.
    """
    found = ndimage.find_objects(_numbered(labels, ids), len(ids))
    boxes = [(rows.start, columns.start, rows.stop, columns.stop) for rows, columns in found]
    sides = np.array(boxes, np.intp).reshape(-1, 4).T
    return {f"bbox_{name}": side for name, side in zip(("top", "left", "bottom", "right"), sides, strict=True)}


def _outline(index: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return owner and place, (y, x) in pixels, of the points half-way between outer pixels and their neighbours."""
    owners, places = [], []
    for axis in (0, 1):
        framed = np.pad(index, [(1, 1) if k == axis else (0, 0) for k in (0, 1)])
        before, after = np.moveaxis(framed, axis, 0)[:-1], np.moveaxis(framed, axis, 0)[1:]
        step, across = np.nonzero(before != after)
        place = np.stack([step - 0.5, across] if axis == 0 else [across, step - 0.5], 1)
        for side in (before, after):
            owner = side[step, across]
            owners.append(owner[owner > 0])
            places.append(place[owner > 0])
    return np.concatenate(owners), np.concatenate(places)


def _ferets(
    index: NDArray[np.int32], number: int, sizes: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the largest and smallest Feret diameter of every object."""
    owner, place = _outline(index)
    order = np.argsort(owner, kind="stable")
    owner, place = owner[order], place[order] * np.asarray(sizes)
    largest, smallest = np.zeros(number), np.full(number, np.inf)
    if number == 0:
        return largest, smallest
    first = np.searchsorted(owner, np.arange(1, number + 1))
    for angle in np.arange(_ANGLES) * math.pi / _ANGLES:
        along = place[:, 0] * math.sin(angle) + place[:, 1] * math.cos(angle)
        extent = np.maximum.reduceat(along, first) - np.minimum.reduceat(along, first)
        np.maximum(largest, extent, out=largest)
        np.minimum(smallest, extent, out=smallest)
    return largest, smallest


def _axes(
    index: NDArray[np.int32], number: int, sizes: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ratio of the axes of the ellipse of the same second moments, and the direction of the longer one."""
    pixels, y, x, yy, xx, xy = np.zeros((6, number))
    for owner, row, column in _places(index):
        pixels += np.bincount(owner, minlength=number)
        y += np.bincount(owner, row * sizes[0], number)
        x += np.bincount(owner, column * sizes[1], number)
    y /= pixels
    x /= pixels
    for owner, row, column in _places(index):
        down, across = row * sizes[0] - y[owner], column * sizes[1] - x[owner]
        yy += np.bincount(owner, down * down, number)
        xx += np.bincount(owner, across * across, number)
        xy += np.bincount(owner, down * across, number)
    # A pixel is a rectangle with moments of its own.
    yy, xx, xy = yy / pixels + sizes[0] ** 2 / 12, xx / pixels + sizes[1] ** 2 / 12, xy / pixels
    half, root = (yy + xx) / 2, np.hypot((xx - yy) / 2, xy)
    angle = np.degrees(np.arctan2(2 * xy, xx - yy) / 2) % 180
    return np.sqrt((half + root) / (half - root)), angle


def _places(index: NDArray[np.int32]) -> Iterator[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
    """Yield object, counted from 0, row and column of every pixel of an object, band by band to spare memory."""
    for top, band in row_bands(index):
        row, column = np.nonzero(band)
        yield band[row, column] - 1, row + top, column


def _nearest(places: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(places) < 2:
        return np.full(len(places), np.nan)
    return np.asarray(cKDTree(places).query(places, k=2)[0][:, 1])
