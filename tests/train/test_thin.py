"""The loss for thin and rare things."""

from __future__ import annotations

import math

import pytest
import torch

from napari_microcnn.data import IGNORE
from napari_microcnn.train.thin import beside_loss, centreline_loss, thin_loss, tversky_loss


def line(width: int = 1) -> torch.Tensor:
    """Return a picture, (1, 33, 33), with a horizontal line."""
    truth = torch.zeros(1, 33, 33)
    truth[0, 16 : 16 + width, 4:-4] = 1
    return truth


EVERYWHERE = torch.ones(1, 33, 33)


def test_what_is_right_costs_nothing() -> None:
    assert tversky_loss(line(), line(), EVERYWHERE) == pytest.approx(0)
    assert centreline_loss(line(), line(), EVERYWHERE) == pytest.approx(0, abs=1e-6)


def test_the_size_of_the_rest_does_not_matter() -> None:
    truth = torch.zeros(1, 4, 400)
    truth[..., :4] = 1
    found = torch.zeros_like(truth)
    found[..., 2:6] = 1
    small = tversky_loss(found[..., :8], truth[..., :8], torch.ones(1, 4, 8))
    assert tversky_loss(found, truth, torch.ones(1, 4, 400)) == small


def test_a_missed_pixel_costs_more_than_a_false_one() -> None:
    missed, false = line(), line()
    missed[0, 16, 4:9] = 0
    false[0, 3, 4:9] = 1
    assert tversky_loss(missed, line(), EVERYWHERE) > tversky_loss(false, line(), EVERYWHERE)


def test_a_gap_costs_as_much_in_a_broad_line() -> None:
    for width in (1, 5):
        broken = line(width)
        broken[0, :, 14:18] = 0
        assert 0.05 < centreline_loss(broken, line(width), EVERYWHERE) < 0.2


def test_beside_a_stroke_something_else_is_expected() -> None:
    truth, nobody = line(), line()
    broad = torch.nn.functional.max_pool2d(truth[:, None], 11, 1, 5)[:, 0]
    assert beside_loss(truth, truth, nobody) == 0
    assert beside_loss(broad, truth, nobody) > 0.3
    assert beside_loss(broad, truth, EVERYWHERE) == 0


def test_what_nobody_annotated_does_not_count_and_gradients_flow() -> None:
    targets = line()[0].long()[None]
    targets[:, :8] = IGNORE
    logits = torch.randn(1, 2, 33, 33, generator=torch.Generator().manual_seed(0), requires_grad=True)
    loss = thin_loss(logits, targets, focus=1, lines=0.0, beside=0.0)
    loss.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert logits.grad[:, :, :8].abs().sum() == 0
    assert logits.grad[:, :, 16].abs().sum() > 0
    empty = thin_loss(logits, torch.full_like(targets, IGNORE), focus=1, lines=0.5, beside=2.0)
    assert math.isfinite(float(empty.detach()))
