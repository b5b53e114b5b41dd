"""A model of nanoparticles from synthetic pictures alone."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from napari_microcnn.config import ClassInfo, ObjectRule, SyntheticTrainConfig, UNetConfig
from napari_microcnn.data import intensity_limits, normalise
from napari_microcnn.device import resolve_device
from napari_microcnn.events import Finished, Job
from napari_microcnn.models import Model, save_model
from napari_microcnn.nets import UNet
from napari_microcnn.synth.nanoparticles import nanoparticles
from napari_microcnn.synth.particle_cores import particle_cores
from napari_microcnn.synth.particle_looks import random_particles
from napari_microcnn.train.loop import Lesson, LoopSettings, train_loop
from napari_microcnn.train.losses import segmentation_loss

CLASSES = (
    ClassInfo(id=0, name="background", colour="#0072b2"),
    ClassInfo(id=1, name="particle", colour="#e69f00"),
)
_STEPS_PER_EPOCH = 100
_VALIDATION_PICTURES = 32


def train_on_particles(
    config: SyntheticTrainConfig, *, checkpoint: Path | None = None, start: Model | None = None
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
    net = _network(config, start).to(device)
    before = {} if start is None else {"started_from": start.name, "started_from_sha256": start.sha256}
    held_out = [torch.stack(list(part)) for part in zip(*_validation_set(config), strict=True)]

    def validate(net: UNet) -> tuple[float, float]:
        return _validate(net, held_out[0], held_out[1], device)

    def snapshot(net: UNet) -> Model:
        model = Model(
            net, CLASSES, ObjectRule(kind="touching", class_id=1), name="nanoparticles",
            provenance={"trained_on": "synthetic nanoparticles", "settings": config.model_dump(), **before},
        ).snapshot()  # fmt: skip
        if checkpoint is not None:
            save_model(model, checkpoint)
        return model

    epochs = max(1, round(config.steps / _STEPS_PER_EPOCH))
    settings = LoopSettings(
        epochs=epochs, steps_per_epoch=min(_STEPS_PER_EPOCH, config.steps), patience=epochs,
        learning_rate=config.learning_rate, averaging=0.995, bfloat16=config.bfloat16,
    )  # fmt: skip
    best = yield from train_loop(net, Lesson(_batches(config, device), particle_loss, validate, snapshot), settings)
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

    def __init__(self, config: SyntheticTrainConfig) -> None:
        self._config = config

    def __len__(self) -> int:
        return (self._config.steps + _STEPS_PER_EPOCH) * self._config.batch

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        seed = (self._config.seed + 1) * 100_000_000 + index
        picture, targets = particle_patch(seed, self._config.patch)
        rng = np.random.default_rng([seed, 4])
        # A patch of a real micrograph is normalised with the whole of it, and so is not centred itself.
        picture = picture * np.float32(np.exp(rng.normal(0, 0.25))) + np.float32(rng.normal(0, 0.3))
        return torch.from_numpy(picture), torch.from_numpy(targets)


def _batches(config: SyntheticTrainConfig, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    loader = DataLoader(
        _Pictures(config), config.batch, num_workers=config.workers, pin_memory=device.type == "cuda",
        multiprocessing_context="spawn" if config.workers else None, prefetch_factor=4 if config.workers else None,
    )  # fmt: skip
    for pictures, targets in loader:
        yield pictures.to(device, non_blocking=True), targets.to(device, non_blocking=True)


def _validation_set(config: SyntheticTrainConfig) -> Iterator[tuple[Tensor, Tensor]]:
    for index in range(_VALIDATION_PICTURES):
        picture, targets = particle_patch(10_000_000 + index, config.patch)
        yield torch.from_numpy(picture), torch.from_numpy(targets)


def _validate(net: UNet, pictures: Tensor, targets: Tensor, device: torch.device) -> tuple[float, float]:
    """Return loss and mean IoU, of background, particles and cores, over the validation pictures."""
    loss, overlap, union = 0.0, torch.zeros(3), torch.zeros(3)
    with torch.inference_mode():
        for some, truth in zip(torch.split(pictures, 8), torch.split(targets, 8), strict=True):
            logits = net(some.to(device)).float().cpu()
            loss += float(particle_loss(logits, truth)) * len(some) / len(pictures)
            particle = logits[:, 1] > logits[:, 0]
            pairs = ((~particle, truth == 0), (particle, truth > 0), (logits[:, 2] > 0, truth == 2))
            for k, (found, true) in enumerate(pairs):
                overlap[k] += (found & true).sum()
                union[k] += (found | true).sum()
    return loss, float((overlap / union.clamp_min(1)).mean())
