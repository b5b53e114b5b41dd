"""The training loop: batches in, events out, the best weights kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor

from napari_microcnn.device import MEMORY_ERRORS, keep_memory, out_of_memory
from napari_microcnn.events import BatchDone, EpochDone, Event, Reached
from napari_microcnn.models import Model
from napari_microcnn.nets import UNet
from napari_microcnn.train import processes
from napari_microcnn.train.averaging import Average
from napari_microcnn.train.clock import Clock
from napari_microcnn.train.stepping import clipped_step
from napari_microcnn.train.unfinished import Interrupted

Batches: TypeAlias = Iterator[tuple[Tensor, Any]]
Loss: TypeAlias = Callable[[Tensor, Any], Tensor]
Validate: TypeAlias = Callable[[UNet], tuple[float, float]]


@dataclass(frozen=True, eq=False)
class Lesson:
    """What a network learns from, and how it is judged.

    Attributes
    ----------
    batches : iterator
        Endless pairs of images (N, C, H, W) float32 and whatever `loss` takes as its second
        argument, on the same device.
    loss : callable
        (logits (N, K, H, W) float32, targets) -> scalar.
    validate : callable
        Network in inference mode -> (loss, mean IoU) on data held out.
    snapshot : callable
        Network -> detached copy, called when an epoch is the best so far.
    doubt : callable
        Called after `validate`: an epoch whose IoU is less than this below the highest is preferred
        to earlier ones. Where little is held out its scores hardly differ, and the weights of later
        epochs have settled.
    ready : callable
        Network -> network as a preview should show it.
    overview : callable
        Whether a preview should be corrected by that of the overview, see `Model.overview`.
    everything : callable or None
        Returns batches for the last part of the training, in which what was held out is learnt too:
        it has served its purpose, and of a few strokes a fifth is much to go without.
    """

    batches: Batches
    loss: Loss
    validate: Validate
    snapshot: Callable[[UNet], Model]
    doubt: Callable[[], float] = lambda: 0.0
    ready: Callable[[UNet], UNet] = lambda net: net
    overview: Callable[[], bool] = lambda: False
    everything: Callable[[], Batches] | None = None


SETTLE = 0.6
"""Share of the time after which a training that is still at its best learns from everything."""


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
    patience : int or inf
        Epochs without improvement before the loop ends.
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
    patience: float = 30
    averaging: float = 0.98
    bfloat16: bool = False


class Training:
    """A running training. What it learns from can be exchanged between two steps.

    Attributes
    ----------
    net : UNet
        In training; `averaged` holds its moving average, which is what is judged and kept.
    lesson : Lesson
        What it learns from now.
    best : Model or None
        The best snapshot so far.
    epoch, batch : int
        Where the training is, counted from 1; `batch` is 0 after the validation of an epoch.
    settling : bool
        Whether it learns from what was held out too, so that nothing can judge it any more.
    """

    def __init__(self, net: UNet, lesson: Lesson, settings: LoopSettings) -> None:
        self.net, self.lesson, self.settings = net, lesson, settings
        self.clock = Clock(settings.epochs, settings.minutes, settings.steps_per_epoch)
        processes.prepare(net)
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # 1.25 times as fast on a CPU
        self.optimiser = torch.optim.AdamW(
            net.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        self.averaged = Average(net, settings.averaging)
        self.best: Model | None = None
        self.epoch = self.batch = 0
        self._best_score = self._last_score = (-math.inf, -math.inf)
        self._improved_at = 0
        self._doubt = 0.0
        self.settling = False

    @property
    def over(self) -> bool:
        """Whether a limit is reached, or nothing has improved for long."""
        stale = not self.settling and self.epoch - self._improved_at >= self.settings.patience
        return self.best is not None and (self.clock.over() or stale)

    def go_on(self, best: Model, reached: Reached) -> None:
        """Go on where an interrupted training was; the network has the weights of its best model."""
        self.best, self.epoch, self._improved_at = best, reached.epoch, reached.epoch
        self._best_score = self._last_score = reached.score
        self._doubt = reached.doubt
        self.clock.go_on(reached.epoch, reached.seconds)
        self.averaged.remember(reached.epoch * self.settings.steps_per_epoch)
        if reached.settling:
            self._settle()

    def step(self) -> float:
        """Take one optimisation step and return its loss."""
        self.clock.step()
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.learning_rate * self.clock.rate()
        loss = _optimise(self.net, self.optimiser, next(self.lesson.batches), self.lesson.loss, self.settings.bfloat16)
        self.averaged.update()
        return loss

    def judge(self, loss: float) -> EpochDone:
        """Validate at the end of an epoch with this mean loss, and keep the weights if they are the best."""
        if not self.settling:
            validation_loss, iou = processes.from_first(self.lesson.validate(self.averaged.net))
            self._last_score = (iou, -validation_loss)
        take = self._take(self._last_score)
        self.best = self.lesson.snapshot(self.averaged.net) if take else self.best
        score = self._last_score if self.settling else self._best_score
        event = EpochDone(
            self.epoch,
            loss,
            -self._last_score[1],
            self._last_score[0],
            self.best if take else None,
            self.clock.seconds_left(),
            settling=self.settling,
            reached=Reached(self.epoch, self.clock.seconds(), score, self._doubt, self.settling) if take else None,
        )
        if take and not self.settling and self.clock.share_over() >= SETTLE:
            self._settle()
        return event

    def _settle(self) -> None:
        """Learn from everything from now on, if that is more."""
        if self.lesson.everything is not None:
            self.lesson = replace(self.lesson, batches=self.lesson.everything())
            self.settling = True

    def _take(self, score: tuple[float, float]) -> bool:
        """Return whether these weights are to be kept as the best."""
        if self.best is None or score > self._best_score:
            self._best_score, self._improved_at, self._doubt = score, self.epoch, self.lesson.doubt()
            return True
        return self.settling or score[0] > self._best_score[0] - self._doubt

    def learn(self, lesson: Lesson) -> None:
        """Learn from something else from now on."""
        self.lesson, self.settling = lesson, False

    def judge_again(self) -> None:
        """Score the best model anew, because what it is judged on has changed, and be patient again."""
        self._improved_at = self.epoch
        if self.best is not None:
            net = self.best.net.to(next(self.net.parameters()).device)
            validation_loss, iou = self.lesson.validate(net)
            net.to("cpu")
            self._best_score, self._doubt = (iou, -validation_loss), self.lesson.doubt()


def train_loop(
    net: UNet,
    lesson: Lesson,
    settings: LoopSettings,
    between: Callable[[Training], Iterator[Event]] | None = None,
    interrupted: Interrupted[Any] | None = None,
) -> Generator[Event, None, Model]:
    """Train a network; yields `BatchDone` and `EpochDone`, returns the best model.

    Parameters
    ----------
    net : UNet
        Trained in place, on the device where its weights are.
    lesson : Lesson
        What it learns from, and how it is judged.
    settings : LoopSettings
        Limits and rates.
    between : callable, optional
        Called after every batch and after every validation; its events are passed on. It may
        change what the training learns from.
    interrupted : Interrupted, optional
        Training to go on with; `net` must have the weights of its model.

    Returns
    -------
    Model
        The snapshot with the highest IoU, then the lowest validation loss; in doubt the last one within it.
    """
    keep_memory()
    training = Training(net, lesson, settings)
    if interrupted is not None:
        training.go_on(interrupted.model, interrupted.reached)
    while training.best is None or not training.over:
        training.epoch += 1
        losses = []
        for batch in range(1, settings.steps_per_epoch + 1):
            training.batch = batch
            losses.append(training.step())
            yield BatchDone(training.epoch, batch, settings.steps_per_epoch, losses[-1], training.clock.seconds_left())
            if between is not None:
                yield from between(training)
            if training.best is not None and training.clock.out_of_time():
                break
        training.batch = 0
        yield training.judge(sum(losses) / len(losses))
        if between is not None:
            yield from between(training)
    return training.best


def _optimise(
    net: UNet, optimiser: torch.optim.Optimizer, batch: tuple[Tensor, Any], loss: Loss, bfloat16: bool
) -> float:
    """Take one step and return its loss."""
    images, targets = processes.my_part(batch)
    net.train()
    optimiser.zero_grad(set_to_none=True)
    try:
        with torch.autocast(images.device.type, torch.bfloat16, enabled=bfloat16):
            logits = net(images.contiguous(memory_format=torch.channels_last))
        value = loss(logits.float(), targets)
        value.backward()  # type: ignore[no-untyped-call]
    except MEMORY_ERRORS as error:
        if out_of_memory(error):
            raise ValueError(_too_little(net, images)) from error
        raise
    processes.sum_gradients(net)
    clipped_step(net, optimiser)
    return float(value.detach())


def _too_little(net: UNet, images: Tensor) -> str:
    """Say how much a step needs.

    For the gradients ten feature maps are kept at the finest level, half as much at every coarser one, and two or
    three more are in work: about 24 float32 per channel and pixel.
    """
    count, _, height, width = images.shape
    needed = 4 * 24 * net.config.width * count * height * width
    return (
        f"The memory is too small to learn from batches of {count} patches of {height} x {width} pixels, which take "
        f"about {needed / 1e6:.0f} MB; choose a smaller batch or patch, or close other programs."
    )
