"""Following a long job on a terminal: progress bar, notices, and what is left when it is interrupted."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from napari_microcnn import events
from napari_microcnn.io.errors import printable

T = TypeVar("T")

_QUIET_SECONDS = 30.0
"""Without a terminal, one line of progress is written at most this often, so that log files stay readable."""


def say(message: str) -> None:
    """Write a line for people, on the error stream: the output stream is for results."""
    typer.echo(printable(message), err=True)


def follow(job: events.Job[T], title: str, on_event: Callable[[events.Event], None] | None = None) -> T:
    """Run a job to its end, show how far it is, and return its result.

    The job is closed however this ends, so that an interruption stops it within a batch or tile.

    Parameters
    ----------
    job : Job
    title : str
        Name of the job in the progress bar.
    on_event : callable, optional
        Called with every event.
    """
    meter = _Bar(title) if sys.stderr is not None and sys.stderr.isatty() else _Lines(title)
    start = time.monotonic()
    with meter:
        try:
            for event in job:
                if on_event is not None:
                    on_event(event)
                if isinstance(event, events.Finished):
                    return event.result
                if isinstance(event, events.Notice):
                    meter.notice(f"{title}: {event.message}")
                elif (share := _share(event, time.monotonic() - start)) is not None:
                    meter.show(share, _caption(event))
        finally:
            job.close()
    raise RuntimeError(f"{title} ended without a result.")


def _share(event: events.Event, elapsed: float) -> float | None:
    """Return how much of the whole job is done, 0 to 1."""
    if isinstance(event, events.Progress | events.TileDone):
        return event.done / max(event.total, 1)
    if isinstance(event, events.BatchDone | events.EpochDone | events.ClassifierEpoch):
        left = event.seconds_left
        return 0.0 if left is None else elapsed / max(elapsed + left, 1e-9)
    return None


def _caption(event: events.Event) -> str:
    """Return a few words on what is happening; empty to leave the last ones standing."""
    if isinstance(event, events.EpochDone):
        return f"epoch {event.epoch}, loss {event.loss:.3f}, IoU {event.iou:.3f}{' (best)' if event.best else ''}"
    if isinstance(event, events.ClassifierEpoch):
        best = " (best)" if event.best else ""
        return f"epoch {event.epoch}, loss {event.loss:.3f}, balanced accuracy {event.score:.3f}{best}"
    if isinstance(event, events.TileDone):
        return f"tile {event.done} of {event.total}"
    if isinstance(event, events.Progress):
        return event.message
    return ""


class _Bar:
    """A bar on a terminal."""

    def __init__(self, title: str) -> None:
        left = TextColumn("{task.fields[left]}")
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), left)
        self._progress = Progress(
            *columns,
            TextColumn("{task.fields[caption]}"),
            console=Console(stderr=True),
            redirect_stdout=sys.stdout.isatty(),  # what is piped to a file is not for the terminal
        )
        self._task = self._progress.add_task(title, total=1.0, caption="", left="")

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def notice(self, message: str) -> None:
        self._progress.console.print(printable(message), markup=False, highlight=False)

    def show(self, share: float, caption: str) -> None:
        elapsed = self._progress.tasks[0].elapsed or 0.0
        left = f"{elapsed * (1 / share - 1):.0f} s left" if share > 0.02 else ""
        self._progress.update(self._task, completed=share, left=left)
        if caption:
            self._progress.update(self._task, caption=caption)


class _Lines:
    """Now and then a line, in a file or a pipe."""

    def __init__(self, title: str) -> None:
        self._title, self._last = title, time.monotonic()

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def notice(self, message: str) -> None:
        say(message)

    def show(self, share: float, caption: str) -> None:
        if caption and time.monotonic() - self._last > _QUIET_SECONDS:
            self._last = time.monotonic()
            say(f"{self._title}: {100 * share:.0f} %, {caption}")
