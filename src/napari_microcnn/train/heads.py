"""Other classes for a network in training: outputs come and go, what the others have learnt stays."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from napari_microcnn.nets import UNet

LOW = 3.0
"""A new output starts so far below the others that it wins nowhere before it was taught."""


def kept_outputs(before: Sequence[int], after: Sequence[int]) -> list[int | None]:
    """Return for every class id of `after` its index in `before`, or None where it is new.

    Examples
    --------
    >>> kept_outputs([1, 2, 4], [1, 4, 7])
    [0, 2, None]
    """
    return [before.index(one) if one in before else None for one in after]


def change_outputs(net: UNet, outputs: Sequence[int | None], seed: int) -> dict[nn.Parameter, nn.Parameter]:
    """Give a network other outputs.

    Parameters
    ----------
    net : UNet
        Changed in place.
    outputs : sequence of int or None
        For every new output the old one that it continues, or None for a fresh one.
    seed : int
        For fresh weights.

    Returns
    -------
    dict
        New parameter of every parameter that was replaced.
    """
    old, needs_gradient = net.head, net.head.weight.requires_grad
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = nn.Conv2d(old.in_channels, len(outputs), old.kernel_size)  # type: ignore[arg-type]
    head = head.to(old.weight.device).requires_grad_(needs_gradient)
    replaced: dict[nn.Parameter, nn.Parameter] = {}
    with torch.no_grad():
        if head.bias is not None and old.bias is not None:
            head.bias.fill_(float(old.bias.min()) - LOW)
        for name, parameter in old.named_parameters():
            fresh = head.get_parameter(name)
            fresh.copy_(with_rows(parameter, fresh, outputs))
            replaced[parameter] = fresh
    net.head = head
    net.config = net.config.model_copy(update={"classes": len(outputs)})
    return replaced


def change_optimiser(
    optimiser: torch.optim.Optimizer, replaced: dict[nn.Parameter, nn.Parameter], outputs: Sequence[int | None]
) -> None:
    """Let an optimiser go on with replaced parameters; what it knows of continued outputs is kept."""
    for group in optimiser.param_groups:
        group["params"] = [replaced.get(parameter, parameter) for parameter in group["params"]]
    for old, new in replaced.items():
        state = optimiser.state.pop(old, None)
        if state is not None:
            optimiser.state[new] = {
                key: with_rows(value, torch.zeros_like(new), outputs) if value.shape == old.shape else value
                for key, value in state.items()
            }


def with_rows(old: Tensor, fresh: Tensor, outputs: Sequence[int | None]) -> Tensor:
    """Return `fresh` with the rows that continue one of `old`."""
    result = fresh.detach().clone()
    for row, before in enumerate(outputs):
        if before is not None:
            result[row] = old[before]
    return result
