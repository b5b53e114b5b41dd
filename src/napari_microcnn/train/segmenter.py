"""Training a segmenter from strokes or masks."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from napari_microcnn.config import ClassInfo, TrainConfig
from napari_microcnn.data import Annotated
from napari_microcnn.data.augmentation import source_side
from napari_microcnn.data.overview import OVERVIEW
from napari_microcnn.device import fast_bfloat16, resolve_device
from napari_microcnn.events import Change, EpochDone, Event, Finished, Job, Notice, ViewChanged
from napari_microcnn.models import Model, save_model
from napari_microcnn.train.growing import GrowingData
from napari_microcnn.train.lessons import Teacher
from napari_microcnn.train.live import LiveTeaching
from napari_microcnn.train.loop import LoopSettings, Training, train_loop
from napari_microcnn.train.preparation import check_classes, in_order, named
from napari_microcnn.train.preview import Preview
from napari_microcnn.train.processes import count
from napari_microcnn.train.start import initialised, resumed
from napari_microcnn.train.unfinished import Interrupted
from napari_microcnn.train.validation import judged

STEPS_PER_EPOCH = 10
"""About two seconds on two processor cores: curves and preview move, validation costs little."""

PATIENCE = 30
"""Epochs without improvement that end a training without a limit."""


def train_segmenter(
    data: Sequence[Annotated],
    classes: Sequence[ClassInfo],
    config: TrainConfig | None = None,
    *,
    checkpoint: Path | None = None,
    resume: Model | None = None,
    preview: tuple[int, tuple[slice, slice]] | None = None,
    changes: Callable[[], Sequence[Change]] | None = None,
    interrupted: Interrupted[Model] | None = None,
) -> Job[Model]:
    """Teach a U-Net to tell classes apart, from a few strokes or from complete masks.

    Parameters
    ----------
    data : sequence of Annotated
        Images with their annotations.
    classes : sequence of ClassInfo
        Ids, names and colours of the classes; the ids are the values in the annotations.
    config : TrainConfig, optional
        Limits, start, size and seed; `batch` is that of each process where torchrun has started several.
    checkpoint : Path, optional
        The best model so far is written here whenever it improves.
    resume : Model, optional
        Go on training this model instead of starting from ``config.init``.
    preview : (int, (slice, slice)), optional
        Index of an image and a region of it that is predicted after every epoch; in a live training
        every few seconds.
    changes : callable, optional
        Makes the training live: called after every batch, returns what has changed since (see
        `napari_microcnn.train.live`). New strokes are learnt from at once, and for at least
        `clock.AGAIN_SECONDS`, classes come and go, and a class without a stroke is not learnt yet.
    interrupted : Interrupted, optional
        Go on where this training, of the same data, classes and settings, was.

    Yields
    ------
    Notice, Alive, BatchDone, EpochDone, PreviewDone, Finished
        ``EpochDone.model`` is a detached copy whenever it is the best so far; ``Finished`` holds
        the best model. Closing the generator stops the training within one batch.

    Raises
    ------
    ValueError
        If the images, the annotations and the classes do not fit together; one clear sentence.
    """
    config = config or TrainConfig()
    if count() > 1:
        config = config.model_copy(update={"batch": config.batch * count()})
    device = resolve_device(config.device)
    rng = np.random.default_rng(config.seed)
    check_classes(classes, config.dense)
    classes = in_order(classes)
    channels = data[0].channels if data else 1
    before = interrupted.model if interrupted else resume
    net, notices = (resumed(before, channels, classes), []) if before else initialised(config, channels, classes)
    step: int = 2**net.config.depth
    patch = -(-config.patch // step) * step
    side = source_side(patch) if config.augment else patch
    margin = round(side / OVERVIEW)
    annotated = GrowingData(data, classes, config.dense, margin, rng)
    teacher = Teacher(annotated.images, config, patch, side, rng, device, resume.objects if resume else None)
    prepared = annotated.prepared()
    for message in [*notices, *annotated.notices]:
        yield Notice(message)
    net.to(device)
    shown = Preview(data, ViewChanged(*preview)) if preview else None
    lesson = teacher(prepared, classes, net)
    if interrupted is not None:
        teacher.validator.recall(interrupted.model)
        rng.random(interrupted.reached.epoch)  # the same is held out, but other patches are learnt than at first
    between: Callable[[Training], Iterator[Event]] | None = None
    if shown is not None:
        between = partial(_preview_epoch, shown, [info.id for info in classes])
    teacher.join = annotated.join
    if changes is not None:
        between = live = LiveTeaching(changes, annotated, classes, teacher, shown, config.dense)
        yield from live.unlearnt()
    elif annotated.unlearnt:
        yield Notice(f"{named(annotated.unlearnt)} is not learnt: nothing is annotated with it.")
    settings = _loop_settings(config, device)
    loop = train_loop(net, lesson, settings, between, interrupted)
    best = yield from _saving(loop, checkpoint, teacher)
    yield Finished(best)


def _preview_epoch(shown: Preview, ids: Sequence[int], training: Training) -> Iterator[Event]:
    """Preview after every validation."""
    if training.batch == 0:
        lesson = training.lesson
        yield from shown.predict(lesson.ready(training.averaged.net), ids, overview=lesson.overview())


def _loop_settings(config: TrainConfig, device: torch.device) -> LoopSettings:
    limited = config.epochs is not None or config.minutes is not None
    usual = math.inf if limited else PATIENCE  # the learning rate falls until the limit, and then it improves once more
    return LoopSettings(
        epochs=config.epochs,
        minutes=config.minutes,
        steps_per_epoch=STEPS_PER_EPOCH,
        learning_rate=config.learning_rate,
        patience=config.patience or usual,
        bfloat16=fast_bfloat16(device),
    )


def _saving(
    loop: Generator[Event, None, Model], checkpoint: Path | None, teacher: Teacher
) -> Generator[Event, None, Model]:
    """Pass the events on, say how sure the score of an epoch is, and write the best models."""
    iterator = _Returning(loop)
    best: Model | None = None
    for event in iterator:
        if not isinstance(event, EpochDone):
            yield event
            continue
        told = judged(event, teacher.validator, teacher.origin)
        best = told.model or best
        yield told
        if told.model is not None and checkpoint is not None:
            try:
                save_model(told.model, checkpoint)
            except ValueError as error:  # a full disk must not end a training that is going well
                yield Notice(f"The best model could not be saved: {error} Training goes on.")
                checkpoint = None
    last = iterator.result
    if best is not None and best.net is last.net:
        return best
    return replace(last, provenance={**last.provenance, **(best.provenance if best else {})})  # its classes changed


class _Returning:
    """Iterates over a generator and keeps what it returns."""

    result: Model

    def __init__(self, generator: Generator[Event, None, Model]) -> None:
        self._generator = generator

    def __iter__(self) -> Iterator[Event]:
        self.result = yield from self._generator
