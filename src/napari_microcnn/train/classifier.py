"""Training a classifier from labelled images, and judging the recipe by cross-validation."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

import napari_microcnn
from napari_microcnn.config import ClassifierTrainConfig
from napari_microcnn.data.collections import Collection
from napari_microcnn.data.comparable import comparable
from napari_microcnn.data.partition import hold_out
from napari_microcnn.device import fast_bfloat16, resolve_device
from napari_microcnn.events import ClassifierEpoch, EpochDone, Event, Finished, Job, Notice
from napari_microcnn.models import Classifier, save_classifier
from napari_microcnn.train.looks import ImageValidator, Looks, choose_looks, endless_batches
from napari_microcnn.train.loop import Lesson, LoopSettings, Training, train_loop
from napari_microcnn.train.transfer import Start, started
from napari_microcnn.train.unfinished import Interrupted

STEPS_PER_EPOCH = 10
_PATIENT_EPOCHS = 5
"""Epochs for which transferred layers stay as they are where there is no limit to take a share of."""


def train_classifier(
    collection: Collection,
    config: ClassifierTrainConfig | None = None,
    *,
    held_out: NDArray[np.bool_] | None = None,
    checkpoint: Path | None = None,
    interrupted: Interrupted[Classifier] | None = None,
) -> Job[Classifier]:
    """Teach a network to tell images apart.

    About a fifth of every class, whole micrographs, is held out to judge and calibrate it. After 60 %
    of the time these images are learnt too: of few images a fifth is much to go without. The scores,
    and the temperatures, are those from before.

    Parameters
    ----------
    collection : Collection
    config : ClassifierTrainConfig, optional
        Network, start, invariances, limits and seed.
    held_out : numpy.ndarray, (N,) bool, optional
        Images to hold out instead of a choice at random; they are never learnt.
    checkpoint : Path, optional
        The best classifier so far is written here whenever it improves.
    interrupted : Interrupted, optional
        Go on where this training, of the same images and settings, was.

    Yields
    ------
    Notice, BatchDone, ClassifierEpoch, Finished
        ``ClassifierEpoch.model`` is a detached copy whenever it is the best so far; ``Finished``
        holds the best classifier. Closing the generator stops the training within one batch.

    Raises
    ------
    ValueError
        If the images and their classes do not allow a training; one clear sentence.
    """
    config = config or ClassifierTrainConfig()
    collection.check_trainable()
    collection = comparable(collection)
    rng = np.random.default_rng(config.seed)
    device = resolve_device(config.device)
    looks = choose_looks(collection, config)
    told: tuple[str, ...] = ()
    chosen = held_out
    if chosen is None:
        chosen, told = hold_out(collection, rng)
    start = started(config, looks.view.channels, len(collection.classes), looks.view.side)
    for message in (*collection.notices, *looks.notices, *told, start.notice):
        if message:
            yield Notice(message)
    torch.manual_seed(config.seed)  # dropout draws from torch's own generator
    if interrupted is not None:
        start.net.load_state_dict(interrupted.model.net.state_dict())
        rng.random(interrupted.reached.epoch)  # the same is held out, but other windows are learnt than at first
    start.net.to(device)
    teacher = _Teacher(collection, config, looks, start, chosen, rng, device, final=held_out is not None)
    settings = LoopSettings(
        epochs=config.epochs,
        minutes=config.minutes,
        steps_per_epoch=STEPS_PER_EPOCH,
        learning_rate=config.learning_rate,
        patience=config.patience,
        bfloat16=fast_bfloat16(device),
    )
    # The loop knows of a network only that it can be trained and judged.
    loop = train_loop(cast(Any, start.net), teacher.lesson, settings, teacher.between, interrupted)
    best = yield from _told(loop, teacher, checkpoint, interrupted.model if interrupted else None)
    yield Finished(best)


class _Teacher:
    """Makes the lesson of a collection, and thaws the transferred layers in time."""

    def __init__(
        self,
        collection: Collection,
        config: ClassifierTrainConfig,
        looks: Looks,
        start: Start,
        held: NDArray[np.bool_],
        rng: np.random.Generator,
        device: torch.device,
        *,
        final: bool,
    ) -> None:
        self._config, self._start = config, start
        outputs = {info.id: index for index, info in enumerate(collection.classes)}
        targets = np.array([outputs[image.class_id] for image in collection.images])
        prospects = [looks.view.of(image.pixels) for image in collection.images]
        where = np.flatnonzero(held)
        self.validator = ImageValidator(
            [collection.images[index] for index in where], [prospects[index] for index in where], targets[where]
        )
        wholes = [prospect.whole() for prospect in prospects]

        def batches(chosen: NDArray[np.intp]) -> Iterator[tuple[Tensor, Tensor]]:
            images = [wholes[index] for index in chosen]
            return endless_batches(images, targets[chosen], looks.view.side, config, rng, device)

        everything = None if final else (lambda: batches(np.arange(len(targets))))
        self.draft = _draft(collection, config, looks, start, held)
        weights = _class_weights(targets[~held], len(outputs)) if config.class_weights else np.ones(len(outputs))
        self.lesson = Lesson(
            batches(np.flatnonzero(~held)),
            _Loss(torch.from_numpy(weights.astype(np.float32)).to(device)),
            cast(Any, self.validator),
            cast(Any, self.snapshot),
            doubt=self.validator.doubt,
            everything=everything,
        )
        self._freeze(bool(start.transferred) and config.thaw > 0)
        self._scores: dict[str, Any] = {}

    def snapshot(self, net: nn.Module) -> Classifier:
        """Return a detached copy of the network with the temperatures and scores that belong to it."""
        validator = self.validator
        scores = {name: [one.value, one.low, one.high] for name, one in validator.predictions.scores().items()}
        return replace(
            self.draft.snapshot(net),
            temperature=validator.temperature,
            tile_temperature=validator.tile_temperature,
            provenance={
                **self.draft.provenance,
                "held_out_scores": scores,
                "held_out_confusion": validator.predictions.confusion.tolist(),
            },
        )

    def between(self, training: Training) -> Iterator[Event]:
        """Thaw the transferred layers when it is time."""
        share = training.clock.share_over()
        limited = training.settings.epochs is not None or training.settings.minutes is not None
        if self._frozen and (share >= self._config.thaw if limited else training.epoch > _PATIENT_EPOCHS):
            self._freeze(False)
        yield from ()

    def _freeze(self, frozen: bool) -> None:
        self._frozen = frozen
        for name, weights in self._start.net.named_parameters():
            if name in self._start.transferred:
                weights.requires_grad_(not frozen)


class _Loss:
    """Cross entropy with class weights."""

    def __init__(self, weights: Tensor) -> None:
        self._weights = weights

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(logits, targets, self._weights)


def _class_weights(targets: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Return weights with which all classes count alike; their mean over the images is one."""
    counts = np.bincount(targets, minlength=classes)
    return np.asarray(len(targets) / (classes * np.maximum(counts, 1)))


