"""What trainings on pictures that are made while they learn have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from napari_microcnn.config import SyntheticTrainConfig
from napari_microcnn.models import Model
from napari_microcnn.nets import UNet
from napari_microcnn.train.loop import LoopSettings
from napari_microcnn.train.unfinished import Interrupted

STEPS_PER_EPOCH = 100
_HELD_OUT, _FIRST_HELD_OUT = 32, 10_000_000

Pair = tuple[NDArray[np.float32], NDArray[np.int64]]
"""A normalised picture (1, Y, X) and its targets (Y, X)."""


def epochs_of(config: SyntheticTrainConfig) -> int:
    """Return how many epochs a training has."""
    return max(1, round(config.steps / STEPS_PER_EPOCH))


def loop_settings(config: SyntheticTrainConfig) -> LoopSettings:
    """Return the settings of a loop that learns to its end."""
    return LoopSettings(
        epochs=epochs_of(config), steps_per_epoch=min(STEPS_PER_EPOCH, config.steps), patience=epochs_of(config),
        learning_rate=config.learning_rate, averaging=0.995, bfloat16=config.bfloat16,
    )  # fmt: skip


def seed_of(config: SyntheticTrainConfig, index: int) -> int:
    """Return the seed of picture number `index` of a run."""
    return (config.seed + 1) * 100_000_000 + index


def pictures_before(config: SyntheticTrainConfig, interrupted: Interrupted[Model] | None) -> int:
    """Return how many pictures an interrupted training had learnt, so that new ones follow."""
    return 0 if interrupted is None else interrupted.reached.epoch * STEPS_PER_EPOCH * config.batch


def off_centre(picture: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a picture as it is as a patch of a micrograph: normalised with the whole of it, and so not centred."""
    gain, offset = np.exp(rng.normal(0, 0.25)), rng.normal(0, 0.3)
    return picture * np.float32(gain) + np.float32(offset)


def picture_loader(
    pictures: Dataset[Any], config: SyntheticTrainConfig, device: torch.device, *, ahead: int = 4, **sampling: Any
) -> DataLoader[Any]:
    """Return a loader that makes pictures in processes of their own, where there shall be any.

    Parameters
    ----------
    pictures : Dataset
    config : SyntheticTrainConfig
        Its `workers` is used.
    device : torch.device
    ahead : int
        Batches that every process makes before they are asked for.
    **sampling
        How a `DataLoader` chooses pictures.
    """
    return DataLoader(
        pictures, num_workers=config.workers, pin_memory=device.type == "cuda",
        multiprocessing_context="spawn" if config.workers else None,
        prefetch_factor=ahead if config.workers else None, **sampling,
    )  # fmt: skip


class HeldOut:
    """Pictures that no training sees, which judge a network.

    Parameters
    ----------
    patch : callable
        Makes a picture and its targets from a seed and a side in pixels.
    side : int
    loss : callable
        Of logits and targets.
    parts : callable
        Returns pairs of masks, found and true, from logits and targets; the mean of their IoU is the score.
    """

    def __init__(
        self,
        patch: Callable[[int, int], Pair],
        side: int,
        loss: Callable[[Tensor, Tensor], Tensor],
        parts: Callable[[Tensor, Tensor], Sequence[tuple[Tensor, Tensor]]],
    ) -> None:
        made = [patch(_FIRST_HELD_OUT + index, side) for index in range(_HELD_OUT)]
        self._pictures = torch.from_numpy(np.stack([picture for picture, _ in made]))
        self._targets = torch.from_numpy(np.stack([targets for _, targets in made]))
        self._loss, self._parts = loss, parts

    @torch.inference_mode()
    def __call__(self, net: UNet) -> tuple[float, float]:
        """Return the loss and the mean IoU."""
        device = next(net.parameters()).device
        loss, counts = 0.0, []
        for some, truth in zip(torch.split(self._pictures, 8), torch.split(self._targets, 8), strict=True):
            logits = net(some.to(device)).float().cpu()
            loss += float(self._loss(logits, truth)) * len(some) / len(self._pictures)
            pairs = self._parts(logits, truth)
            counts.append([[int((found & true).sum()), int((found | true).sum())] for found, true in pairs])
        overlap, union = np.sum(counts, axis=0).T
        return loss, float((overlap / np.maximum(union, 1)).mean())
