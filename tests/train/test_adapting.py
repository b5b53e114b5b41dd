"""A model adapted to the look of a picture, and kept only if it is better."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_microcnn.config import ClassInfo, ObjectRule, UNetConfig
from napari_microcnn.config.adapting import AdaptConfig
from napari_microcnn.events import EpochDone, Notice, result_of
from napari_microcnn.models import Model
from napari_microcnn.nets import UNet
from napari_microcnn.synth import LOOKS, polycrystal
from napari_microcnn.train.adapting import Check, adapt

TINY = AdaptConfig(pictures=16, patch=64, batch=4, device="cpu")


def small_model(rule="grains"):
    torch.manual_seed(0)
    classes = tuple(ClassInfo(id=i, name=name, colour="#e69f00") for i, name in enumerate(("grain", "boundary")))
    return Model(UNet(UNetConfig(width=4, depth=2)).eval(), classes, ObjectRule(kind=rule, class_id=1), name="small")


def test_the_model_is_another_one_only_if_the_self_check_says_better():
    window = polycrystal(*LOOKS["etched"], 1).image[:96, :96]
    before = small_model()
    events = list(adapt(before, LOOKS["etched"], [window], TINY))
    done = events[-1].result
    assert done.tried.sha256 != before.sha256
    assert done.model is (done.tried if done.check.better else before)
    assert done.tried.provenance["adapted_from"]["sha256"] == before.sha256
    assert all(event.model is None for event in events if isinstance(event, EpochDone))
    assert [event.message for event in events if isinstance(event, Notice)] == [done.check.sentence]


def test_same_seed_same_weights():
    window = np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)
    one, two = (result_of(adapt(small_model(), LOOKS["etched"], [window], TINY)).tried.sha256 for _ in range(2))
    assert one == two


@pytest.mark.parametrize(
    ("check", "better"),
    [
        (Check(0.9, 0.95, 0.9, 0.9, 0.95), True),
        (Check(0.9, 0.905, 0.9, 0.95, 0.95), False),
        (Check(0.9, 0.95, 0.9, 0.88, 0.95), False),
        (Check(0.9, 0.95, 0.9, 0.9, 0.8), False),
    ],
)
def test_when_in_doubt_the_model_stays_as_it_was(check, better):
    assert check.better is better
    assert ("is kept" in check.sentence) is better


def test_models_of_other_things_are_refused():
    with pytest.raises(ValueError, match="no grain boundaries"):
        result_of(adapt(small_model("particles"), LOOKS["etched"], [], TINY))
