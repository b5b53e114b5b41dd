"""Training on synthetic polycrystals alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_microcnn.config import SyntheticTrainConfig
from napari_microcnn.events import EpochDone, result_of
from napari_microcnn.models import load_model
from napari_microcnn.train.synthetic import BOUNDARY_REACH, CLASSES, synthetic_patch, train_on_synthetic

TINY = SyntheticTrainConfig(steps=40, batch=4, patch=64, width=4, depth=2, workers=0, bfloat16=False, device="cpu")


def test_a_patch_is_normalised_and_its_target_is_a_thin_line():
    picture, targets = synthetic_patch(5, 96)
    assert picture.shape == (1, 96, 96)
    assert abs(picture.mean()) < 0.1
    assert set(np.unique(targets)) == {0, 1}
    assert 0.02 < targets.mean() < 0.6
    assert BOUNDARY_REACH == 1.5


def test_training_learns_and_keeps_the_best_model(tmp_path):
    path = tmp_path / "grains.safetensors"
    events = list(train_on_synthetic(TINY, checkpoint=path))
    losses = [event.loss for event in events[:-1] if not isinstance(event, EpochDone)]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    model = load_model(path)
    assert model.sha256 == events[-1].result.sha256
    assert [entry.name for entry in model.classes] == ["grain", "boundary"]
    assert model.objects.kind == "grains"
    assert model.provenance["settings"]["seed"] == 0


def test_same_seed_same_weights_other_seed_other_weights():
    short = TINY.model_copy(update={"steps": 10})
    one, two, other = (
        result_of(train_on_synthetic(short.model_copy(update={"seed": seed}))).net.state_dict() for seed in (1, 1, 2)
    )
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["head.weight"], other["head.weight"])


def test_pictures_made_by_other_processes_are_the_same():
    short = TINY.model_copy(update={"steps": 10, "batch": 2, "patch": 32})
    here, there = (result_of(train_on_synthetic(short.model_copy(update={"workers": n}))) for n in (0, 1))
    assert here.sha256 == there.sha256


def test_a_training_can_go_on(tmp_path):
    short = TINY.model_copy(update={"steps": 10})
    first = result_of(train_on_synthetic(short))
    before = {name: value.clone() for name, value in first.net.state_dict().items()}
    second = result_of(train_on_synthetic(short, start=first))
    assert second.provenance["started_from_sha256"] == first.sha256
    assert second.sha256 != first.sha256
    assert all(torch.equal(value, before[name]) for name, value in first.net.state_dict().items())


def test_a_training_cannot_go_on_from_other_classes():
    first = result_of(train_on_synthetic(TINY.model_copy(update={"steps": 10})))
    other = replace(first, classes=(CLASSES[0], CLASSES[1].model_copy(update={"name": "crack"})))
    with pytest.raises(ValueError, match="grain boundaries"):
        next(train_on_synthetic(TINY, start=other))
