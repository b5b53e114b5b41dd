"""The training loop: batches in, events out, the best weights kept."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from napari_microcnn.events import BatchDone, EpochDone, Event
from napari_microcnn.models import Model
from napari_microcnn.nets import UNet

Batches: TypeAlias = Iterator[tuple[Tensor, Any]]
Loss: TypeAlias = Callable[[Tensor, Any], Tensor]


@dataclass(frozen=True)
class LoopSettings:
    """How long and how fast to learn.

    Attributes
    ----------
    epochs, minutes : int or None, float or None
        Limits, whichever comes first; with neither the loop ends by `patience`. The learning rate
        follows the epochs where they are given, so that then nothing depends on the clock.
    steps_per_epoch : int
        Optimisation steps between two validations.
    learning_rate, weight_decay : float
        Largest learning rate, and weight decay, of AdamW.
    patience : int
        Epochs without improvement before the loop ends.
    tolerance : float
        An epoch whose IoU is less than this below the highest is preferred to earlier ones: where
        little is held out its scores hardly differ, and the weights of later epochs have settled.
    averaging : float
        Weights are judged and kept as their exponential moving average with this decay, which
        is steadier than the last step's weights; 0 switches it off.
    bfloat16 : bool
        Compute in bfloat16 (weights stay float32).
    """

    epochs: int | None = None
    minutes: float | None = None
    steps_per_epoch: int = 20
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    patience: int = 30
    tolerance: float = 0.0
    averaging: float = 0.98
    bfloat16: bool = False


def train_loop(
    net: UNet,
    batches: Batches,
    *,
    loss: Loss,
    validate: Callable[[UNet], tuple[float, float]],
    snapshot: Callable[[UNet], Model],
    settings: LoopSettings,
) -> Generator[Event, None, Model]:
    """Train a network; yields `BatchDone` and `EpochDone`, returns the best model.

    Parameters
    ----------
    net : UNet
        Trained in place, on the device where its weights are.
    batches : iterator
        Endless pairs of images (N, C, H, W) float32 and whatever `loss` takes as its second
        argument, on the same device.
    loss : callable
        (logits (N, K, H, W) float32, targets) -> scalar.
    validate : callable
        Network in inference mode -> (loss, mean IoU) on data held out.
    snapshot : callable
        Network -> detached copy, called when an epoch is the best so far.
    settings : LoopSettings
        Limits and rates.

    Returns
    -------
    Model
        The snapshot with the highest IoU, then the lowest validation loss; with a tolerance the
        last one whose IoU is within it.
    """
    clock = _Clock(settings)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # 1.25 times as fast on a CPU
    optimiser = torch.optim.AdamW(net.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    averaged = _Average(net, settings.averaging)
    best, best_score, improved_at, epoch = None, (-math.inf, -math.inf), 0, 0
    while best is None or not (clock.over(epoch) or epoch - improved_at >= settings.patience):
        epoch += 1
        losses = []
        for batch in range(1, settings.steps_per_epoch + 1):
            clock.step()
            for group in optimiser.param_groups:
                group["lr"] = settings.learning_rate * clock.rate()
            losses.append(_optimise(net, optimiser, next(batches), loss, settings.bfloat16))
            averaged.update()
            yield BatchDone(epoch, batch, settings.steps_per_epoch, losses[-1], clock.seconds_left())
            if best is not None and clock.out_of_time():
                break
        validation_loss, iou = validate(averaged.net)
        score = (iou, -validation_loss)
        take = best is None or score > best_score or iou > best_score[0] - settings.tolerance
        if best is None or score > best_score:
            best_score, improved_at = score, epoch
        best = snapshot(averaged.net) if take else best
        mean = sum(losses) / len(losses)
        yield EpochDone(epoch, mean, validation_loss, iou, best if take else None, clock.seconds_left())
    return best


def _optimise(
    net: UNet, optimiser: torch.optim.Optimizer, batch: tuple[Tensor, Any], loss: Loss, bfloat16: bool
) -> float:
    """Take one step and return its loss."""
    images, targets = batch
    net.train()
    with torch.autocast(images.device.type, torch.bfloat16, enabled=bfloat16):
        logits = net(images.contiguous(memory_format=torch.channels_last))
    value = loss(logits.float(), targets)
    optimiser.zero_grad(set_to_none=True)
    value.backward()  # type: ignore[no-untyped-call]
    norm = torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    if torch.isfinite(norm):  # one bad batch must not spoil the weights
        optimiser.step()
    return float(value.detach())


class _Average:
    """Exponential moving average of weights and batch statistics."""

    def __init__(self, net: UNet, decay: float) -> None:
        self._source, self._decay, self._steps = net, decay, 0
        self.net = copy.deepcopy(net).eval().requires_grad_(False) if decay else net

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after a step; early on the average is short, so that it starts off quickly."""
        if self.net is self._source:
            return
        self._steps += 1
        decay = min(self._decay, self._steps / (10 + self._steps))
        for mean, value in zip(self.net.state_dict().values(), self._source.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)


class _Clock:
    """How far the training is, by epochs or by time."""

    WARM_UP = 0.05
    LAST = 0.02

    def __init__(self, settings: LoopSettings) -> None:
        self._epochs, self._per_epoch = settings.epochs, settings.steps_per_epoch
        self._seconds = None if settings.minutes is None else 60 * settings.minutes
        self._start, self._steps = time.monotonic(), 0

    def step(self) -> None:
        self._steps += 1

    def _by_time(self) -> float:
        return 0.0 if self._seconds is None else (time.monotonic() - self._start) / self._seconds

    def _by_epochs(self) -> float:
        return 0.0 if self._epochs is None else self._steps / (self._epochs * self._per_epoch)

    def out_of_time(self) -> bool:
        return self._by_time() >= 1

    def over(self, epoch: int) -> bool:
        return self.out_of_time() or (self._epochs is not None and epoch >= self._epochs)

    def rate(self) -> float:
        """Return the learning rate as a fraction of the largest: a short rise, then half a cosine."""
        if self._epochs is None and self._seconds is None:
            return min(1.0, self._steps / 50)
        progress = min(1.0, self._by_epochs() if self._epochs else self._by_time())
        if progress < self.WARM_UP:
            return max(self.LAST, progress / self.WARM_UP)
        fall = (progress - self.WARM_UP) / (1 - self.WARM_UP)
        return self.LAST + (1 - self.LAST) * 0.5 * (1 + math.cos(math.pi * fall))

    def seconds_left(self) -> float | None:
        """Estimate from the time so far; None where there is no limit or nothing to reckon from."""
        progress = max(self._by_time(), self._by_epochs())
        if progress <= 0:
            return None
        return max(0.0, (time.monotonic() - self._start) * (1 / progress - 1))
