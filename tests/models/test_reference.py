"""What a model learned from, and how far a picture is from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_microcnn.config import ClassInfo, ObjectRule, UNetConfig
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.models import Model, load_model, save_model
from napari_microcnn.models.reference import describe, reference_of
from napari_microcnn.nets import UNet
from napari_microcnn.predict.gap import domain_gap, remember


def small_model():
    torch.manual_seed(0)
    classes = tuple(ClassInfo(id=i, name=name, colour="#e69f00") for i, name in enumerate(("grain", "boundary")))
    return Model(UNet(UNetConfig(width=4, depth=2)).eval(), classes, ObjectRule(kind="grains", class_id=1))


def picture(seed, scale=4):
    return np.kron(np.random.default_rng(seed).normal(size=(160 // scale, 160 // scale)), np.ones((scale, scale)))


def test_pictures_learned_from_are_near_and_others_are_far(tmp_path):
    model = remember(small_model(), [Micrograph(picture(seed)) for seed in range(4)])
    near = domain_gap(Micrograph(picture(9)), model)
    far = domain_gap(Micrograph(np.tile(np.linspace(0, 1, 160), (160, 1))), model)
    assert max(near.distances.values()) < max(far.distances.values())
    assert far.reason in far.sentence
    assert "learned from" in far.reason
    assert load_model(save_model(model, tmp_path / "known.safetensors")).reference == model.reference


def test_to_be_surer_than_usual_is_not_strange():
    net = small_model().net
    seen = [describe(net, [picture(seed).astype(np.float32)[None]], 1) for seed in range(20)]
    known = reference_of(seen)
    sure, unsure = (replace(seen[0], answer=np.array([value])) for value in (5.0, -5.0))
    assert known.distances(sure)["answer"] == 0
    assert known.distances(unsure)["answer"] > 1


def test_too_few_pictures_are_refused():
    seen = [describe(small_model().net, [picture(0).astype(np.float32)[None]], 1)]
    with pytest.raises(ValueError, match="at least 16"):
        reference_of(seen)
