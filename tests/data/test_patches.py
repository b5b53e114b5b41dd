"""Where patches are taken and how they are cut."""

from __future__ import annotations

import numpy as np
import pytest

from napari_microcnn.data import IGNORE
from napari_microcnn.data.normalisation import IntensityLimits
from napari_microcnn.data.patches import PatchSampler, Source, crop

PLAIN = IntensityLimits(np.zeros(1), np.ones(1))


def source(height: int = 60, width: int = 80) -> Source:
    targets = np.full((height, width), IGNORE, np.uint8)
    targets[5:7, 5:7] = 0
    targets[40:55, 20:75] = 1
    return Source(np.random.default_rng(0).random((height, width), np.float32), targets, PLAIN)


def test_inside_a_crop_is_the_picture() -> None:
    whole = source()
    image, targets = crop(whole, 10, 20, 32)
    assert np.array_equal(image[0], whole.pixels[10:42, 20:52])
    assert np.array_equal(targets, whole.targets[10:42, 20:52])


def test_beyond_the_picture_it_is_mirrored_and_not_annotated() -> None:
    whole = source()
    image, targets = crop(whole, -8, 70, 32)
    assert np.array_equal(image[0, :8], image[0, 8:16][::-1])
    assert np.array_equal(image[0, :, 10:20], image[0, :, :10][:, ::-1])
    assert (targets[:8] == IGNORE).all()
    assert (targets[:, 10:] == IGNORE).all()


def test_a_crop_may_be_larger_than_the_picture() -> None:
    tiny = Source(np.array([[1.0, 2.0]]), np.array([[0, 1]], np.uint8), PLAIN)
    image, targets = crop(tiny, -3, -3, 8)
    assert set(np.unique(image)) == {1.0, 2.0}
    assert (targets != IGNORE).sum() == 2


def test_classes_are_drawn_equally_often_however_rare() -> None:
    sampler = PatchSampler([source()], 2, 16, 0, np.random.default_rng(0))
    _, targets = sampler.draw(400)
    at_centre = targets[:, 8, 8]
    assert 150 < (at_centre == 0).sum() < 250
    assert (at_centre != IGNORE).all()


def test_patches_come_from_all_images_and_follow_the_seed() -> None:
    sources = [source(), Source(np.full((60, 80), 5.0), source().targets, PLAIN)]
    first, _ = PatchSampler(sources, 2, 16, 4, np.random.default_rng(3)).draw(40)
    again, _ = PatchSampler(sources, 2, 16, 4, np.random.default_rng(3)).draw(40)
    assert np.array_equal(first, again)
    assert 5 < (first == 5.0).all(axis=(1, 2, 3)).sum() < 35


def test_a_class_that_is_nowhere_is_left_out_but_something_must_be_annotated() -> None:
    with_it = PatchSampler([source()], 3, 16, 4, np.random.default_rng(0)).draw(20)
    without = PatchSampler([source()], 2, 16, 4, np.random.default_rng(0)).draw(20)
    assert np.array_equal(with_it[1], without[1])
    nothing = source().with_targets(np.full_like(source().targets, IGNORE))
    with pytest.raises(ValueError, match="no annotated pixel"):
        PatchSampler([nothing], 2, 16, 4, np.random.default_rng(0))
