"""The loop: events, limits, the best weights, stopping."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from napari_microcnn.config import ClassInfo, UNetConfig
from napari_microcnn.events import BatchDone, EpochDone, Event
from napari_microcnn.models import Model
from napari_microcnn.nets import UNet
from napari_microcnn.train import Lesson, LoopSettings, clock, segmentation_loss, train_loop

CLASSES = tuple(ClassInfo(id=number, name=f"class {number}", colour="#0072b2") for number in (0, 1))


def batches(seed: int = 0) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    while True:
        images = torch.randn(4, 1, 16, 16, generator=generator)
        yield images, (images[:, 0] > 0).long()


def run(settings: LoopSettings, scores: list[float] | None = None, **changes: Any) -> tuple[list[Event], Model, UNet]:
    torch.manual_seed(0)
    net = UNet(UNetConfig(width=4, depth=1))
    model = Model(net, CLASSES)
    left = iter(scores or [])
    arguments: dict[str, Any] = {
        "loss": segmentation_loss,
        "validate": lambda _: (1.0, next(left, 0.0)),
        "snapshot": model.snapshot,
    }
    job, events = train_loop(net, Lesson(batches(), **(arguments | changes)), settings), []
    while True:
        try:
            events.append(next(job))
        except StopIteration as stop:
            return events, stop.value, net


def epochs_of(events: list[Event]) -> list[EpochDone]:
    return [event for event in events if isinstance(event, EpochDone)]


def test_events_of_two_epochs() -> None:
    events, _, _ = run(LoopSettings(epochs=2, steps_per_epoch=3))
    kinds = [type(event).__name__ for event in events]
    assert kinds == ["BatchDone"] * 3 + ["EpochDone"] + ["BatchDone"] * 3 + ["EpochDone"]
    places = [(event.epoch, event.batch, event.batches) for event in events if isinstance(event, BatchDone)]
    assert places == [(epoch, batch, 3) for epoch in (1, 2) for batch in (1, 2, 3)]
    left = [event.seconds_left for event in events]
    assert all(isinstance(seconds, float) and seconds >= 0 for seconds in left)
    assert left[-1] == pytest.approx(0, abs=1e-6)


def test_it_learns() -> None:
    events, _, _ = run(LoopSettings(epochs=6, steps_per_epoch=10, learning_rate=0.01))
    first, *_, last = epochs_of(events)
    assert last.loss < 0.5 * first.loss


def test_the_best_epoch_is_kept_and_detached() -> None:
    events, best, net = run(LoopSettings(epochs=4, steps_per_epoch=2), scores=[0.2, 0.9, 0.5, 0.9])
    assert [event.best for event in epochs_of(events)] == [True, True, False, False]
    assert best is epochs_of(events)[1].model
    assert not any(parameter.requires_grad for parameter in best.net.parameters())
    assert best.sha256 != Model(net, CLASSES).sha256


def test_equal_iou_is_decided_by_the_loss() -> None:
    losses = iter([0.5, 0.4, 0.6])
    events, _, _ = run(LoopSettings(epochs=3, steps_per_epoch=1), validate=lambda _: (next(losses), 1.0))
    assert [event.best for event in epochs_of(events)] == [True, True, False]


def test_in_doubt_the_later_epoch_is_taken() -> None:
    settings = LoopSettings(epochs=4, steps_per_epoch=1)
    events, best, _ = run(settings, scores=[0.9, 0.8, 0.895, 0.89], doubt=lambda: 0.01)
    assert [event.best for event in epochs_of(events)] == [True, False, True, False]
    assert best is epochs_of(events)[2].model


def test_at_last_everything_is_learnt_and_nothing_judged_any_more() -> None:
    judged, drawn = [], []

    def everything() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for batch in batches(1):
            drawn.append(1)
            yield batch

    def validate(_: UNet) -> tuple[float, float]:
        judged.append(1)
        return 0.5, 0.8

    settings = LoopSettings(epochs=10, steps_per_epoch=2)
    events, best, _ = run(settings, validate=validate, everything=everything, doubt=lambda: 0.1)
    epochs = epochs_of(events)
    assert [epoch.settling for epoch in epochs] == [False] * 6 + [True] * 4
    assert (len(judged), len(drawn)) == (6, 8)
    assert {(epoch.iou, epoch.validation_loss) for epoch in epochs} == {(0.8, 0.5)}
    assert best is epochs[-1].model


def test_a_training_past_its_best_keeps_the_best() -> None:
    settings = LoopSettings(epochs=10, steps_per_epoch=1)
    events, best, _ = run(settings, scores=[0.9, *[0.1] * 9], everything=lambda: batches(1))
    assert not any(epoch.settling for epoch in epochs_of(events))
    assert best is epochs_of(events)[0].model


def test_patience_ends_it() -> None:
    events, _, _ = run(LoopSettings(steps_per_epoch=1, patience=3), scores=[0.1, 0.5])
    assert len(epochs_of(events)) == 5
    assert events[0].seconds_left is None  # type: ignore[attr-defined]


def test_time_ends_it_even_within_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter(range(10_000))
    monkeypatch.setattr(clock.time, "monotonic", lambda: float(next(seconds)))
    events, best, _ = run(LoopSettings(minutes=1, steps_per_epoch=5))
    assert 1 < len(events) < 60
    assert isinstance(events[-1], EpochDone)
    assert best is not None


def test_closing_stops_within_one_batch() -> None:
    torch.manual_seed(0)
    net, steps = UNet(UNetConfig(width=4, depth=1)), []

    def counted() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for batch in batches():
            steps.append(1)
            yield batch

    lesson = Lesson(counted(), segmentation_loss, lambda _: (0.0, 0.0), Model(net, CLASSES).snapshot)
    job = train_loop(net, lesson, LoopSettings(epochs=5))
    next(job)
    job.close()
    assert len(steps) == 1


def test_a_loss_that_is_no_number_does_not_spoil_the_weights() -> None:
    number = iter(range(100))

    def spoilt(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return segmentation_loss(logits, targets) * (math.nan if next(number) == 2 else 1)

    _, _, net = run(LoopSettings(epochs=1, steps_per_epoch=5), loss=spoilt)
    assert all(value.isfinite().all() for value in net.state_dict().values())


def test_learning_rate_rises_and_falls() -> None:
    ticking = clock.Clock(10, None, 10)
    rates = []
    for _ in range(100):
        ticking.step()
        rates.append(ticking.rate())
    assert rates[0] < 0.3
    assert max(rates) == pytest.approx(1, abs=0.01)
    assert rates[-1] == pytest.approx(0.02, abs=0.01)
    top = rates.index(max(rates))
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_averaging_smooths_the_weights() -> None:
    _, averaged, net = run(LoopSettings(epochs=1, steps_per_epoch=5))
    assert averaged.sha256 != Model(net, CLASSES).sha256
    _, last, net = run(LoopSettings(epochs=1, steps_per_epoch=5, averaging=0))
    assert last.sha256 == Model(net, CLASSES).sha256


def test_bfloat16_keeps_float32_weights() -> None:
    events, best, _ = run(LoopSettings(epochs=3, steps_per_epoch=10, bfloat16=True, learning_rate=0.01))
    assert epochs_of(events)[-1].loss < epochs_of(events)[0].loss
    assert {value.dtype for value in best.net.state_dict().values()} == {torch.float32, torch.int64}


def test_too_little_memory_says_how_much_a_step_needs() -> None:
    def loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried")

    with pytest.raises(ValueError, match=r"batches of 4 patches of 16 x 16 pixels, which take about 0 MB; choose"):
        run(LoopSettings(epochs=1), loss=loss)
