"""Steps with clipped gradients: with and without looking at their norm."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from napari_microcnn.config import UNetConfig
from napari_microcnn.nets import UNet
from napari_microcnn.train.stepping import blind_step, clipped_step


def trained(size: float, steps: int, *, blind: bool) -> tuple[UNet, float]:
    """Return a network after steps of a loss of some size, and the last norm of its gradients."""
    torch.manual_seed(0)
    net = UNet(UNetConfig(width=4, depth=1)).train()
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-2, fused=True)
    images, norm = torch.rand(2, 1, 16, 16), torch.zeros(())
    for _ in range(steps):
        optimiser.zero_grad(set_to_none=True)
        (size * net(images).square().mean()).backward()
        norm = torch.nn.utils.get_total_norm([weight.grad for weight in net.parameters() if weight.grad is not None])
        if blind:
            blind_step(optimiser, norm)
        else:
            clipped_step(net, optimiser)
    return net, float(norm)


@pytest.mark.parametrize(("size", "clipped"), [(0.01, False), (100.0, True)])
def test_nobody_needs_to_look_at_the_norm(size: float, clipped: bool) -> None:
    looked, norm = trained(size, 5, blind=False)
    assert (norm > 1) == clipped
    blind, _ = trained(size, 5, blind=True)
    for one, other in zip(looked.parameters(), blind.parameters(), strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("value", [math.inf, math.nan])
@pytest.mark.parametrize("blind", [False, True])
def test_a_bad_batch_changes_nothing(value: float, blind: bool) -> None:
    net, _ = trained(1.0, 2, blind=blind)
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-2, fused=True)
    before = copy.deepcopy(net.state_dict())
    for weight in net.parameters():
        weight.grad = torch.full_like(weight, value)
    if blind:
        blind_step(optimiser, torch.tensor(value))
    else:
        clipped_step(net, optimiser)
    assert all(torch.equal(one, other) for one, other in zip(before.values(), net.state_dict().values(), strict=True))
    for weight in net.parameters():
        weight.grad = torch.ones_like(weight)
    clipped_step(net, optimiser)  # and the next batch is learnt from
    assert not any(torch.equal(before[name], weight) for name, weight in net.named_parameters())
