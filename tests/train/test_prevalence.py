"""How frequent the classes are, from what the network finds."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_microcnn.config import UNetConfig
from napari_microcnn.data import intensity_limits
from napari_microcnn.data.patches import Source
from napari_microcnn.nets import UNet
from napari_microcnn.train.prevalence import SQUARES, Prevalence, as_learnt, prior_factors


def test_priors_of_calibrated_answers_are_found() -> None:
    """Bayes' rule with equal priors: classes of 10 % and 90 %, their features overlap."""
    rng = np.random.default_rng(0)
    rare = rng.random(40_000) < 0.1
    feature = rng.normal(np.where(rare, 1.3, -1.3))
    likelihood = np.exp(-((feature[:, None] - np.array([1.3, -1.3])) ** 2) / 2)
    answers = (likelihood / likelihood.sum(axis=1, keepdims=True)).astype(np.float32)
    assert (answers[:, 0] > 0.5).mean() > 0.15  # far too much of the rare class, as strokes make it
    factors = prior_factors(answers)
    assert factors / 2 == pytest.approx([0.1, 0.9], abs=0.15)
    wrong_before = ((answers[:, 0] > answers[:, 1]) != rare).mean()
    weighed = answers * factors
    assert ((weighed[:, 0] > weighed[:, 1]) != rare).mean() < 0.7 * wrong_before


def test_a_class_that_is_hardly_found_does_not_vanish() -> None:
    answers = np.tile(np.array([[0.98, 0.02]], np.float32), (100, 1))
    assert prior_factors(answers)[1] >= 0.02


def test_a_network_that_knows_nothing_changes_nothing() -> None:
    answers = np.random.default_rng(0).uniform(0.35, 0.62, (1000, 1)).astype(np.float32)
    assert prior_factors(np.hstack([answers, 1 - answers])) == pytest.approx([1, 1], abs=0.05)


def test_a_network_is_followed_and_its_copy_set_right() -> None:
    torch.manual_seed(0)
    net = UNet(UNetConfig(width=4, depth=1)).eval()
    image = np.random.default_rng(0).integers(0, 255, (80, 70)).astype(np.uint8)
    source = Source(image, np.zeros(image.shape, np.uint8), intensity_limits(image))
    prevalence = Prevalence([source], 2, 32, 0, torch.device("cpu"))
    assert prevalence.factors().tolist() == [1, 1]
    before = net.head.bias.detach().clone()
    prevalence.follow(net)
    factors = prevalence.factors()
    right = prevalence.set_right(net)
    assert torch.equal(net.head.bias, before)
    assert torch.allclose(right.head.bias, before + torch.log(torch.from_numpy(factors)))
    as_learnt(right, factors.tolist())
    assert torch.allclose(right.head.bias, before)
    with torch.no_grad():
        net.head.bias += torch.tensor([5.0, -5.0])
    for _ in range(SQUARES):  # what was seen before the change is forgotten in time
        prevalence.follow(net)
    assert prevalence.factors()[0] > factors[0]
