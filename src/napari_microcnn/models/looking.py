"""What a classifier's network says about windows of images: the same while it learns and when it is used."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize
from torch import Tensor, nn

from napari_microcnn.data.orientations import Orientation

LOOKS = 24
"""Windows, counted in every orientation that they are seen in, that the class of an image costs at most."""
COLDEST, HOTTEST = 0.05, 50.0
"""Bounds of the temperature."""
SPREAD = 0.5
"""Standard deviation of its logarithm that is expected beforehand."""


@torch.inference_mode()
def window_logits(
    net: nn.Module, windows: NDArray[np.float32], orientations: Sequence[Orientation], batch: int = 64
) -> NDArray[np.float32]:
    """Return the logits of windows, averaged over orientations.

    Parameters
    ----------
    net : torch.nn.Module
        In inference mode.
    windows : numpy.ndarray, (N, C, S, S) float32
        Normalised.
    orientations : sequence of Orientation
    batch : int
        Windows computed at once.

    Returns
    -------
    numpy.ndarray, (N, K) float32
    """
    device = next(net.parameters()).device
    found: list[Tensor] = []
    for start in range(0, len(windows), batch):
        part = torch.from_numpy(windows[start : start + batch]).to(device)
        answers = [net(one.apply(part).contiguous(memory_format=torch.channels_last)).float() for one in orientations]
        found.append(torch.stack(answers).mean(dim=0).cpu())
    return torch.cat(found).numpy()


def image_logits(
    net: nn.Module, windows: NDArray[np.float32], orientations: Sequence[Orientation], batch: int = 64
) -> NDArray[np.float32]:
    """Return the mean logits, (K,), of the windows of one image.

    Of few windows each is seen in all orientations; of many each in some of them, all orientations
    alike often, so that an image costs about `LOOKS` windows at most.

    Parameters
    ----------
    net, windows, orientations, batch
        As for `window_logits`.
    """
    count = len(windows)
    each = min(len(orientations), max(1, -(-LOOKS // count)))
    numbers = np.arange(count * each) % len(orientations)
    owners = np.repeat(np.arange(count), each)
    total: NDArray[np.float32] | None = None
    for number, one in enumerate(orientations):
        chosen = owners[numbers == number]
        if len(chosen):
            part = window_logits(net, windows[chosen], (one,), batch).sum(axis=0)
            total = part if total is None else total + part
    if total is None:
        raise ValueError("There is no window to look at.")
    return np.asarray(total / len(numbers))


def probabilities(logits: NDArray[np.float32], temperature: float = 1.0) -> NDArray[np.float32]:
    """Return the probabilities of the classes, (..., K) float32, of logits at a temperature."""
    scaled = torch.from_numpy(np.asarray(logits, np.float32)) / temperature
    return np.asarray(torch.softmax(scaled, dim=-1).numpy())


def fitted_temperature(logits: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    """Return the temperature at which the probabilities of held-out images are as often right as they say.

    The one number that logits are divided by (Guo et al., ICML 2017), found by maximum likelihood.
    Targets of (n + 1/2) / (n + 1) instead of one, as Platt's but with the prior of Jeffreys, and a
    lognormal prior around one keep it sensible where few images are held out, or all are right.

    Parameters
    ----------
    logits : numpy.ndarray, (N, K)
    truth : numpy.ndarray, (N,)
        Indices of the true classes.
    """
    count, classes = logits.shape
    wrong = 0.5 / (count + 1)
    targets = np.full((count, classes), wrong / (classes - 1))
    targets[np.arange(count), truth] = 1 - wrong
    exact = torch.from_numpy(logits.astype(np.float64))
    wanted = torch.from_numpy(targets)

    def loss(logarithm: float) -> float:
        likelihood = float((wanted * torch.log_softmax(exact / np.exp(logarithm), dim=1)).sum())
        return (logarithm / SPREAD) ** 2 / 2 - likelihood

    found = optimize.minimize_scalar(loss, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded")
    return float(np.exp(found.x))
