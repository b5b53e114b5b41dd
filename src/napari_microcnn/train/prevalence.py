"""How frequent the classes are, which strokes do not tell.

A network that has seen every class equally often finds too much of the rare ones. How often they
really occur can be estimated from its answers to pixels that nobody annotated, and its scores be
set right (Saerens, Latinne and Decaestecker, 2002, "Adjusting the outputs of a classifier to new a
priori probabilities: a simple procedure", Neural Computation 14).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_microcnn.data.patches import Source, crop
from napari_microcnn.device import fast_bfloat16
from napari_microcnn.nets import UNet

FACTORS = "class_factors"
"""Under which name a model's provenance tells with what its probabilities were multiplied."""

SQUARES = 24
_AT_ONCE = 6
_STRIDE = 3
_ROUNDS = 30
_LEAST = 0.02
"""A class that the network hardly finds is not taken for rarer than this share of what it was trained at."""


class Prevalence:
    """Follows a network on a fixed set of squares from anywhere in the images.

    Parameters
    ----------
    sources : sequence of Source
    classes : int
    side : int
        Side of the squares; the network must take it.
    seed : int
    device : torch.device
    """

    def __init__(self, sources: Sequence[Source], classes: int, side: int, seed: int, device: torch.device) -> None:
        rng = np.random.default_rng(seed)
        areas = np.array([source.targets.size for source in sources], float)
        chosen = rng.choice(len(sources), SQUARES, p=areas / areas.sum())
        squares = []
        for source in (sources[number] for number in chosen):
            top, left = (int(rng.integers(max(1, length - side + 1))) for length in source.targets.shape)
            squares.append(crop(source, top, left, side)[0])
        self._images = torch.from_numpy(np.stack(squares)).to(device)
        self._found: list[NDArray[np.float32]] = []
        self._factors, self._next = np.ones(classes, np.float32), 0

    def follow(self, net: UNet) -> None:
        """Look at a few squares with a network in inference mode; what was seen of them before is forgotten."""
        count = SQUARES if not self._found else _AT_ONCE
        for _ in range(0, count, _AT_ONCE):
            seen = _probabilities(net, self._images[self._next : self._next + _AT_ONCE])
            place = self._next // _AT_ONCE
            self._found[place : place + 1] = [seen]
            self._next = (self._next + _AT_ONCE) % SQUARES
        self._factors = prior_factors(np.concatenate(self._found))

    def factors(self) -> NDArray[np.float32]:
        """Return by how much more frequent every class is than in the training, (K,); ones before `follow`."""
        return self._factors

    def set_right(self, net: UNet) -> UNet:
        """Return a copy of a network whose scores know how frequent the classes are."""
        copied = copy.deepcopy(net)
        _shift(copied, np.log(self.factors()))
        return copied


def as_learnt(net: UNet, factors: Sequence[float]) -> None:
    """Undo `Prevalence.set_right`, so that the training can go on."""
    _shift(net, -np.log(np.asarray(factors, np.float32)))


@torch.no_grad()
def _shift(net: UNet, by: NDArray[np.float32]) -> None:
    """Add to the scores of the classes."""
    if net.head.bias is not None:
        net.head.bias += torch.from_numpy(by).to(net.head.bias)


@torch.inference_mode()
def _probabilities(net: UNet, images: Tensor) -> NDArray[np.float32]:
    """Return some pixels' probabilities, (M, K)."""
    with torch.autocast(images.device.type, torch.bfloat16, enabled=fast_bfloat16(images.device)):
        logits: Tensor = net(images.contiguous(memory_format=torch.channels_last))
    scores = logits.float()[:, :, ::_STRIDE, ::_STRIDE].permute(0, 2, 3, 1).flatten(0, 2)
    return scores.softmax(dim=1).cpu().numpy()


def prior_factors(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Estimate prior probabilities by expectation maximisation, relative to equal ones.

    Pixels count by the square of how sure the network is, the rest of their weight counts as equally frequent
    classes: else a network that has not learnt much yet would take one class for the only one.

    Parameters
    ----------
    probabilities : numpy.ndarray, (M, K) float32
        Of a network trained with all classes equally frequent.

    Returns
    -------
    numpy.ndarray, (K,) float32
        Prior of every class times K; to multiply probabilities with.

    Examples
    --------
    >>> sure = np.array([[0.99, 0.01]] * 9 + [[0.01, 0.99]], np.float32)
    >>> prior_factors(sure).round(1)
    array([1.8, 0.2], dtype=float32)
    """
    classes = probabilities.shape[1]
    sure = ((classes * probabilities.max(axis=1) - 1) / (classes - 1)) ** 2
    factors = np.ones(classes)
    for _ in range(_ROUNDS):
        weighed = probabilities * factors
        weighed /= weighed.sum(axis=1, keepdims=True)
        factors = np.maximum(1 + (sure[:, None] * (classes * weighed - 1)).mean(axis=0), _LEAST)
    return factors.astype(np.float32)
