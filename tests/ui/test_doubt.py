from collections.abc import Callable
from typing import Any

import numpy as np

from napari_microcnn.measure.segments import find_segments
from napari_microcnn.ui import layers
from napari_microcnn.ui.doubt import Doubt, Found

QUARTERS = np.kron([[1, 2], [3, 4]], np.ones((10, 10), np.uint16)).astype(np.uint16)


def test_the_slider_merges_grains_across_doubtful_boundaries_and_gives_them_back(viewer: Any) -> None:
    probability = np.full(QUARTERS.shape, 250, np.uint8)
    probability[12:, 8:12] = 60
    for role in ("grains", "outlines"):
        layers.put_labels(viewer, role, QUARTERS.copy(), None, source="steel", about={})
    said: list[str] = []
    doubt = Doubt(viewer, said.append)
    doubt.show_found(Found(QUARTERS, find_segments(QUARTERS, probability), "steel"))
    assert "4 grains" in doubt.counts.text()
    doubt.slider.setValue(0.6)
    doubt.apply()
    assert set(np.unique(viewer.layers["steel grains"].data)) == {1, 2, 3}
    assert {2, 3} & set(np.unique(viewer.layers["steel outlines"].data)) == {3}
    doubt.slider.setValue(0)
    doubt.apply()
    np.testing.assert_array_equal(viewer.layers["steel grains"].data, QUARTERS)
    viewer.layers.remove(viewer.layers["steel grains"])
    doubt.apply()
    assert said == ["The grains are gone."]


def test_the_sections_on_models_ask_for_an_image(open_dock: Callable[[str], Any], told: list[str]) -> None:
    dock = open_dock("Synthesize")
    dock.models.mine.adapt_button.click()
    assert told == ["Open an image first: File > Open, or File > Open Sample > MicroCNN."]
    assert dock.job is None
