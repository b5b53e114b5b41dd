"""A grain-boundary model from synthetic micrographs alone."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from napari_microcnn.config import ClassInfo, ImagingConfig, ObjectRule, SyntheticTrainConfig, UNetConfig, VoronoiConfig
from napari_microcnn.data import intensity_limits, normalise
from napari_microcnn.device import resolve_device
from napari_microcnn.events import Finished, Job
from napari_microcnn.models import Model, save_model
from napari_microcnn.nets import UNet
from napari_microcnn.synth import polycrystal, random_look
from napari_microcnn.train.generated import (
    STEPS_PER_EPOCH,
    HeldOut,
    epochs_of,
    loop_settings,
    off_centre,
    picture_loader,
    pictures_before,
    seed_of,
)
from napari_microcnn.train.loop import Lesson, Loss, train_loop
from napari_microcnn.train.losses import segmentation_loss
from napari_microcnn.train.sampling import BLOCK, AdaptiveSampler, Order, kind_of
from napari_microcnn.train.unfinished import Interrupted

CLASSES = (
    ClassInfo(id=0, name="grain", colour="#0072b2"),
    ClassInfo(id=1, name="boundary", colour="#e69f00"),
)
TYPICAL_INTERCEPT = 30.0
"""Middle of the range of mean intercepts, in pixels, of the pictures trained on."""

BOUNDARY_REACH = 1.5
"""Pixels nearer than this to a boundary are taught as boundary, whatever the width of the line in the picture."""

_DRAWS = 12


def train_on_synthetic(
    config: SyntheticTrainConfig,
    *,
    checkpoint: Path | None = None,
    start: Model | None = None,
    interrupted: Interrupted[Model] | None = None,
) -> Job[Model]:
    """Train the model ``grain-boundaries`` from nothing but random polycrystals.

    Parameters
    ----------
    config : SyntheticTrainConfig
    checkpoint : Path, optional
        File that gets the best weights so far.
    start : Model, optional
        Segmenter with the same classes whose training goes on; `width` and `depth` are then its own.
    interrupted : Interrupted, optional
        Go on where this training with the same settings was.

    Yields
    ------
    Event
        `BatchDone` and `EpochDone`, in the end ``Finished[Model]``.

    Raises
    ------
    ValueError
        If `start` is not a model of grain boundaries.
    """
    device = resolve_device(config.device)
    torch.manual_seed(config.seed)
    net = _network(config, interrupted.model if interrupted else start).to(device)
    before = {} if start is None else {"started_from": start.name, "started_from_sha256": start.sha256}
    held_out = HeldOut(synthetic_patch, config.patch, segmentation_loss, _parts)

    def snapshot(net: UNet) -> Model:
        model = Model(
            net, CLASSES, ObjectRule(kind="grains", class_id=1), typical_intercept=TYPICAL_INTERCEPT,
            name="grain-boundaries",
            provenance={"trained_on": "synthetic polycrystals", "settings": config.model_dump(), **before},
        ).snapshot()  # fmt: skip
        if checkpoint is not None:
            save_model(model, checkpoint)
        return model

    sampler = AdaptiveSampler(config.batch, (epochs_of(config) + 1) * STEPS_PER_EPOCH, adaptive=config.adaptive)
    batches = _batches(config, sampler, device, pictures_before(config, interrupted))
    lesson = Lesson(batches, _loss_for(sampler), held_out, snapshot)
    best = yield from train_loop(net, lesson, loop_settings(config), interrupted=interrupted)
    yield Finished(best)


def _network(config: SyntheticTrainConfig, start: Model | None) -> UNet:
    if start is None:
        return UNet(UNetConfig(width=config.width, depth=config.depth))
    if start.classes != CLASSES or start.config.channels != 1:
        raise ValueError(
            f"A training on synthetic polycrystals can only go on from a model of grain boundaries of one channel, "
            f"not from {start.name}; name another one, or none to start anew."
        )
    return copy.deepcopy(start.net).requires_grad_(True)


def _loss_for(sampler: AdaptiveSampler) -> Loss:
    """Return the loss, which tells the sampler how hard every picture is."""

    def loss(logits: Tensor, targets: tuple[Tensor, Tensor]) -> Tensor:
        truth, kinds = targets
        with torch.no_grad():
            each = functional.cross_entropy(logits, truth, reduction="none").mean(dim=(1, 2))
        sampler.learn(kinds.numpy(), each.double().cpu().numpy())
        return segmentation_loss(logits, truth)

    return loss


def synthetic_patch(seed: int, side: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return a normalised picture (1, Y, X) and its targets (Y, X), 1 on boundaries."""
    return _patch(seed, *random_look(seed, side, side))


def _patch(
    seed: int, structure: VoronoiConfig, imaging: ImagingConfig
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    made = polycrystal(structure, imaging, seed=seed)
    picture = normalise(made.image, intensity_limits(made.image))
    targets = (made.structure.distance <= BOUNDARY_REACH).astype(np.int64)
    return picture, targets


class _Pictures(Dataset[tuple[Tensor, Tensor, int]]):
    """Picture number i of a run, the same wherever and in whatever order it is made."""

    def __init__(self, config: SyntheticTrainConfig, first: int) -> None:
        self._config, self._first = config, first

    def __getitem__(self, order: Order) -> tuple[Tensor, Tensor, int]:
        index, shares = order
        seed = seed_of(self._config, self._first + index)
        rng = np.random.default_rng([seed, 4])
        look = random_look(seed, self._config.patch, self._config.patch)
        for again in range(1, _DRAWS):
            if rng.random() < shares[kind_of(*look)]:
                break
            look = random_look(seed + again * 1_000_000_000_000, self._config.patch, self._config.patch)
        picture, targets = _patch(seed, *look)
        return torch.from_numpy(off_centre(picture, rng)), torch.from_numpy(targets), kind_of(*look)


def _batches(
    config: SyntheticTrainConfig, sampler: AdaptiveSampler, device: torch.device, first: int
) -> Iterator[tuple[Tensor, tuple[Tensor, Tensor]]]:
    ahead = min(4, max(1, BLOCK // max(config.workers, 1)))
    loader = picture_loader(_Pictures(config, first), config, device, ahead=ahead, batch_sampler=sampler)
    for pictures, targets, kinds in loader:
        yield pictures.to(device, non_blocking=True), (targets.to(device, non_blocking=True), kinds)


def _parts(logits: Tensor, truth: Tensor) -> list[tuple[Tensor, Tensor]]:
    answer = logits.argmax(1)
    return [(answer == k, truth == k) for k in range(2)]
