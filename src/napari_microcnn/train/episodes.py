"""Telling phases apart from a few strokes, without training: by the features that are nearest to those of a stroke.

After Snell, Swersky and Zemel, "Prototypical networks for few-shot learning" (2017), pixel by pixel: a phase is the
mean of the features below its strokes. A network whose features tell the phases of one picture apart by the strokes
on another one of the same material has learnt what to look at before it sees the first stroke of a user.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_microcnn.data import IGNORE, intensity_limits, normalise
from napari_microcnn.synth.phases import Material, photograph, random_material
from napari_microcnn.train.losses import dice_loss

_TRIES = 10
_STROKES, _LENGTHS = (1, 4), (3, 40)
"""Fewest and most per phase, and pixels."""

Episode = tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.uint8]]
"""Two normalised pictures of a material (2, 1, Y, X), their phases (2, Y, X), and strokes on the first (Y, X)."""


def random_episode(seed: int, side: int) -> Episode:
    """Draw a material, two pictures of it, and strokes on the first of them, `IGNORE` where nothing is painted."""
    rng = np.random.default_rng([seed, 13])
    for number in range(seed * _TRIES, (seed + 1) * _TRIES):
        material = random_material(number)
        made = [photograph(material, 2 * number + second, side) for second in (0, 1)]
        phases = np.stack([phases for _, phases in made])
        if len(np.unique(phases[0])) == material.phases and phases[1].any():
            break
    images = np.stack([normalise(image, intensity_limits(image)) for image, _ in made])
    return images, phases, _strokes(phases[0], material, rng)


def _strokes(phases: NDArray[np.uint8], material: Material, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Paint short straight strokes that end where their phase ends."""
    strokes = np.full(phases.shape, IGNORE, np.uint8)
    for number in range(material.phases):
        places = np.argwhere(phases == number)
        for _ in range(int(rng.integers(_STROKES[0], _STROKES[1] + 1)) if len(places) else 0):
            angle = rng.uniform(0, 2 * np.pi)
            along = np.arange(int(rng.integers(*_LENGTHS)))[:, None]
            path = (places[rng.integers(len(places))] + along * [np.sin(angle), np.cos(angle)]).round().astype(int)
            inside = ((path >= 0) & (path < phases.shape)).all(axis=1)
            path = path[np.logical_and.accumulate(inside)]
            path = path[np.logical_and.accumulate(phases[tuple(path.T)] == number)]
            strokes[tuple(path.T)] = number
    return strokes


def prototypes(features: Tensor, strokes: Tensor) -> tuple[Tensor, list[int]]:
    """Return the mean features of every phase that was painted, (P, D), and the phases.

    Parameters
    ----------
    features : Tensor, (D, H, W)
    strokes : Tensor, (H, W)
        Phases, or `IGNORE`.
    """
    painted = strokes != IGNORE
    values, numbers = features[:, painted], strokes[painted]
    found = [int(number) for number in torch.unique(numbers)]
    return torch.stack([values[:, numbers == number].mean(dim=1) for number in found]), found


def likeness(features: Tensor, means: Tensor) -> Tensor:
    """Return how near features are to every mean, as scores (N, P, H, W) of which a softmax gives probabilities.

    The squared distance, less what is the same for all: scores that are linear in the features, as those of a head.
    """
    scores = 2 * torch.einsum("ndhw,pd->nphw", features, means) - means.square().sum(dim=1)[:, None, None]
    return scores / math.sqrt(means.shape[1])


def episode_scores(features: Tensor, phases: Tensor, strokes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the scores of the painted phases in both pictures, (2, P, H, W), and their targets (2, H, W)."""
    means, found = prototypes(features[0], strokes)
    targets = torch.full_like(phases, IGNORE, dtype=torch.int64)
    for index, number in enumerate(found):
        targets[phases == number] = index
    return likeness(features, means), targets


def episode_loss(scores: Tensor, targets: Tensor) -> Tensor:
    """Return cross-entropy plus Dice; rare phases count more, by the root of how rare they are."""
    count = scores.shape[1]
    wanted = (targets[:, None] == torch.arange(count, device=targets.device)[:, None, None]).to(scores.dtype)
    known = (targets != IGNORE)[:, None]
    occurring = wanted.sum(dim=(0, 2, 3))
    weights = (occurring.sum() / occurring.clamp_min(1)).sqrt()
    surprise = -(wanted * torch.log_softmax(scores, dim=1)).sum(dim=(0, 2, 3))
    cross_entropy = (surprise * weights).sum() / (occurring * weights).sum()
    return cross_entropy + dice_loss(torch.softmax(scores, dim=1) * known, wanted)


def episode_iou(scores: Tensor, targets: Tensor) -> float:
    """Return the mean IoU of the phases in the second picture, which had no strokes."""
    found, truth = scores[1].argmax(dim=0), targets[1]
    known = truth != IGNORE
    pairs = [((found == number) & known, truth == number) for number in torch.unique(truth[known])]
    return float(np.mean([int((one & other).sum()) / int((one | other).sum()) for one, other in pairs]))
