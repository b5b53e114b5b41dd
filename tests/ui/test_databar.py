"""The databar as a layer that can be edited."""

from __future__ import annotations

import numpy as np

from napari_microcnn.data.databar import overlays_of
from napari_microcnn.data.windows import Box
from napari_microcnn.micrograph import DRAWN
from napari_microcnn.ui import layers
from napari_microcnn.ui.databar import show_databar, without_drawn

IMAGE = np.random.default_rng(0).integers(0, 255, (100, 120), dtype=np.uint8)


def test_what_is_shown_comes_back_and_edits_count(make_napari_viewer) -> None:
    viewer = make_napari_viewer()
    image = viewer.add_image(IMAGE, name="a", scale=(0.5, 0.5), units=("um", "um"))
    source = layers.source_of(image)
    assert without_drawn(viewer, image, source) is source
    show_databar(viewer, image, ())
    assert len(viewer.layers) == 1
    boxes = ((80, 100, 0, 120), (10, 20, 30, 60))
    show_databar(viewer, image, boxes)
    drawn = viewer.layers["a databar"]
    assert without_drawn(viewer, image, source).metadata[DRAWN] == boxes
    drawn.data = [drawn.data[0] - (10, 0)]
    edited = without_drawn(viewer, image, source)
    assert edited.metadata[DRAWN] == ((70, 90, 0, 120),)
    show_databar(viewer, image, boxes)  # what the user made of it stays
    assert len(drawn.data) == 1
    drawn.data = []
    assert overlays_of(IMAGE, without_drawn(viewer, image, source).metadata).field == Box(0, 100, 0, 120)
