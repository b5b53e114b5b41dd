"""What was counted, and what was measured, as layers over the labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer, Points, Shapes

from napari_microcnn.ui import layers
from napari_microcnn.ui.measure_tasks import Measurement

LINES, INTERSECTIONS, COLOURED = "test lines", "intersections", "property"
_MARKS = {"crossing": "#ffd92f", "tangent": "#56b4e9", "triple point": "#ff2fd0", "end of a line": "#ffffff"}
_LINE = "#56b4e9"
MANY = 20_000
"""Intersections that a window without a GPU draws in some 30 ms, so that it still follows the hand."""


def put_lines(viewer: ViewerModel, labels: Labels, found: Measurement) -> None:
    """Show the test lines, instead of earlier ones."""
    look = _place(viewer, labels, LINES, Shapes)
    with layers.keeping_active(viewer), layers.no_collection():
        viewer.add_shapes(
            list(found.lines),
            shape_type="path",
            edge_color=_LINE,
            edge_width=1,
            opacity=0.6,
            name=f"{labels.name} {LINES}",
            **look,
        )


def put_intersections(viewer: ViewerModel, labels: Labels, found: Measurement) -> None:
    """Show every intersection, coloured by its kind, with what it counts as a feature; very many when asked for."""
    look = _place(viewer, labels, INTERSECTIONS, Points)
    with layers.keeping_active(viewer), layers.no_collection():
        viewer.add_points(
            found.points,
            features={"kind": found.kinds, "counts": found.counts},
            size=5,
            border_width=0,
            face_color=np.array([_MARKS[kind] for kind in found.kinds]) if len(found.kinds) else _MARKS["crossing"],
            name=f"{labels.name} {INTERSECTIONS}",
            visible=len(found.points) <= MANY,
            **look,
        )


def put_colours(viewer: ViewerModel, labels: Labels, found: Measurement, name: str) -> None:
    """Show a property of the objects as colours, with a colour bar."""
    values = found.table[name].astype(np.float32)
    # Background has no place in the table, and no value.
    places = np.searchsorted(found.table["label"], found.labels)
    picture = np.where(found.labels == 0, np.nan, np.append(values, np.nan)[places]).astype(np.float32)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    look = _place(viewer, labels, COLOURED, Image)
    with layers.keeping_active(viewer):
        made = viewer.add_image(
            picture,
            colormap="viridis",
            contrast_limits=(low, max(high, low + 1e-6 * max(1.0, abs(low)))),
            opacity=0.7,
            name=f"{labels.name} {name}",
            **look,
        )
        made.colorbar.visible = True


def _place(viewer: ViewerModel, labels: Labels, role: str, kind: type[Layer]) -> dict[str, Any]:
    """Remove what an earlier measurement has left in this role, and return where and whose the new layer is."""
    old = layers.find(viewer, role, labels.name, kind)
    if old is not None:
        with layers.keeping_active(viewer):
            viewer.layers.remove(old)
    known = {layers.KEY: {"role": role, "source": labels.name}}
    return {"metadata": known, **{key: tuple(value[-2:]) for key, value in layers.placed_like(labels).items()}}
