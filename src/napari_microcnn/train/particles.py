"""A model of nanoparticles from synthetic pictures alone."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from napari_microcnn.config import ClassInfo, ObjectRule, SyntheticTrainConfig, UNetConfig
from napari_microcnn.data import intensity_limits, normalise
from napari_microcnn.device import resolve_device
from napari_microcnn.events import Finished, Job
from napari_microcnn.models import Model, save_model
from napari_microcnn.nets import UNet
from napari_microcnn.synth.nanoparticles import nanoparticles
from napari_microcnn.synth.particle_cores import particle_cores
from napari_microcnn.synth.particle_looks import random_particles
from napari_microcnn.train.generated import (
    STEPS_PER_EPOCH,
    HeldOut,
    loop_settings,
    off_centre,
    picture_loader,
    pictures_before,
    seed_of,
)
from napari_microcnn.train.loop import Lesson, train_loop
from napari_microcnn.train.losses import segmentation_loss
from napari_microcnn.train.unfinished import Interrupted

CLASSES = (
    ClassInfo(id=0, name="background", colour="#0072b2"),
    ClassInfo(id=1, name="particle", colour="#e69f00"),
)


def train_on_particles(
    config: SyntheticTrainConfig,
    *,
    checkpoint: Path | None = None,
    start: Model | None = None,
    interrupted: Interrupted[Model] | None = None,
) -> Job[Model]:
    """Train the model ``nanoparticles`` from nothing but random synthetic pictures.

    Parameters
    ----------
    config : SyntheticTrainConfig
        All but `adaptive` is used.
    checkpoint : Path, optional
        File that gets the best weights so far.
    start : Model, optional
        Model of nanoparticles whose training goes on; `width` and `depth` are then its own.
    interrupted : Interrupted, optional
        Go on where this training with the same settings was.

    Yields
    ------
    Event
        `BatchDone` and `EpochDone`, in the end ``Finished[Model]``.

    Raises
    ------
    ValueError
        If `start` is not a model of nanoparticles.
    """
    device = resolve_device(config.device)
    torch.manual_seed(config.seed)
    net = _network(config, interrupted.model if interrupted else start).to(device)
    before = {} if start is None else {"started_from": start.name, "started_from_sha256": start.sha256}
    held_out = HeldOut(particle_patch, config.patch, particle_loss, _parts)

    def snapshot(net: UNet) -> Model:
        model = Model(
            net, CLASSES, ObjectRule(kind="touching", class_id=1), name="nanoparticles",
            provenance={"trained_on": "synthetic nanoparticles", "settings": config.model_dump(), **before},
        ).snapshot()  # fmt: skip
        if checkpoint is not None:
            save_model(model, checkpoint)
        return model

    batches = _batches(config, device, pictures_before(config, interrupted))
    lesson = Lesson(batches, particle_loss, held_out, snapshot)
    best = yield from train_loop(net, lesson, loop_settings(config), interrupted=interrupted)
    yield Finished(best)


def _network(config: SyntheticTrainConfig, start: Model | None) -> UNet:
    if start is None:
        return UNet(UNetConfig(classes=len(CLASSES) + 1, width=config.width, depth=config.depth))
    if start.classes != CLASSES or not start.tells_cores or start.config.channels != 1:
        raise ValueError(
            f"A training on synthetic nanoparticles can only go on from a model of nanoparticles of one channel, "
            f"not from {start.name}; name another one, or none to start anew."
        )
    return copy.deepcopy(start.net).requires_grad_(True)


def particle_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the loss of both classes and that of the cores.

    Parameters
    ----------
    logits : Tensor, (N, 3, H, W) float32
        Background, particle, and core of a particle or not.
    targets : Tensor, (N, H, W) int64
        0 = background, 1 = particle, 2 = core of a particle.
    """
    cores = torch.stack([torch.zeros_like(logits[:, 2]), logits[:, 2]], dim=1)
    return segmentation_loss(logits[:, :2], targets.clamp(max=1)) + segmentation_loss(cores, (targets == 2).long())


def particle_patch(seed: int, side: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return a normalised picture (1, Y, X) and its targets (Y, X), see `particle_loss`."""
    made = nanoparticles(random_particles(seed, side, side), seed)
    picture = normalise(made.image, intensity_limits(made.image))
    return picture, made.mask.astype(np.int64) + particle_cores(made.labels)


class _Pictures(Dataset[tuple[Tensor, Tensor]]):
    """Picture number i of a run, the same wherever and in whatever order it is made."""

    def __init__(self, config: SyntheticTrainConfig, first: int) -> None:
        self._config, self._first = config, first

    def __len__(self) -> int:
        return (self._config.steps + STEPS_PER_EPOCH) * self._config.batch

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        seed = seed_of(self._config, self._first + index)
        picture, targets = particle_patch(seed, self._config.patch)
        picture = off_centre(picture, np.random.default_rng([seed, 4]))
        return torch.from_numpy(picture), torch.from_numpy(targets)


def _batches(config: SyntheticTrainConfig, device: torch.device, first: int) -> Iterator[tuple[Tensor, Tensor]]:
    loader = picture_loader(_Pictures(config, first), config, device, batch_size=config.batch)
    for pictures, targets in loader:
        yield pictures.to(device, non_blocking=True), targets.to(device, non_blocking=True)


def _parts(logits: Tensor, truth: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return background, particles and cores, found and true."""
    particle = logits[:, 1] > logits[:, 0]
    return [(~particle, truth == 0), (particle, truth > 0), (logits[:, 2] > 0, truth == 2)]
