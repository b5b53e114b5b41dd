"""The picture that excites a filter most (Erhan et al., 2009; Olah, Mordvintsev and Schubert, Distill, 2017)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from napari_microcnn.data.normalisation import CLIP
from napari_microcnn.events import Finished, Job, Progress
from napari_microcnn.explain.activations import check_channel
from napari_microcnn.explain.layers import listening

_JITTER = 4
_RATE = 0.1
_SMOOTH = 0.02
"""Weight of the total variation, which keeps the picture from becoming a pattern of single pixels."""


def excite(
    net: nn.Module, shape: tuple[int, int, int], layer: str, channel: int, *, steps: int = 128, seed: int = 0
) -> Job[NDArray[np.float32]]:
    """Climb from noise to a picture that excites a filter, or an output of the network.

    The picture is shaken by some pixels at every step, so that what it shows does not depend on
    where the poolings happen to begin, and kept smooth by a small weight on its total variation.

    Parameters
    ----------
    net : torch.nn.Module
        In inference mode.
    shape : tuple of int
        Channels, height and width of the picture.
    layer : str
        Name of a module of the network.
    channel : int
        Index of its filter or number, from 0.
    steps : int
    seed : int
        Of the noise and the shaking.

    Yields
    ------
    Progress, Finished
        ``Finished`` holds (C, H, W) float32, normalised as images are: medium grey is 0.

    Raises
    ------
    ValueError
        If there is no such layer or filter.
    """
    generator = torch.Generator().manual_seed(seed)
    device = next(net.parameters()).device
    start = 0.1 * torch.randn((1, *shape), generator=generator)
    picture = start.to(device).requires_grad_()
    optimiser = torch.optim.Adam([picture], lr=_RATE)
    for step in range(steps):
        shift = torch.randint(-_JITTER, _JITTER + 1, (2,), generator=generator).tolist()
        with torch.enable_grad(), listening(net, layer) as heard:
            net(picture.roll(shift, dims=(2, 3)))
            answer = _answer(heard, layer, channel)
            loss = _SMOOTH * _variation(picture) - answer
            picture.grad = torch.autograd.grad(loss, picture)[0]
        optimiser.step()
        with torch.no_grad():
            picture.clamp_(-CLIP / 2, CLIP / 2)
        yield Progress(step + 1, steps, f"Answer {answer.item():.3g}")
    yield Finished(np.asarray(picture.detach()[0].cpu().numpy()))


def _answer(heard: list[Tensor], layer: str, channel: int) -> Tensor:
    if not heard:
        raise ValueError(f"The layer {layer!r} is not used by the network; choose another one.")
    check_channel(layer, channel, heard[-1].shape[1])
    return heard[-1][:, channel].mean()


def _variation(picture: Tensor) -> Tensor:
    down = functional.l1_loss(picture[..., 1:, :], picture[..., :-1, :])
    return down + functional.l1_loss(picture[..., :, 1:], picture[..., :, :-1])
