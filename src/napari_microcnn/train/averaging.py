"""The mean of the weights over the latest steps, which is steadier than those of the last step."""

from __future__ import annotations

import copy
from itertools import compress

import torch

from napari_microcnn.nets import UNet

_EVERY = 2
"""Steps from one update to the next: neighbouring weights hardly differ, and half of the time is saved."""


class Average:
    """Exponential moving average of weights and batch statistics.

    Parameters
    ----------
    net : UNet
    decay : float
        0 switches it off: then `net` is the network itself.

    Attributes
    ----------
    net : UNet
        The averaged network, in inference mode.
    """

    def __init__(self, net: UNet, decay: float) -> None:
        self._source, self._decay, self._steps = net, decay, 0
        self.net = copy.deepcopy(net).eval().requires_grad_(False) if decay else net

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after a step; early on the average is short, so that it starts off quickly."""
        if self.net is self._source:
            return
        self._steps += 1
        if self._steps % _EVERY:
            return
        decay = min(self._decay, self._steps / (10 + self._steps)) ** _EVERY
        means, values = (list(net.state_dict().values()) for net in (self.net, self._source))
        fractions = [mean.is_floating_point() for mean in means]
        torch._foreach_lerp_(list(compress(means, fractions)), list(compress(values, fractions)), 1 - decay)
        for mean, value, fraction in zip(means, values, fractions, strict=True):
            if not fraction:
                mean.copy_(value)

    def remember(self, steps: int) -> None:
        """Let the average be as long as after so many steps: the weights that it started with count."""
        self._steps = steps

    def forget(self) -> None:
        """Let the average be short again: after a change the weights before it count less."""
        self._steps = min(self._steps, 10)
