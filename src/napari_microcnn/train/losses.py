"""What training makes small."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from napari_microcnn.data import IGNORE
from napari_microcnn.train.processes import summed

_ALL_BUT_CLASSES = (0, 2, 3)


def segmentation_loss(logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy plus Dice loss over the annotated pixels.

    Cross-entropy makes every pixel right, Dice every class: together small classes count.

    Parameters
    ----------
    logits : Tensor, (N, K, H, W) float32
    targets : Tensor, (N, H, W) int64
        Class indices 0..K-1, or `IGNORE`.
    weights : Tensor, (K,) float32, optional
        Weight of every class in the cross-entropy.

    Returns
    -------
    Tensor
        Scalar; 0 (with a gradient) where nothing is annotated.
    """
    logits = logits.contiguous()  # with the classes apart, like the targets: mixed orders take twice as long
    numbers = torch.arange(logits.shape[1], device=logits.device)
    wanted = (targets[:, None] == numbers[:, None, None]).to(logits.dtype)  # (N, K, H, W), 0 where nothing is annotated
    occurring = summed(wanted.sum(dim=_ALL_BUT_CLASSES))
    if not occurring.any():
        return logits.sum() * 0
    shifted, powers, total = _powers(logits)
    surprise = summed((wanted * (total.log() - shifted)).sum(dim=_ALL_BUT_CLASSES))
    shares = occurring if weights is None else occurring * weights
    cross_entropy = (surprise if weights is None else surprise * weights).sum() / shares.sum()
    return cross_entropy + dice_loss(powers / total * (targets != IGNORE)[:, None], wanted)


def _powers(logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the scores below the largest one, their exponentials and the sum of these over the classes.

    Softmax and choice by hand, class by class: those of torch take three times as long over few classes.
    """
    shifted = logits - logits.detach().amax(dim=1, keepdim=True)
    powers = shifted.exp()
    return shifted, powers, powers.sum(dim=1, keepdim=True)


def dice_loss(probabilities: Tensor, wanted: Tensor) -> Tensor:
    """Return 1 minus the soft Dice score, averaged over the classes that occur.

    Parameters
    ----------
    probabilities : Tensor, (N, K, H, W) float32
        0 where nothing is annotated.
    wanted : Tensor, (N, K, H, W) float32
        1 for the class of an annotated pixel, else 0.
    """
    overlap = summed((probabilities * wanted).sum(dim=_ALL_BUT_CLASSES))
    occurring = summed(wanted.sum(dim=_ALL_BUT_CLASSES))
    size = summed(probabilities.sum(dim=_ALL_BUT_CLASSES)) + occurring
    score: Tensor = 1 - (2 * overlap / size.clamp_min(torch.finfo(size.dtype).eps))[occurring > 0].mean()
    return score


def edge_loss(logits: Tensor, images: Tensor) -> Tensor:
    """Penalise changes of class where the image does not change: strokes say nothing about edges.

    Pairs of pixels up to four pixels apart should have the same class, the more so the more their
    grey values agree (after the gated CRF loss of Obukhov et al., 2019, without its gates). What
    counts as agreement is measured against the mean difference of such pairs in the same patch,
    so that weak contrast or a bright databar somewhere else do not matter.

    Parameters
    ----------
    logits : Tensor, (N, K, H, W) float32
    images : Tensor, (N, C, H, W) float32
        Normalised, without added noise.

    Returns
    -------
    Tensor
        Scalar between 0 and 1.
    """
    _, powers, total = _powers(logits.contiguous())
    value: Tensor = _Disagreement.apply(powers / total, images)  # type: ignore[no-untyped-call]
    return value


_NEIGHBOURS = [
    (down * distance, right * distance)
    for distance in (1, 2, 4)
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1))
]  # fmt: skip


class _Disagreement(torch.autograd.Function):
    """How far neighbours that look alike have other classes, (N, K, H, W) probabilities and (N, C, H, W) images.

    The sum over pairs of ``alike * (1 - here * there)`` has the slope ``-alike * there`` in one pixel of a pair and
    ``-alike * here`` in the other, and is itself known from that: a third of the time of a recorded computation.
    """

    @staticmethod
    def forward(ctx: Any, probabilities: Tensor, images: Tensor) -> Tensor:
        slope = torch.zeros_like(probabilities)
        value = probabilities.new_zeros(())
        for step in _NEIGHBOURS:
            alike = _likeness(images, *step)
            alike = alike.div_(alike.numel() * len(_NEIGHBOURS))[:, None]
            value += alike.sum()
            here, there = _pairs(probabilities, *step)
            slope_here, slope_there = _pairs(slope, *step)
            slope_here.addcmul_(there, alike, value=-1)
            slope_there.addcmul_(here, alike, value=-1)
        ctx.save_for_backward(slope)
        return value + torch.dot(probabilities.flatten(), slope.flatten()) / 2

    @staticmethod
    def backward(ctx: Any, factor: Tensor) -> tuple[Tensor, None]:
        return factor * ctx.saved_tensors[0], None


def _likeness(images: Tensor, down: int, right: int) -> Tensor:
    """Return (N, H, W), how far pixels look like those so far away: 1 for the same, less for other grey values."""
    here, there = _pairs(images, down, right)
    difference = (here - there).square_()
    difference = difference[:, 0] if difference.shape[1] == 1 else difference.mean(dim=1)
    usual = difference.mean(dim=(1, 2), keepdim=True).clamp_min(1e-6)
    return difference.div_(-2 * usual).exp_()


def _pairs(x: Tensor, down: int, right: int) -> tuple[Tensor, Tensor]:
    """Return (..., H, W) values and those of the pixels so far below and to the right of them."""
    height, width = x.shape[-2:]
    left, beyond = max(0, -right), max(0, right)
    here = x[..., : height - down, left : width - beyond]
    there = x[..., down:, left + right : width - beyond + right]
    return here, there
