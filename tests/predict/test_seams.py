"""Regions found block by block are those of the whole plane, number by number."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_microcnn.data.windows import Box, split
from napari_microcnn.predict.seams import CORNERS, SeamLabels


@pytest.mark.parametrize("structure", [None, CORNERS])
@pytest.mark.parametrize("share", [0.05, 0.4, 0.55, 0.62, 0.95])
@pytest.mark.parametrize("shape", [(61, 83), (1, 90), (90, 1), (48, 48)])
def test_numbers_are_those_of_the_whole_plane(structure, share, shape):
    for seed in range(2):
        mask = np.random.default_rng(seed).random(shape) < share
        labels = SeamLabels(shape[1], structure)
        result = np.zeros(shape, np.int32)
        for box in split(Box(0, shape[0], 0, shape[1]), 16):
            result[box.slices] = labels.add(box, mask[box.slices])
        merged = labels.merged()
        expected, count = ndimage.label(mask, structure)
        assert np.array_equal(merged.numbers[result], expected)
        assert merged.count == count
        assert np.array_equal(merged.sizes[1:], np.bincount(expected.ravel(), minlength=count + 1)[1:])


def test_a_flag_of_a_part_is_one_of_its_region():
    labels = SeamLabels(4)
    mask = np.array([[1, 1, 0, 1]], bool)
    parts = [labels.add(Box(0, 1, left, left + 1), mask[:, left : left + 1]) for left in range(4)]
    flags = np.zeros(labels.count + 1, bool)
    flags[parts[1]] = True
    assert labels.merged().flags(flags).tolist() == [False, True, False]
