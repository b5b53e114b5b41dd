import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_microcnn.events import BatchDone, Progress
from napari_microcnn.ui import jobs
from napari_microcnn.ui.process import Pool


class Listener:
    """Collects everything that a job tells."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.updates = 0
        self.end: tuple[str, Any] | None = None

    def update(self) -> None:
        self.updates += 1

    def start(self, job: Callable[[], Any], **more: Any) -> jobs.RunningJob:
        return jobs.start(
            job,
            on_event=self.events.append,
            on_finished=lambda result: self.finish("finished", result),
            on_error=lambda failure: self.finish("failed", failure),
            on_stopped=lambda: self.finish("stopped", None),
            on_update=self.update,
            name="test",
            **more,
        )

    def finish(self, how: str, what: Any) -> None:
        assert self.end is None, "a job ends once"
        self.end = how, what


@pytest.fixture
def listener(qapp: Any, own_pool: Pool) -> Listener:
    return Listener()


def test_an_answer_that_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch, own_pool: Pool, qtbot: Any) -> None:
    told: list[Any] = []

    def broken(stream: Any) -> Any:
        raise KeyError("no such thing")

    monkeypatch.setattr("napari_microcnn.ui.wire.receive", broken)
    monkeypatch.setattr("threading.excepthook", lambda arguments: told.append(arguments.exc_type))
    process = own_pool.take()
    process.on_answer = lambda kind, content: told.append(content.message)
    qtbot.waitUntil(lambda: KeyError in told, timeout=10_000)
    qtbot.waitUntil(lambda: not process.alive, timeout=10_000)


@pytest.fixture
def fake(own_pool: Pool) -> Any:
    import fake_jobs

    return fake_jobs


def test_result_and_events_arrive_in_the_window(qtbot: Any, listener: Listener, fake: Any) -> None:
    job = listener.start(partial(fake.count, 5))
    qtbot.waitUntil(lambda: listener.end is not None, timeout=20_000)
    assert listener.end == ("finished", 5)
    assert isinstance(listener.events[-1], Progress)
    assert listener.events[-1].done == 5
    assert not job.running


def test_arrays_go_there_and_back(qtbot: Any, listener: Listener, fake: Any) -> None:
    array = np.arange(1_000_000, dtype=np.float32).reshape(1000, 1000)
    listener.start(partial(fake.double, array))
    qtbot.waitUntil(lambda: listener.end is not None, timeout=20_000)
    np.testing.assert_array_equal(listener.end[1], array * 2)


def test_a_burst_of_batches_is_shown_in_a_few_updates(qtbot: Any, listener: Listener, fake: Any) -> None:
    listener.start(partial(fake.burst, 2000))
    qtbot.waitUntil(lambda: listener.end is not None, timeout=20_000)
    assert all(isinstance(event, BatchDone) for event in listener.events)
    assert listener.events[-1].batch == 2000
    assert len(listener.events) < 200
    assert listener.updates < 100


def test_stop_closes_the_generator_in_the_thread_that_ran_it(
    qtbot: Any, listener: Listener, fake: Any, tmp_path: Path
) -> None:
    job = listener.start(partial(fake.forever, tmp_path / "mark"))
    qtbot.waitUntil(lambda: bool(listener.events), timeout=20_000)
    job.stop()
    qtbot.waitUntil(lambda: listener.end is not None, timeout=5_000)
    assert listener.end == ("stopped", None)
    assert (tmp_path / "mark").read_text() == "True"


def test_a_job_that_does_not_listen_is_ended(
    qtbot: Any, listener: Listener, fake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "PATIENCE", 0.3)
    job = listener.start(fake.deaf)
    qtbot.waitUntil(lambda: bool(listener.events), timeout=20_000)
    job.stop()
    qtbot.waitUntil(lambda: listener.end == ("stopped", None), timeout=5_000)


@pytest.mark.parametrize(
    ("name", "expected", "words"),
    [("refuse", True, "upside down"), ("crash", False, "nobody expected"), ("die", False, "ended unexpectedly")],
)
def test_failures_are_told(qtbot: Any, listener: Listener, fake: Any, name: str, expected: bool, words: str) -> None:
    listener.start(getattr(fake, name))
    qtbot.waitUntil(lambda: listener.end is not None, timeout=20_000)
    how, failure = listener.end
    assert how == "failed"
    assert failure.expected is expected
    assert words in failure.message
    assert ("KeyError" in failure.details) is (name == "crash")


def test_the_next_job_runs_after_a_crash(qtbot: Any, listener: Listener, fake: Any) -> None:
    listener.start(fake.die)
    qtbot.waitUntil(lambda: listener.end is not None, timeout=20_000)
    listener.end = None
    listener.start(partial(fake.count, 1))
    qtbot.waitUntil(lambda: listener.end == ("finished", 1), timeout=20_000)


def test_a_running_job_hears_what_it_is_told(qtbot: Any, listener: Listener, fake: Any) -> None:
    job = listener.start(fake.listen, listening=True)
    qtbot.waitUntil(lambda: bool(listener.events), timeout=20_000)
    job.tell(np.arange(3))
    job.tell("end")
    qtbot.waitUntil(lambda: listener.end is not None, timeout=20_000)
    how, heard = listener.end
    assert how == "finished"
    np.testing.assert_array_equal(heard[0], np.arange(3))
    assert all(isinstance(event, Progress) for event in listener.events)  # signs of life stay in the worker
    job.tell("too late")

    listener.end = None
    listener.start(fake.listen, listening=True).tell("end")
    qtbot.waitUntil(lambda: listener.end is not None, timeout=20_000)
    assert listener.end == ("finished", ["end"])


def test_what_libraries_print_does_not_disturb(qtbot: Any, listener: Listener, fake: Any) -> None:
    listener.start(fake.chatter)
    qtbot.waitUntil(lambda: listener.end == ("finished", "heard"), timeout=20_000)


def test_what_cannot_be_sent_is_told(qtbot: Any, listener: Listener, fake: Any) -> None:
    listener.start(partial(fake.double, threading.Lock()))
    qtbot.waitUntil(lambda: listener.end is not None, timeout=20_000)
    assert "cannot be sent to the worker process (cannot pickle" in listener.end[1].message
    assert "save it as TIFF or OME-Zarr" in listener.end[1].message


def test_what_cannot_be_opened_is_told_and_the_worker_stays(
    qtbot: Any, listener: Listener, fake: Any, monkeypatch: pytest.MonkeyPatch, own_pool: Pool
) -> None:
    here = type(sys)("only_here")
    exec("def double(array): return array * 2", here.__dict__)
    monkeypatch.setitem(sys.modules, "only_here", here)
    listener.start(partial(fake.double, here.double))
    qtbot.waitUntil(lambda: listener.end is not None, timeout=20_000)
    assert "cannot open this image (ModuleNotFoundError: No module named 'only_here')" in listener.end[1].message
    listener.end = None
    listener.start(partial(fake.count, 1))
    qtbot.waitUntil(lambda: listener.end == ("finished", 1), timeout=20_000)
    assert len(own_pool._idle) == 1


def test_the_process_is_used_again(qtbot: Any, listener: Listener, fake: Any, own_pool: Pool) -> None:
    for n in (1, 2):
        listener.end = None
        listener.start(partial(fake.count, n))
        qtbot.waitUntil(lambda n=n: listener.end == ("finished", n), timeout=20_000)
    assert len(own_pool._idle) == 1


def test_an_abandoned_job_calls_nobody(qtbot: Any, listener: Listener, fake: Any, tmp_path: Path) -> None:
    job = listener.start(partial(fake.forever, tmp_path / "mark"))
    qtbot.waitUntil(lambda: bool(listener.events), timeout=20_000)
    job.abandon()
    seen = len(listener.events)
    qtbot.wait(200)
    assert listener.end is None
    assert len(listener.events) == seen


def test_the_worker_describes_its_device(qtbot: Any, own_pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert jobs.device_line() is None
    jobs.warm_up()
    qtbot.waitUntil(lambda: jobs.device_line() is not None, timeout=60_000)
    assert "PU" in jobs.device_line()


def test_of_many_requests_the_first_and_the_last_are_served(qtbot: Any, fake: Any, qapp: Any) -> None:
    results: list[int] = []
    latest = jobs.LatestWins(results.append, results.append, "test")
    for n in range(1, 30):
        latest.submit(partial(fake.count, n))
    qtbot.waitUntil(lambda: not latest.busy and bool(results), timeout=20_000)
    assert results == [1, 29]
