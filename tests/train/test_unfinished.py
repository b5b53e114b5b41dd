"""Trainings that were interrupted go on, if they are the same."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import torch

from napari_microcnn.config import ClassifierTrainConfig, ClassInfo, SyntheticTrainConfig, TrainConfig, UNetConfig
from napari_microcnn.data import Annotated
from napari_microcnn.data.collections import Collection
from napari_microcnn.events import BatchDone, ClassifierEpoch, EpochDone, Event, Finished, Job, Reached, result_of
from napari_microcnn.models import Model, load_model
from napari_microcnn.nets import UNet
from napari_microcnn.train import Lesson, LoopSettings, classifier, segmentation_loss, segmenter, train_loop
from napari_microcnn.train import loop as training_loop
from napari_microcnn.train.classifier import train_classifier
from napari_microcnn.train.loop import Training
from napari_microcnn.train.particles import train_on_particles
from napari_microcnn.train.segmenter import train_segmenter
from napari_microcnn.train.synthetic import train_on_synthetic
from napari_microcnn.train.unfinished import Interrupted, Unfinished, training_id

CLASSES = tuple(ClassInfo(id=number, name=f"class {number}", colour="#0072b2") for number in (0, 1))
REACHED = Reached(7, 12.5, (0.8, -0.3), 0.02, False)


@pytest.fixture
def model() -> Model:
    torch.manual_seed(0)
    return Model(UNet(UNetConfig(width=2, depth=1)), CLASSES, provenance={"made_by": "a test"})


def test_the_same_training_goes_on(model: Model, tmp_path: Path) -> None:
    begun = Unfinished(tmp_path / "model", "the same")
    assert (begun.interrupted, begun.notice, begun.epoch) == (None, "", 0)
    begun.save(model, REACHED, "IoU 0.800")
    assert [path.name for path in tmp_path.iterdir()] == ["model.unfinished.safetensors"]
    assert load_model(begun.path).sha256 == model.sha256  # can be used as it is
    again = Unfinished(tmp_path / "model.safetensors", "the same")
    assert again.interrupted is not None
    assert (again.interrupted.reached, again.interrupted.score) == (REACHED, "IoU 0.800")
    assert again.interrupted.model.provenance == model.provenance
    assert "Going on from epoch 7" in again.notice
    assert again.epoch == 7
    again.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_model_tells_of_all_interruptions(model: Model, tmp_path: Path) -> None:
    for epoch in (3, 5):
        found = Unfinished(tmp_path / "model", "the same")
        found.save(model, Reached(epoch, 1.0, (0.5, -1.0), 0.0, False), "")
    assert Unfinished(tmp_path / "model", "the same").marked(model).provenance["interrupted_after_epochs"] == [3, 5]
    assert Unfinished(tmp_path / "other", "the same").marked(model) is model


@pytest.mark.parametrize("what", ["other", "no model", "no progress"])
def test_another_training_begins_anew(model: Model, tmp_path: Path, what: str) -> None:
    found = Unfinished(tmp_path / "model", "one")
    found.save(model, REACHED, "")
    if what == "no model":
        found.path.write_text("torn")
    elif what == "no progress":
        found.save(model, Reached(7, 1.0, (float("nan"), 0.0), 0.0, False), "")
    other = Unfinished(tmp_path / "model", "two" if what == "other" else "one")
    assert other.interrupted is None
    assert "another training" in other.notice
    assert other.marked(model) is model


def test_what_shapes_a_training_makes_it_another(tmp_path: Path) -> None:
    pixels, strokes = np.arange(6000, dtype=np.uint16).reshape(1500, 4), np.zeros((1500, 4), np.uint8)
    settings = TrainConfig(epochs=3)
    known = training_id("train", settings, data=[Annotated(pixels, strokes)])
    assert training_id("train", settings, data=[Annotated(da.from_array(pixels.copy()), strokes)]) == known
    painted = strokes.copy()
    painted[-1, 0] = 1
    others = [
        training_id("train", TrainConfig(epochs=4), data=[Annotated(pixels, strokes)]),
        training_id("train", settings, data=[Annotated(pixels, painted)]),
        training_id("train", settings, data=[Annotated(pixels, strokes, validation=True)]),
        training_id("train", settings, data=[Annotated(pixels, strokes)] * 2),
    ]
    assert len({known, *others}) == 5


def epochs_of(events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, EpochDone | ClassifierEpoch)]


def stopped_at(job: Job[Any], epoch: int) -> Interrupted[Any]:
    """Run a training up to the best model of an epoch or a later one."""
    for event in job:
        if isinstance(event, EpochDone | ClassifierEpoch) and event.reached and event.epoch >= epoch:
            job.close()
            return Interrupted(event.model, event.reached, "")
    raise AssertionError("The training ended.")


def loop(scores: list[float], interrupted: Interrupted[Any] | None, **changes: Any) -> list[Event]:
    torch.manual_seed(0)
    net, left = UNet(UNetConfig(width=2, depth=1)), iter(scores)
    lesson = Lesson(batches(), segmentation_loss, lambda _: (1.0, next(left)), Model(net, CLASSES).snapshot, **changes)
    job = train_loop(net, lesson, LoopSettings(epochs=10, steps_per_epoch=2), interrupted=interrupted)
    events: list[Event] = []
    try:
        while True:
            events.append(next(job))
    except StopIteration as stop:
        return [*events, Finished(stop.value)]


def batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    while True:
        images = torch.randn(2, 1, 8, 8)
        yield images, (images[:, 0] > 0).long()


def test_a_worse_epoch_replaces_no_better_model_from_before(model: Model) -> None:
    events = loop([0.7, 0.75, 0.9], Interrupted(model, REACHED, ""))
    assert [(event.epoch, event.best) for event in epochs_of(events)] == [(8, False), (9, False), (10, True)]
    events = loop([0.7, 0.75, 0.6], Interrupted(model, REACHED, ""))
    assert not any(event.best for event in epochs_of(events))
    assert result_of(iter(events)) is model


def test_what_was_in_doubt_still_is(model: Model) -> None:
    events = loop([0.7, 0.79, 0.6], Interrupted(model, REACHED, ""))
    assert [event.best for event in epochs_of(events)] == [False, True, False]


def test_the_time_that_was_spent_counts(model: Model) -> None:
    assert epochs_of(loop([0.9] * 9, Interrupted(model, replace(REACHED, epoch=10), ""))) == []
    left = loop([0.9] * 9, Interrupted(model, replace(REACHED, epoch=5, seconds=500.0), ""))[0].seconds_left  # type: ignore[attr-defined]
    assert left == pytest.approx(500 * (20 / 11 - 1), rel=0.01)  # 11 of 20 steps


def test_what_was_learnt_already_judges_nothing_any_more(model: Model) -> None:
    reached = replace(REACHED, settling=True)
    events = loop([], Interrupted(model, reached, ""), everything=batches)
    assert [(event.settling, event.best, event.iou) for event in epochs_of(events)] == [(True, True, 0.8)] * 3
    assert all(
        event.reached == replace(reached, epoch=event.epoch, seconds=event.reached.seconds)
        for event in epochs_of(events)
    )


@pytest.mark.parametrize("settling", [False, True])
def test_a_segmenter_goes_on(monkeypatch: pytest.MonkeyPatch, settling: bool) -> None:
    monkeypatch.setattr(training_loop, "SETTLE", 0.1 if settling else 0.9)  # the first epoch is always the best so far
    monkeypatch.setattr(segmenter, "STEPS_PER_EPOCH", 2)
    strokes = np.zeros((96, 96), np.uint8)
    strokes[8:88, 4:8], strokes[8:88, 40:44] = 1, 2
    image = np.where(np.arange(96) < 24, 60, 160) + np.random.default_rng(0).normal(0, 9, (96, 96))
    data = [Annotated(image.astype(np.float32), strokes)]
    classes = [ClassInfo(id=number, name=f"class {number}", colour="#0072b2") for number in (1, 2)]
    small = TrainConfig(minutes=None, epochs=8, init=None, patch=32, batch=2, width=2, depth=1, device="cpu")
    begun = stopped_at(train_segmenter(data, classes, small), 2 if settling else 1)
    assert begun.model.provenance["class_factors"] != [1.0, 1.0]
    starts: list[torch.Tensor] = []
    go_on = Training.go_on
    monkeypatch.setattr(
        Training,
        "go_on",
        lambda training, *told: (starts.append(training.net.head.bias.clone()), go_on(training, *told)),
    )
    events = list(train_segmenter(data, classes, small, interrupted=begun))
    right = torch.tensor(begun.model.provenance["class_factors"]).log()
    assert torch.allclose(starts[0] + right, begun.model.net.head.bias)  # frequencies are no part of learning
    epochs = epochs_of(events)
    assert [event.epoch for event in epochs] == list(range(begun.reached.epoch + 1, 9))
    assert epochs[0].settling == begun.reached.settling == settling
    found = result_of(iter(events))
    assert found.sha256 != begun.model.sha256
    assert found.provenance["validation"]["on"] == begun.model.provenance["validation"]["on"]
    assert found.overview == begun.model.overview


def test_a_classifier_goes_on(pictures: Callable[..., Collection], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier, "STEPS_PER_EPOCH", 2)
    small = ClassifierTrainConfig(
        architecture="conv-pool", minutes=None, epochs=6, init=None, filters=4, blocks=2, batch=4, device="cpu"
    )
    begun = stopped_at(train_classifier(pictures(), small), 1)
    events = list(train_classifier(pictures(), small, interrupted=begun))
    assert [event.epoch for event in epochs_of(events)] == list(range(begun.reached.epoch + 1, 7))
    assert all(event.reached is None for event in epochs_of(events) if event.settling)
    over = replace(begun, reached=replace(begun.reached, epoch=6))
    assert result_of(train_classifier(pictures(), small, interrupted=over)).sha256 == begun.model.sha256


@pytest.mark.parametrize("train", [train_on_synthetic, train_on_particles])
def test_new_pictures_follow_those_that_were_learnt(
    train: Callable[..., Job[Model]], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = SyntheticTrainConfig(steps=10, batch=2, patch=32, width=2, depth=1, workers=0, bfloat16=False, device="cpu")
    begun = stopped_at(train(small), 1)
    seeds: list[int] = []
    monkeypatch.setattr(sys.modules[train.__module__], "seed_of", lambda _, index: seeds.append(index) or index)
    longer = small.model_copy(update={"steps": 200})
    job = train(longer, interrupted=begun)
    first = next(job)
    job.close()
    assert isinstance(first, BatchDone)
    assert first.epoch == 2
    assert seeds == [200, 201]
