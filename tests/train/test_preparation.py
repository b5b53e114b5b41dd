"""How often classes are shown, and how much they weigh."""

from __future__ import annotations

import numpy as np
import pytest

from napari_microcnn.data import IGNORE
from napari_microcnn.data.normalisation import intensity_limits
from napari_microcnn.data.patches import Source
from napari_microcnn.train.preparation import class_shares, class_weights


def source(*counts: int) -> Source:
    """Return a source with so many pixels of every class, and one that is not annotated."""
    targets = np.concatenate([np.repeat(np.arange(len(counts)), counts), [IGNORE]]).astype(np.uint8)[None]
    pixels = np.arange(targets.size, dtype=np.float32)[None]
    return Source(pixels, targets, intensity_limits(pixels))


def test_rare_classes_of_masks_are_drawn_more_often_but_less_than_evenly() -> None:
    assert class_shares([source(90, 10)], 2) == pytest.approx([0.7, 0.3])
    assert class_shares([source(90, 0, 10)], 3) == pytest.approx([0.7, 0.0, 0.3])


def test_all_classes_of_strokes_count_alike_and_all_pixels_of_masks() -> None:
    weights = class_weights([source(90, 10)], 2, dense=False)
    assert weights[1] == pytest.approx(9 * weights[0])
    assert class_weights([source(90, 10)], 2, dense=True) == pytest.approx([1, 1])
