"""The databar and plates of an image as rectangles that can be edited; what is drawn counts, not what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Shapes

from napari_microcnn.micrograph import DRAWN, Micrograph
from napari_microcnn.ui import layers
from napari_microcnn.ui.pairing import OnDisk

Sides = tuple[int, int, int, int]


def show_databar(viewer: ViewerModel, image: Image, boxes: Sequence[Sides]) -> None:
    """Show what was left out of an image, unless the user has a layer of it already."""
    if not boxes or image not in viewer.layers or layers.find(viewer, DRAWN, image.name, Shapes) is not None:
        return
    place = {name: value[-2:] for name, value in layers.placed_like(image).items()}
    corners = [
        np.array([[top, left], [top, right], [bottom, right], [bottom, left]]) - 0.5
        for top, bottom, left, right in boxes
    ]
    known = {layers.KEY: {"role": DRAWN, "source": image.name}}
    with layers.keeping_active(viewer):
        viewer.add_shapes(
            corners, shape_type="rectangle", name=f"{image.name} {DRAWN}", metadata=known,
            face_color="#56b4e933", edge_color="#56b4e9", ndim=2, **place,
        )  # fmt: skip


def without_drawn(viewer: ViewerModel, image: Image, source: Micrograph | OnDisk) -> Micrograph | OnDisk:
    """Return an image that knows which rectangles the user wants left out; without such a layer it stays as it is."""
    drawn = layers.find(viewer, DRAWN, image.name, Shapes)
    if drawn is None or not isinstance(source, Micrograph):
        return source
    boxes = []
    for corners in drawn.data:
        (top, left), (bottom, right) = (
            np.round(edge[-2:] + 0.5).astype(int) for edge in (corners.min(0), corners.max(0))
        )
        boxes.append((int(top), int(bottom), int(left), int(right)))
    return replace(source, metadata={**source.metadata, DRAWN: tuple(boxes)})
