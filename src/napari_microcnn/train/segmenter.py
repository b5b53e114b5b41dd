"""Training a segmenter from strokes or masks."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import napari_microcnn
from napari_microcnn.config import ClassInfo, ObjectRule, TrainConfig
from napari_microcnn.data import Annotated
from napari_microcnn.data.augmentation import change_intensities, move, source_side
from napari_microcnn.data.patches import PatchSampler
from napari_microcnn.device import fast_bfloat16, resolve_device
from napari_microcnn.events import Change, EpochDone, Event, Finished, Job, Notice, ViewChanged
from napari_microcnn.micrograph import Calibration
from napari_microcnn.models import Model, save_model
from napari_microcnn.nets import UNet
from napari_microcnn.train.growing import GrowingData
from napari_microcnn.train.live import LiveTeaching
from napari_microcnn.train.loop import Batches, Lesson, LoopSettings, Training, train_loop
from napari_microcnn.train.losses import edge_loss, segmentation_loss
from napari_microcnn.train.preparation import TrainingData, check_classes, prepare
from napari_microcnn.train.presets import recipe_of
from napari_microcnn.train.prevalence import Prevalence
from napari_microcnn.train.preview import Preview
from napari_microcnn.train.start import initialised, resumed
from napari_microcnn.train.validation import Validator, judged

STEPS_PER_EPOCH = 10
"""About two seconds on two processor cores: curves and preview move, validation costs little."""

EDGES = 0.5
"""Weight of `edge_loss` for strokes."""

DOUBT = 0.1
"""Differences of IoU that say nothing where so little is held out that its spread is not known."""

ORIENTATIONS = 2
"""Of models taught with strokes: half a turn cancels what pulls edges, which nobody painted, to one side."""


def train_segmenter(
    data: Sequence[Annotated],
    classes: Sequence[ClassInfo],
    config: TrainConfig | None = None,
    *,
    checkpoint: Path | None = None,
    resume: Model | None = None,
    preview: tuple[int, tuple[slice, slice]] | None = None,
    changes: Callable[[], Sequence[Change]] | None = None,
) -> Job[Model]:
    """Teach a U-Net to tell classes apart, from a few strokes or from complete masks.

    Parameters
    ----------
    data : sequence of Annotated
        Images with their annotations.
    classes : sequence of ClassInfo
        Ids, names and colours of the classes; the ids are the values in the annotations.
    config : TrainConfig, optional
        Limits, start, size and seed.
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
    device = resolve_device(config.device)
    rng = np.random.default_rng(config.seed)
    check_classes(classes, config.dense)
    channels = data[0].channels if data else 1
    net, notices = (resumed(resume, channels, classes), []) if resume else initialised(config, channels, classes)
    step: int = 2**net.config.depth
    patch = -(-config.patch // step) * step
    side = source_side(patch) if config.augment else patch
    growing = None if changes is None else GrowingData(data, classes, config.dense, side, rng)
    images = growing.images if growing else data
    teacher = _Teacher(images, config, patch, side, rng, device, resume.objects if resume else None)
    prepared = growing.prepared() if growing else prepare(data, classes, config, side, rng)
    for message in [*notices, *(growing or prepared).notices]:
        yield Notice(message)
    net.to(device)
    shown = Preview(data, ViewChanged(*preview)) if preview else None
    lesson = teacher(prepared, classes, net)
    between: Callable[[Training], Iterator[Event]] | None = None
    if shown is not None:
        between = partial(_preview_epoch, shown, [info.id for info in classes])
    if growing is not None and changes is not None:
        between = live = LiveTeaching(changes, growing, classes, teacher, shown, config.dense)
        yield from live.unlearnt()
    settings = _loop_settings(config, device)
    loop = train_loop(net, lesson, settings, between)
    best = yield from _saving(loop, checkpoint, teacher)
    yield Finished(best)


def _preview_epoch(shown: Preview, ids: Sequence[int], training: Training) -> Iterator[Event]:
    """Preview after every validation."""
    if training.batch == 0:
        yield from shown.predict(training.lesson.ready(training.averaged.net), ids)


class _Teacher:
    """Makes lessons of annotation; `validator` is that of the last one."""

    validator: Validator

    def __init__(
        self,
        data: Sequence[Annotated],
        config: TrainConfig,
        patch: int,
        side: int,
        rng: np.random.Generator,
        device: torch.device,
        objects: ObjectRule | None,
    ) -> None:
        self._data, self._config, self._objects = data, config, objects
        self._patch, self._side, self._rng, self._device = patch, side, rng, device
        self.origin = _held_out(data)

    def __call__(self, prepared: TrainingData, classes: Sequence[ClassInfo], net: UNet) -> Lesson:
        """Return what is learnt from, with the loss and the judgement that belong to it."""
        config, device = self._config, self._device
        recipe = recipe_of(config, classes)
        self.validator = Validator(prepared.validation, self._patch, self._rng, device)
        known = self._objects if self._objects and self._objects.class_id in {info.id for info in classes} else None
        draft = Model(
            net,
            tuple(classes),
            recipe.objects or known,
            _common_calibration(self._data),
            orientations=1 if config.dense else ORIENTATIONS,
            provenance=_origin(self._data, config),
        )
        loss = partial(
            _loss,
            weights=torch.from_numpy(prepared.weights).to(device),
            edges=0.0 if config.dense else EDGES * recipe.edges,
            extra=recipe.extra,
        )
        batches = _batches(prepared, config, self._patch, self._side, self._rng, device, recipe.shares)
        lesson = Lesson(batches, loss, self.validator, draft.snapshot)
        if config.dense:
            return lesson
        prevalence = Prevalence(prepared.train, len(classes), self._patch, config.seed, device)
        return replace(
            lesson,
            snapshot=partial(_set_right, draft, prevalence),
            doubt=self._doubt,
            ready=prevalence.set_right,
        )

    def _doubt(self) -> float:
        """Return one standard error of the IoU (the rule of Breiman et al., 1984)."""
        spread = self.validator.spread
        return DOUBT if spread is None else spread


def _set_right(draft: Model, prevalence: Prevalence, net: UNet) -> Model:
    prevalence.follow(net)
    return draft.snapshot(prevalence.set_right(net))


def _loop_settings(config: TrainConfig, device: torch.device) -> LoopSettings:
    return LoopSettings(
        epochs=config.epochs,
        minutes=config.minutes,
        steps_per_epoch=STEPS_PER_EPOCH,
        learning_rate=config.learning_rate,
        patience=config.patience,
        bfloat16=fast_bfloat16(device),
    )


def _loss(
    logits: Tensor,
    truth: tuple[Tensor, Tensor],
    weights: Tensor,
    edges: float,
    extra: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> Tensor:
    """Return the loss over the annotated pixels, plus `edges` times that over all pairs of neighbours."""
    targets, images = truth
    loss = segmentation_loss(logits, targets, weights)
    loss = loss + extra(logits, targets) if extra is not None else loss
    return loss + edges * edge_loss(logits, images) if edges else loss


def _batches(
    data: TrainingData,
    config: TrainConfig,
    patch: int,
    side: int,
    rng: np.random.Generator,
    device: torch.device,
    shares: NDArray[np.float64] | None,
) -> Batches:
    """Yield batches for ever: images (N, C, patch, patch), and their targets with the images as they were."""
    generator = torch.Generator(device).manual_seed(config.seed)
    sampler = PatchSampler(data.train, len(data.weights), side, reach=patch * 3 // 8, rng=rng, shares=shares)
    while True:
        images, targets = (torch.from_numpy(array).to(device) for array in sampler.draw(config.batch))
        if config.augment:
            images, targets = move(images, targets, patch, generator)
            yield change_intensities(images, generator), (targets, images)
        else:
            yield images, (targets.long(), images)


def _saving(
    loop: Generator[Event, None, Model], checkpoint: Path | None, teacher: _Teacher
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


def _common_calibration(data: Sequence[Annotated]) -> Calibration | None:
    """Return the size of a pixel if all images agree on it."""
    found = [one.calibration for one in data]
    first = found[0]
    if first is None or any(other is None for other in found):
        return None
    same = all(np.allclose(other.to(first.unit).pixel_size, first.pixel_size, rtol=0.01) for other in found if other)
    return first if same else None


def _held_out(data: Sequence[Annotated]) -> str:
    """Return what the network is judged on, in words."""
    marked = [one.name for one in data if one.validation]
    return f"images marked for validation: {', '.join(marked)}" if marked else "held-out annotation"


def _origin(data: Sequence[Annotated], config: TrainConfig) -> dict[str, Any]:
    return {
        "made_by": "napari-microcnn train",
        "version": napari_microcnn.__version__,
        "torch": torch.__version__,
        "images": [one.name for one in data],
        "settings": config.model_dump(),
    }
