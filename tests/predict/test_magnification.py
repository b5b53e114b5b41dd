"""The magnification is found in the image, with the shipped model on pictures of known grain size."""

from __future__ import annotations

import numpy as np
import pytest

from napari_microcnn.config import SegmentConfig
from napari_microcnn.events import Notice, result_of
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.models import load_model
from napari_microcnn.predict import segment
from napari_microcnn.predict.magnification import MAGNIFICATIONS, find_magnifications
from napari_microcnn.predict.tiles import TilePredictor
from napari_microcnn.synth import LOOKS, polycrystal


@pytest.fixture(scope="module")
def shipped():
    return load_model("grain-boundaries")


def grains_of(intercept, side=320):
    structure, imaging = LOOKS["etched"]
    count = max(2, round((side / (1.1 * intercept)) ** 2))
    sized = structure.model_copy(update={"width": side, "height": side, "grains": count})
    return polycrystal(sized, imaging, seed=5)


def found(shipped, image):
    predictor = TilePredictor(shipped, SegmentConfig(device="cpu"))
    return find_magnifications(predictor, image, 1, shipped.typical_intercept)[0]


def test_small_grains_are_not_reduced_and_large_ones_are(shipped):
    small, large = found(shipped, grains_of(9).image), found(shipped, grains_of(110, side=512).image)
    assert {small, large} <= set(MAGNIFICATIONS)
    assert small >= 1
    assert large <= 0.71


def test_an_enlarged_picture_is_found_at_a_lower_magnification(shipped):
    image = grains_of(20).image
    assert found(shipped, np.kron(image, np.ones((3, 3), np.uint8))) < found(shipped, image)


def test_an_image_without_any_boundary_stays_as_it_is(shipped):
    assert found(shipped, np.zeros((200, 200), np.uint8)) == 1.0


def test_the_user_is_told_and_may_decide(shipped):
    image = Micrograph(grains_of(110, side=512).image)
    events = list(segment(image, shipped))
    assert any(isinstance(event, Notice) and "magnification" in event.message for event in events)
    assert result_of(segment(image, shipped, SegmentConfig(magnification=0.6))).magnification == (0.6,)


def test_in_doubt_several_magnifications_are_averaged(shipped):
    structure, imaging = LOOKS["texture"]
    faint = polycrystal(structure, imaging.model_copy(update={"grain_contrast": 0.05}), seed=2).image
    events = list(segment(Micrograph(faint), shipped, SegmentConfig(keep_probabilities=True)))
    assert any(isinstance(event, Notice) and "averaged" in event.message for event in events)
    result = events[-1].result
    assert (result.classes == 1)[result.probabilities[1] > 0.5].all()  # and gaps are bridged
    single = result_of(segment(Micrograph(faint), shipped, SegmentConfig(magnification=result.magnification[0])))
    assert not np.array_equal(single.classes, result.classes)


@pytest.mark.parametrize("intercept", [10, 25, 70])
def test_grains_are_found_whatever_their_size(shipped, intercept):
    made = grains_of(intercept)
    labels = result_of(segment(Micrograph(made.image), shipped)).labels
    true = (np.bincount(made.structure.grains.ravel()) >= SegmentConfig().min_size).sum()
    assert labels.max() == pytest.approx(true, rel=0.1, abs=3)