def _draft(
    collection: Collection,
    config: ClassifierTrainConfig,
    looks: Looks,
    start: Start,
    held: NDArray[np.bool_],
) -> Classifier:
    names = sorted({collection.images[index].micrograph for index in np.flatnonzero(held)})
    return Classifier(
        start.net,
        collection.classes,
        looks.view.side,
        looks.view.magnification,
        looks.view.limits,
        flips=config.flips,
        turns=config.rotation != "none",
        pixel_size=looks.pixel_size,
        provenance={
            "software": "napari-microcnn",
            "version": napari_microcnn.__version__,
            "settings": config.model_dump(),
            "images": len(collection.images),
            "of_every_class": {info.name: collection.counts[info.id] for info in collection.classes},
            "held_out_micrographs": names[:1000],
            "transferred_layers": len(start.transferred),
        },
    )


def _told(
    loop: Generator[Event, None, Any], teacher: _Teacher, checkpoint: Path | None, best: Classifier | None
) -> Generator[Event, None, Classifier]:
    """Pass the events on as those of a classifier, and write the best ones; returns the last or that from before."""
    with closing(loop):
        for event in loop:
            if not isinstance(event, EpochDone):
                yield event
                continue
            model = cast("Classifier | None", event.model)
            best = model or best
            yield ClassifierEpoch(
                event.epoch,
                event.loss,
                event.validation_loss,
                event.iou,
                teacher.validator.predictions,
                model,
                event.seconds_left,
                event.settling,
                None if event.settling else event.reached,  # the held-out predictions would be lost
            )
            if model is not None and checkpoint is not None:
                try:
                    save_classifier(model, checkpoint)
                except ValueError as error:  # a full disk must not end a training that is going well
                    yield Notice(f"The best classifier could not be saved: {error} Training goes on.")
                    checkpoint = None
    if best is None:
        raise RuntimeError("The training ended without an epoch.")
    return best
