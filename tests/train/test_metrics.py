"""Scores against scikit-learn-like definitions worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from napari_microcnn.train import ConfusionMatrix
from napari_microcnn.train.metrics import LEAST_UNITS, bootstrap_spread

TRUTH = torch.tensor([0, 0, 0, 1, 1, 2, 255, 2])
FOUND = torch.tensor([0, 0, 1, 1, 0, 2, 1, 255])


def test_scores_worked_out_by_hand() -> None:
    scores = ConfusionMatrix(3)
    scores.update(TRUTH, FOUND)
    assert scores.counts.tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert scores.iou().tolist() == pytest.approx([2 / 4, 1 / 3, 1])
    assert scores.dice().tolist() == pytest.approx([4 / 6, 2 / 4, 1])
    assert scores.accuracy() == pytest.approx(4 / 6)
    assert scores.mean_iou() == pytest.approx((1 / 2 + 1 / 3 + 1) / 3)


def test_parts_add_up() -> None:
    whole, parts = ConfusionMatrix(3), ConfusionMatrix(3)
    whole.update(TRUTH, FOUND)
    parts.update(TRUTH[:3], FOUND[:3])
    parts.update(TRUTH[3:], FOUND[3:])
    assert torch.equal(whole.counts, parts.counts)


def test_classes_that_do_not_occur_do_not_count() -> None:
    scores = ConfusionMatrix(3)
    scores.update(torch.tensor([0, 1]), torch.tensor([0, 1]))
    assert math.isnan(float(scores.iou()[2]))
    assert scores.mean_iou() == 1


def test_nothing_seen_is_no_success() -> None:
    assert ConfusionMatrix(2).mean_iou() == 0


def test_the_spread_is_that_of_the_mean_over_pieces() -> None:
    rng = np.random.default_rng(1)
    right = rng.integers(50, 100, 40)
    counts = np.zeros((40, 2, 2), np.int64)
    counts[:, 0, 0] = counts[:, 1, 1] = right
    counts[:, 0, 1] = counts[:, 1, 0] = 100 - right
    # Both classes have the IoU right / (200 - right): its spread follows from that of the mean of `right`.
    mean = right.mean()
    expected = right.std() / math.sqrt(40) * 200 / (200 - mean) ** 2
    assert bootstrap_spread(counts) == pytest.approx(expected, rel=0.2)
    assert bootstrap_spread(counts) == bootstrap_spread(counts)


def test_equal_pieces_have_no_spread_and_few_pieces_tell_none() -> None:
    counts = np.tile(np.array([[8, 2], [1, 9]]), (LEAST_UNITS, 1, 1))
    assert bootstrap_spread(counts) == pytest.approx(0)
    assert bootstrap_spread(counts[1:]) is None
