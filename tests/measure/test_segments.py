"""Boundary segments: from triple point to triple point, with their confidence."""

from __future__ import annotations

import numpy as np
import pytest

from napari_microcnn.measure.objects import measure_objects
from napari_microcnn.measure.segments import find_segments, with_confidence

QUARTERS = np.kron([[1, 2], [3, 4]], np.ones((10, 10), int))


def lines(above=255, below=100, left=200, right=30):
    """Return the probability of the boundaries between the quarters, one value for each of the four segments."""
    probability = np.zeros(QUARTERS.shape, np.uint8)
    probability[:8, 9], probability[12:, 9], probability[9, :8], probability[9, 12:] = above, below, left, right
    return probability


def test_every_segment_has_its_grains_and_the_probability_along_it():
    found = find_segments(QUARTERS, lines())
    of = {(int(a), int(b)): c for a, b, c in zip(found.first, found.second, found.confidence, strict=True)}
    assert set(of) == {(1, 2), (1, 3), (2, 4), (3, 4)}
    assert of[1, 2] > of[1, 3] > of[3, 4] > of[2, 4]
    assert of[1, 2] == pytest.approx(0.95, abs=0.06)
    assert found.length.sum() == 40


def test_two_borders_of_the_same_grains_are_two_segments():
    labels = np.ones((12, 30), int)
    labels[:, 10:20] = 2
    assert find_segments(labels, np.zeros(labels.shape, np.uint8)).length.tolist() == [12, 12]


def test_the_last_column_does_not_touch_the_first():
    labels = np.ones((4, 6), int)
    labels[0, 5] = labels[2, 0] = 2
    assert len(find_segments(labels, np.zeros(labels.shape, np.uint8)).first) == 2


def test_removing_a_segment_merges_its_grains():
    found = find_segments(QUARTERS, lines())
    assert found.merged(0.2, 4).tolist() == [0, 1, 2, 3, 2]
    assert found.merged(0.5, 4).tolist() == [0, 1, 2, 2, 2]
    assert found.merged(0, 4).tolist() == [0, 1, 2, 3, 4]
    assert found.merged(1.1, 4).tolist() == [0, 1, 1, 1, 1]


def test_grains_stay_apart_while_one_of_their_segments_is_sure():
    labels = np.ones((12, 30), int)
    labels[:, 10:20] = 2
    probability = np.zeros(labels.shape, np.uint8)
    probability[:, 9] = 250
    assert find_segments(labels, probability).merged(0.5, 2).tolist() == [0, 1, 2]


def test_drawing_tells_sure_doubtful_and_removed_segments():
    drawn = find_segments(QUARTERS, lines()).drawn((20, 20), 0.2, 0.6)
    assert drawn[0, 9] == 1
    assert drawn[18, 9] == 2
    assert drawn[9, 18] == 3
    assert drawn[4, 4] == 0


def test_the_table_gets_mean_and_least_confidence_of_every_grain():
    table = with_confidence(measure_objects(QUARTERS), QUARTERS, lines())
    assert table["confidence"][0] > table["confidence"][3]
    assert (table["weakest_boundary"] <= table["confidence"]).all()
    stack = np.stack([QUARTERS, np.where(QUARTERS > 2, 0, QUARTERS)])
    both = with_confidence(measure_objects(stack), stack, np.stack([lines(), lines(above=0)]))
    assert np.allclose(both["confidence"][:4], table["confidence"])
    assert both["confidence"][4] < 0.3


def test_one_grain_has_no_segments_and_no_confidence():
    one = np.ones((5, 5), int)
    found = find_segments(one, np.zeros(one.shape, np.uint8))
    assert len(found.first) == 0
    assert found.merged(0.9, 1).tolist() == [0, 1]
    assert np.isnan(with_confidence(measure_objects(one), one, np.zeros(one.shape, np.uint8))["confidence"]).all()


def test_arrays_of_different_images_are_refused():
    with pytest.raises(ValueError, match="give both of one image"):
        find_segments(QUARTERS, np.zeros((3, 3), np.uint8))
