"""Loss for thin and rare things: what matters is that none is missed, and that lines stay whole."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from napari_microcnn.data import IGNORE
from napari_microcnn.train.processes import summed

MISSED = 0.6
"""Weight of a missed pixel in `tversky_loss`; a false one weighs the rest."""

_THINNINGS = 4
"""Lines of up to twice this width are thinned to their middle."""

_BESIDE = (2, 8)
"""From how far to how far from its strokes something else than a thin class is expected, in pixels."""


def tversky_loss(probability: Tensor, truth: Tensor, annotated: Tensor, missed: float = MISSED) -> Tensor:
    """Return 1 minus the soft Tversky score of one class over all annotated pixels of a batch.

    Unlike cross-entropy it does not count the pixels that are rightly taken for something else,
    so it is the same for a thing that covers a half or a thousandth of the picture.

    Parameters
    ----------
    probability, truth, annotated : Tensor, (N, H, W) float32
        Of the class; 1 where it is; 1 where somebody said what is there.
    missed : float
        Weight of missed pixels against false ones, 0 to 1; 0.5 makes it a Dice loss.
    """
    right = summed((probability * truth * annotated).sum())
    lost = summed(((1 - probability) * truth * annotated).sum())
    false = summed((probability * (1 - truth) * annotated).sum())
    score: Tensor = 1 - (right + 1) / (right + missed * lost + (1 - missed) * false + 1)
    return score


def centreline_loss(probability: Tensor, truth: Tensor, annotated: Tensor) -> Tensor:
    """Return 1 minus the soft centreline Dice score (clDice; Shit et al., 2021) of one class.

    It asks how much of the middle of the true lines is found, and how much of the middle of the
    found lines is true: a gap costs as much in a line of one pixel as in a broad one.

    Parameters
    ----------
    probability, truth, annotated : Tensor, (N, H, W) float32
        As for `tversky_loss`.
    """
    found_middle = _middle(probability) * annotated
    true_middle = _middle(truth) * annotated
    precision = (summed((found_middle * truth).sum()) + 1) / (summed(found_middle.sum()) + 1)
    recall = (summed((true_middle * probability).sum()) + 1) / (summed(true_middle.sum()) + 1)
    score: Tensor = 1 - 2 * precision * recall / (precision + recall)
    return score


def beside_loss(probability: Tensor, truth: Tensor, annotated: Tensor) -> Tensor:
    """Return the mean probability of a thin class a few pixels beside its strokes.

    Who paints a crack paints all of its width, and hardly ever what lies right beside it; without
    that a network makes cracks as wide as the distance to the nearest stroke of something else.

    Parameters
    ----------
    probability, truth, annotated : Tensor, (N, H, W) float32
        As for `tversky_loss`.
    """
    close, far = (functional.max_pool2d(truth[:, None], 2 * reach + 1, 1, reach)[:, 0] for reach in _BESIDE)
    ring = (far - close) * (1 - annotated)
    loss: Tensor = summed((probability * ring).sum()) / summed(ring.sum()).clamp_min(1)
    return loss


def thin_loss(logits: Tensor, targets: Tensor, focus: int, lines: float, beside: float) -> Tensor:
    """Return the Tversky loss of one class plus `lines` times its centreline loss, plus `beside` times `beside_loss`.

    Parameters
    ----------
    logits : Tensor, (N, K, H, W) float32
    targets : Tensor, (N, H, W) int64
        Class indices, or `IGNORE`.
    focus : int
        Index of the class.
    lines, beside : float
        Weights.
    """
    probability = logits.softmax(dim=1)[:, focus]
    truth = (targets == focus).to(probability.dtype)
    annotated = (targets != IGNORE).to(probability.dtype)
    loss = tversky_loss(probability, truth, annotated)
    if lines:
        loss = loss + lines * centreline_loss(probability, truth, annotated)
    if beside:
        loss = loss + beside * beside_loss(probability, truth, annotated)
    return loss


def _middle(mask: Tensor) -> Tensor:
    """Return the soft skeleton of (N, H, W) values between 0 and 1, by repeated openings."""
    shape = mask[:, None]
    middle = functional.relu(shape - _opened(shape))
    for _ in range(_THINNINGS):
        shape = _eroded(shape)
        part = functional.relu(shape - _opened(shape))
        middle = middle + functional.relu(part - middle * part)
    return middle[:, 0]


def _eroded(x: Tensor) -> Tensor:
    upright = -functional.max_pool2d(-x, (3, 1), 1, (1, 0))
    level = -functional.max_pool2d(-x, (1, 3), 1, (0, 1))
    return torch.minimum(upright, level)


def _opened(x: Tensor) -> Tensor:
    opened: Tensor = functional.max_pool2d(_eroded(x), 3, 1, 1)
    return opened
