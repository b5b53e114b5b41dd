"""Scores against scikit-learn-like definitions worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from napari_microcnn.train import ConfusionMatrix

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
