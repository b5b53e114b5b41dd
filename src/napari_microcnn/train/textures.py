"""A network that knows many textures, to start from: learnt from nothing but random synthetic materials."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.utils.data import Dataset

from napari_microcnn.config import ClassInfo, ObjectRule, SyntheticTrainConfig, UNetConfig
from napari_microcnn.device import resolve_device
from napari_microcnn.events import Finished, Job
from napari_microcnn.models import Model, save_model
from napari_microcnn.nets import UNet
from napari_microcnn.train.episodes import episode_iou, episode_loss, episode_scores, random_episode
from napari_microcnn.train.generated import (
    STEPS_PER_EPOCH,
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
    ClassInfo(id=0, name="phase", colour="#0072b2"),
    ClassInfo(id=1, name="border", colour="#e69f00"),
)
"""What its own head tells: where one phase ends and another begins."""

_BORDERS = 0.25
"""Weight of the loss of the borders: the head must not shape the features."""
_HELD_OUT, _FIRST_HELD_OUT = 32, 10_000_000


class Describer(UNet):
    """A U-Net that returns its features behind the scores of its head, (N, K + width, H, W)."""

    def forward(self, x: Tensor, core: tuple[slice, ...] | None = None) -> Tensor:
        """Return scores and features of all of `x`; `core` must be None."""
        if core is not None:
            raise ValueError("Features are for whole pictures; leave out the core.")
        features = self.features(x)
        return torch.cat([self.head(features), features], dim=1)


def train_on_textures(
    config: SyntheticTrainConfig,
    *,
    checkpoint: Path | None = None,
    start: Model | None = None,
    interrupted: Interrupted[Model] | None = None,
) -> Job[Model]:
    """Train a network to tell the phases of a material apart by strokes on another picture of it.

    Parameters
    ----------
    config : SyntheticTrainConfig
        All but `adaptive` is used; half a `batch` are materials, each with two pictures.
    checkpoint : Path, optional
        File that gets the best weights so far.
    start : Model, optional
        Model of one channel that it begins with, but for its head; `width` and `depth` are then its own.
    interrupted : Interrupted, optional
        Go on where this training with the same settings was.

    Yields
    ------
    Event
        `BatchDone` and `EpochDone`, in the end ``Finished[Model]``.

    Raises
    ------
    ValueError
        If `start` has more than one channel, or `batch` is odd.
    """
    if config.batch % 2:
        raise ValueError(f"Every material has two pictures, so that the batch must be even, not {config.batch}.")
    device = resolve_device(config.device)
    torch.manual_seed(config.seed)
    net = _network(config, interrupted.model if interrupted else start).to(device)
    before = {} if start is None else {"started_from": start.name, "started_from_sha256": start.sha256}

    def snapshot(net: UNet) -> Model:
        plain = UNet(net.config)
        plain.load_state_dict(net.state_dict())
        model = Model(
            plain, CLASSES, ObjectRule(kind="grains", class_id=1), name="textures",
            provenance={"trained_on": "synthetic materials", "settings": config.model_dump(), **before},
        ).snapshot()  # fmt: skip
        if checkpoint is not None:
            save_model(model, checkpoint)
        return model

    batches = _batches(config, device, pictures_before(config, interrupted) // 2)
    lesson = Lesson(batches, textures_loss, _HeldOutEpisodes(config.patch), snapshot)
    best = yield from train_loop(net, lesson, loop_settings(config), interrupted=interrupted)
    yield Finished(best)


def _network(config: SyntheticTrainConfig, start: Model | None) -> Describer:
    if start is not None and start.config.channels != 1:
        raise ValueError(
            f"A training on synthetic materials begins with a model of one channel, {start.name} has "
            f"{start.config.channels}; name another one, or none to start anew."
        )
    width, depth = (config.width, config.depth) if start is None else (start.config.width, start.config.depth)
    net = Describer(UNetConfig(classes=len(CLASSES), width=width, depth=depth))
    if start is not None:
        same_head = start.classes == CLASSES
        weights = start.net.state_dict()
        net.load_state_dict(
            {name: value for name, value in weights.items() if same_head or not name.startswith("head.")}, strict=False
        )
    return net


def textures_loss(outputs: Tensor, targets: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Return the loss of all episodes of a batch, and of the borders.

    Parameters
    ----------
    outputs : Tensor, (2 E, K + width, H, W) float32
        Scores and features of two pictures of every material, see `Describer`.
    targets : (Tensor, Tensor, Tensor)
        Phases (E, 2, H, W), strokes (E, H, W) and borders (2 E, H, W).
    """
    phases, strokes, borders = targets
    losses = [episode_loss(*episode) for episode in _episodes(outputs, phases, strokes)]
    return torch.stack(losses).mean() + _BORDERS * segmentation_loss(outputs[:, : len(CLASSES)], borders)


