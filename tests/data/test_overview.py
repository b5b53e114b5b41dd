"""The overview: a quarter of the magnification, with its annotation."""

from __future__ import annotations

import numpy as np

from napari_microcnn.data import IGNORE, intensity_limits
from napari_microcnn.data.growth import GROWN
from napari_microcnn.data.overview import overview_of, reduced_source, reduced_targets, worth_an_overview
from napari_microcnn.data.patches import Source


def test_pixels_are_averaged_and_their_grey_values_stay() -> None:
    pixels = np.repeat(np.arange(40, dtype=np.uint8)[None] * 6, 44, axis=0)
    overview = overview_of(pixels)
    assert overview.shape == (11, 10)
    assert np.allclose(np.diff(overview[5, 1:-1]), 24)


def test_the_most_frequent_class_counts_and_what_is_not_annotated_does_not() -> None:
    targets = np.full((8, 8), IGNORE, np.uint8)
    targets[0, 0] = 1
    targets[0:2, 1] = 0
    targets[7, 7] = 2
    assert reduced_targets(targets, (2, 2)).tolist() == [[0, IGNORE], [IGNORE, 2]]


def test_what_was_painted_has_the_say_over_what_has_grown() -> None:
    targets = np.full((8, 8), IGNORE, np.uint8)
    targets[:4] = GROWN + 1
    targets[1, 1] = 0
    source = reduced_source(Source(targets, targets, intensity_limits(targets)), overview_of(targets))
    assert source.targets.tolist() == [[0, GROWN + 1], [IGNORE, IGNORE]]


def test_sides_that_are_no_multiples_of_four() -> None:
    targets = np.zeros((10, 7), np.uint8)
    pixels = overview_of(targets)
    source = reduced_source(Source(targets, targets, intensity_limits(targets)), pixels)
    assert source.targets.shape == pixels.shape == (2, 2)
    assert (source.targets == 0).all()


def test_small_images_have_no_overview_worth_looking_at() -> None:
    assert worth_an_overview((512, 400), patch=128)
    assert not worth_an_overview((512, 300), patch=128)
