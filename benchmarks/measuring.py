"""From a map of boundaries to a table of grains, against watershed and `regionprops_table`.

The boundaries are those of 20,000 grains in 4096 x 4096 pixels, two to three pixels wide. Both ways give area,
equivalent circular diameter, centroid and bounding box; the peer also gives the other columns that it has names for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import regionprops_table
from skimage.segmentation import watershed

from benchmarks.common import Table, seconds
from napari_microcnn.config import VoronoiConfig
from napari_microcnn.measure.filling import fill_boundaries
from napari_microcnn.measure.objects import measure_objects
from napari_microcnn.measure.shapes import bounding_boxes, measure_shapes
from napari_microcnn.synth.voronoi import voronoi

_SIDE, _GRAINS = 4096, 20_000
_FULL = (
    "label", "area", "equivalent_diameter_area", "centroid", "bbox", "perimeter", "eccentricity", "orientation",
    "axis_major_length", "axis_minor_length", "extent",
)  # fmt: skip


def run() -> Table:
    """Time both ways on the same boundaries."""
    table = Table(
        f"Boundaries to grains to table, {_SIDE} x {_SIDE}",
        ("way", "grains", "seconds", "times as long as ours"),
        note="Bar: ours under 4 s, and 4 times as fast as watershed with the table of regionprops.",
    )
    config = VoronoiConfig(height=_SIDE, width=_SIDE, grains=_GRAINS, regularity=0.5, size_spread=0)
    boundary = voronoi(config, 0).boundaries
    ours, theirs = seconds(lambda: _ours(boundary)), seconds(lambda: _theirs(boundary), 1)
    shapes = seconds(lambda: measure_shapes(_labels(boundary)), 1)
    number = len(_ours(boundary)["label"])
    table.add("ours: area, diameter, perimeter, centroid, bounding box", number, ours, 1.0)
    table.add("ours with all shapes (Feret, axes, neighbours)", number, shapes, shapes / ours)
    table.add("watershed and regionprops_table", len(_theirs(boundary)["label"]), theirs, theirs / ours)
    table.at_most("boundaries to table (s)", ours, 4)
    table.at_least("times as fast as watershed and regionprops_table", theirs / ours, 4)
    return table


def _labels(boundary: NDArray[np.bool_]) -> NDArray[np.int32]:
    return np.asarray(fill_boundaries(ndimage.label(~boundary)[0]))


def _ours(boundary: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    labels = _labels(boundary)
    table = measure_objects(labels)
    return {**table, **bounding_boxes(labels, table["label"])}


def _theirs(boundary: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    depth = ndimage.distance_transform_edt(~boundary)
    labels = watershed(-depth, ndimage.label(~boundary)[0])  # type: ignore[no-untyped-call]
    found: dict[str, NDArray[Any]] = regionprops_table(labels, properties=_FULL)  # type: ignore[no-untyped-call]
    return found
