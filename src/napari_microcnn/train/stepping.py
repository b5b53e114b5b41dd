"""One step of an optimiser, with gradients that are not too large."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_LARGEST_GRADIENT = 1.0
"""Norm of all gradients together; larger ones are made as small."""


def clipped_step(net: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    """Take a step; none where gradients are infinite or not numbers, for one bad batch must not spoil the weights.

    Parameters
    ----------
    net : nn.Module
        With gradients.
    optimiser : torch.optim.Optimizer
        Of all its weights; with CUDA a fused one.
    """
    gradients = [weight.grad for weight in net.parameters() if weight.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients, foreach=True)
    if norm.device.type == "cuda":
        blind_step(optimiser, norm)
    elif torch.isfinite(norm):
        if norm > _LARGEST_GRADIENT:
            torch.nn.utils.clip_grads_with_norm_(net.parameters(), _LARGEST_GRADIENT, norm, foreach=True)
        optimiser.step()


def blind_step(optimiser: torch.optim.Optimizer, norm: Tensor) -> None:
    """Do the same without looking at the norm, for which the card would have to be waited for.

    Fused optimisers divide the gradients by `grad_scale`, and leave all as it is where `found_inf` is 1: that is how
    they work with a `torch.amp.GradScaler`.
    """
    optimiser.grad_scale = (norm / _LARGEST_GRADIENT).clamp_min(1)  # type: ignore[attr-defined]
    optimiser.found_inf = (~torch.isfinite(norm)).float()  # type: ignore[attr-defined]
    optimiser.step()
    del optimiser.grad_scale, optimiser.found_inf  # type: ignore[attr-defined]
