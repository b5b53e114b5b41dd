"""Events are what long jobs say; the last one is the result."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from napari_microcnn.events import BatchDone, EpochDone, Event, Finished, Notice, Progress, result_of


def job(closed: list[bool], *, finish: bool = True) -> Generator[Event | Finished[int], None, None]:
    try:
        yield Notice("the model fits")
        yield Progress(1, 2, "reading")
        if finish:
            yield Finished(42)
    finally:
        closed.append(True)


def test_result_of_a_job() -> None:
    assert result_of(job([])) == 42


def test_a_job_without_result_is_a_mistake_of_the_program() -> None:
    with pytest.raises(RuntimeError, match="ended without a result"):
        result_of(job([], finish=False))


def test_closing_a_job_runs_its_clean_up() -> None:
    closed: list[bool] = []
    running = job(closed)
    assert next(running) == Notice("the model fits")
    running.close()
    assert closed == [True]


@pytest.mark.parametrize(
    "event", [Notice("x"), Progress(1, 2), BatchDone(1, 1, 2, 0.5), EpochDone(1, 0.5, 0.4, 0.9), Finished(1)]
)
def test_events_are_frozen(event: Event) -> None:
    assert isinstance(event, Event)
    field = next(iter(event.__dataclass_fields__))
    with pytest.raises(FrozenInstanceError):
        setattr(event, field, "changed")


def test_an_epoch_is_the_best_when_it_brings_a_model() -> None:
    model: Any = object()
    assert EpochDone(3, 0.5, 0.4, 0.9, model=model).best
    assert not EpochDone(4, 0.5, 0.5, 0.8).best
