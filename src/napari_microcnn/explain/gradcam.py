"""Grad-CAM and guided Grad-CAM (Selvaraju et al., ICCV 2017), for classifiers and for segmenters.

For segmenters the score is the mean logit over the pixels of interest (Vinogradova et al., AAAI
2020). Written for autograd and not for hooks on modules: it takes networks whose ReLUs work in
place or are not modules at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from napari_microcnn.explain.layers import checked_maps, listening
from napari_microcnn.explain.target import Target

_RELUS = {"relu", "relu_"}


def grad_cam(net: nn.Module, images: Tensor, target: Target, layer: str) -> Tensor:
    """Return where the maps of a layer speak for a class: relu(sum over f of mean(d score / d A_f) A_f).

    Parameters
    ----------
    net : torch.nn.Module
        In inference mode.
    images : torch.Tensor, (N, C, H, W)
    target : Target
    layer : str
        Name of a module of the network whose result is maps A, (N, F, h, w).

    Returns
    -------
    torch.Tensor, (N, h, w)
        Not scaled.

    Raises
    ------
    ValueError
        If there is no such layer, it has no maps, or the score does not depend on it.
    """
    found = slopes_at(net, images, target, layer)
    return heat_of_maps(found.maps, found.slopes.mean(dim=(2, 3)))


@dataclass(frozen=True, eq=False)
class Slopes:
    """Maps A of a layer, (N, F, h, w), d score / d A in the same shape, and the network's logits."""

    maps: Tensor
    slopes: Tensor
    logits: Tensor


def slopes_at(net: nn.Module, images: Tensor, target: Target, layer: str) -> Slopes:
    """Return what Grad-CAM is made of; see `grad_cam`."""
    with torch.enable_grad(), listening(net, layer, apart=True) as heard:
        logits = net(images.detach())
        maps = checked_maps(heard, layer)
        scores = target.scores(logits).sum()
        slopes = torch.autograd.grad(scores, maps, allow_unused=True)[0] if scores.requires_grad else None
    if slopes is None:
        raise ValueError(f"The score of the class does not depend on the layer {layer!r}; choose another one.")
    return Slopes(maps.detach(), slopes, logits.detach())


def heat_of_maps(maps: Tensor, weights: Tensor) -> Tensor:
    """Return relu(sum over f of w_f A_f), (N, h, w), of maps (N, F, h, w) and weights (N, F)."""
    return torch.einsum("nf,nfhw->nhw", weights, maps).relu()


def guided_gradients(net: nn.Module, images: Tensor, target: Target) -> Tensor:
    """Return guided backpropagation, (N, C, H, W): the gradient, of which every ReLU lets only what is positive pass.

    Springenberg et al., 2015.
    """
    with torch.enable_grad(), GuidedReLUs():
        source = images.detach().requires_grad_()
        scores = target.scores(net(source))
        slopes: Tensor = torch.autograd.grad(scores.sum(), source)[0]
    return slopes


def guided_grad_cam(
    net: nn.Module, images: Tensor, target: Target, layer: str, enlarge: Callable[[Tensor], Tensor]
) -> Tensor:
    """Return guided gradients (N, C, H, W) weighted with Grad-CAM, which `enlarge` brings to (N, H, W)."""
    heat = enlarge(grad_cam(net, images, target, layer))
    return guided_gradients(net, images, target) * heat[:, None]


class _GuidedReLU(torch.autograd.Function):
    """ReLU whose gradient is cut at zero, too."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        result = values.relu()
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:
        (result,) = ctx.saved_tensors
        allowed: Tensor = slopes[0].relu() * (result > 0)
        return allowed


class GuidedReLUs(TorchFunctionMode):
    """While it is active, every ReLU, module or function, in place or not, is a guided one."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Compute the function, or its guided counterpart."""
        if getattr(func, "__name__", "") in _RELUS:
            return _GuidedReLU.apply(args[0])  # type: ignore[no-untyped-call]
        return func(*args, **(kwargs or {}))