def _episodes(outputs: Tensor, phases: Tensor, strokes: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    features = outputs[:, len(CLASSES) :].view(len(phases), 2, -1, *outputs.shape[2:])
    for episode in zip(features, phases, strokes, strict=True):
        yield episode_scores(*episode)


class _Episodes(Dataset[tuple[Tensor, Tensor, Tensor, Tensor]]):
    """Episode number i of a run, the same wherever and in whatever order it is made."""

    def __init__(self, config: SyntheticTrainConfig, first: int) -> None:
        self._config, self._first = config, first

    def __len__(self) -> int:
        return (self._config.steps + STEPS_PER_EPOCH) * self._config.batch // 2

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        seed = seed_of(self._config, self._first + index)
        images, phases, strokes = random_episode(seed, self._config.patch)
        rng = np.random.default_rng([seed, 4])
        moved = off_centre(images, rng)  # both alike, and then a little apart
        moved[1] = moved[1] * np.float32(np.exp(rng.normal(0, 0.15))) + np.float32(rng.normal(0, 0.15))
        return torch.from_numpy(moved), *_tensors(phases, strokes)


def _tensors(phases: NDArray[np.uint8], strokes: NDArray[np.uint8]) -> tuple[Tensor, Tensor, Tensor]:
    """Return phases, strokes and the borders between phases."""
    borders = np.stack([ndimage.grey_dilation(one, 3) != ndimage.grey_erosion(one, 3) for one in phases])
    return torch.from_numpy(phases), torch.from_numpy(strokes), torch.from_numpy(borders.astype(np.int64))


def _batches(config: SyntheticTrainConfig, device: torch.device, first: int) -> Iterator[tuple[Tensor, object]]:
    loader = picture_loader(_Episodes(config, first), config, device, batch_size=config.batch // 2)
    for images, *targets in loader:
        phases, strokes, borders = (part.to(device, non_blocking=True) for part in targets)
        yield images.flatten(0, 1).to(device, non_blocking=True), (phases, strokes, borders.flatten(0, 1))


class _HeldOutEpisodes:
    """Episodes that no training sees."""

    def __init__(self, side: int) -> None:
        self._made = [random_episode(_FIRST_HELD_OUT + index, side) for index in range(_HELD_OUT)]

    @torch.inference_mode()
    def __call__(self, net: UNet) -> tuple[float, float]:
        """Return the loss, and the mean IoU of the phases in pictures without strokes."""
        device = next(net.parameters()).device
        losses, scores = [], []
        for images, phases, strokes in self._made:
            outputs = net(torch.from_numpy(images).to(device)).float().cpu()
            told = torch.from_numpy(phases)[None], torch.from_numpy(strokes)[None]
            ((values, targets),) = _episodes(outputs, *told)
            losses.append(float(episode_loss(values, targets)))
            scores.append(episode_iou(values, targets))
        return float(np.mean(losses)), float(np.mean(scores))
