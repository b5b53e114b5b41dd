"""Jobs of the docks: the only file that starts workers.

A job runs in a worker process (`serve`), because a thread cannot keep the window fluent while torch
is imported and trains. The process is kept for the next job, so that torch is imported once. Events
come back through a thread that only reads. The window takes them at most twenty times a second, and
less often where drawing is slow (a large canvas without a graphics card), so that it stays fluent.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_microcnn.events import BatchDone, Event, Job, PreviewDone, Progress
from napari_microcnn.ui import serve
from napari_microcnn.ui.process import Pool, Process
from napari_microcnn.ui.serve import Failure

log = logging.getLogger(__name__)

INTERVAL = 0.05
"""Seconds between two updates of the window, at least."""
SHARE, SLOW_SHARE, SLOW = 0.1, 0.02, 0.03
"""Share of the window's time that updates may take, drawing included; a smaller one if each takes `SLOW` seconds."""
BUDGET = 0.02
"""Seconds that callbacks may take before the window gets its turn."""
LONGEST = 1.2
"""Seconds between two updates, at most: a preview that comes later is no live preview."""
PATIENCE = 3.0
"""Seconds that a job may take to stop by itself; what it reached has been reported by then."""
WAITING = 0.8
"""The same for a job that computes nothing meanwhile: it waits for a drive, and cannot hear."""
_BUSY = 0.02
"""Share of a processor that who computes gets, however many others want it."""
_NEWEST_ONLY = (BatchDone, Progress, PreviewDone)

_pool = Pool()


def warm_up() -> None:
    """Start a worker process and let it import torch, so that the first job starts at once."""
    _pool.warm_up()


def device_line() -> str | None:
    """Return one line on what the worker computes with; None while that is not known."""
    return _pool.device


def start_thread(work: Callable[[], None], name: str) -> threading.Thread:
    """Do something beside the window that only reads arrays and writes files, as keeping annotations is.

    What computes for long belongs into a worker process.
    """
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread


def _ignore(event: Event) -> None:
    """Take no notice of an event."""


def _nothing() -> None:
    """Do nothing."""


class RunningJob(QObject):
    """A job that runs in a worker process.

    The callbacks are called in the window's thread. After `abandon` none is called any more.

    Attributes
    ----------
    name : str
        What the user sees.
    running : bool
        Until one of `on_finished`, `on_stopped` and `on_error` was called.
    stopping : bool
        Whether `stop` was called.
    """

    _arrived = Signal()

    def __init__(
        self,
        job: Callable[[], Job[Any]],
        *,
        on_event: Callable[[Event], None],
        on_finished: Callable[[Any], None],
        on_error: Callable[[Failure], None],
        on_stopped: Callable[[], None],
        on_update: Callable[[], None],
        name: str,
        listening: bool,
    ) -> None:
        super().__init__()
        self.name = name
        self.running = True
        self.stopping = False
        self._calls = {serve.EVENT: on_event, serve.FINISHED: on_finished, serve.FAILED: on_error}
        self._calls[serve.STOPPED] = lambda _: on_stopped()
        self._inbox: deque[tuple[str, Any]] = deque()
        self._on_update = on_update
        self._last = 0.0
        self._interval = INTERVAL
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._deliver)
        self._arrived.connect(self._schedule)
        self._process: Process | None = _pool.take()
        self._process.on_answer = self._receive
        self._process.ask(serve.RUN, job, listening)

    def tell(self, change: Any) -> None:
        """Tell a listening job of a change; returns at once. A job that has ended does not hear it."""
        if self.running and self._process is not None:
            self._process.ask(serve.TELL, change)

    def stop(self) -> None:
        """Ask the job to stop after this batch or tile; after `PATIENCE` seconds, or `WAITING`, it is ended."""
        if self.running and not self.stopping:
            self.stopping = True
            self._process.ask(serve.STOP)
            self._wait_for(self._process)
            QTimer.singleShot(int(PATIENCE * 1000), self._insist)

    def abandon(self) -> None:
        """End the job at once and call nobody: its dock or the window is closing."""
        if self.running:
            self.running = False
            self._end_process()
            self._forget()

    def _wait_for(self, process: Process) -> None:
        QTimer.singleShot(int(WAITING * 1000), partial(self._lose_patience, process.computed))

    def _lose_patience(self, computed: float) -> None:
        """End the job if it has not computed since, or else look again."""
        if not self.running or self._process is None:
            return
        if self._process.computed - computed < _BUSY * WAITING:
            self._insist()
        else:
            self._wait_for(self._process)

    def _insist(self) -> None:
        if self.running:
            log.warning("%s did not stop by itself; its process is ended.", self.name)
            self._end_process()
            self._inbox.append((serve.STOPPED, None))
            self._deliver()

    def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            _pool.discard(process)

    def _receive(self, kind: str, content: Any) -> None:
        """Take an answer in the reading thread and wake the window unless it is awake already."""
        if kind == serve.DEVICE:
            return
        self._inbox.append((kind, content))
        if len(self._inbox) == 1 or serve.urgent(kind, content):
            self._arrived.emit()

    def _schedule(self) -> None:
        urgent = any(serve.urgent(*answer) for answer in tuple(self._inbox))
        if self.running and (urgent or not self._timer.isActive()):
            interval = INTERVAL if urgent else self._interval
            wait = max(0.0, interval - (time.monotonic() - self._last))
            self._timer.start(int(wait * 1000))

    def _deliver(self) -> None:
        """Call back for what has arrived, but not for longer than `BUDGET`."""
        started = time.monotonic()
        try:
            while self._inbox and self.running and time.monotonic() - started < BUDGET:
                self._deliver_one(*self._inbox.popleft())
            if self.running:
                self._on_update()
                # Twice, because the window is drawn after the first: then the cost of drawing is known.
                QTimer.singleShot(0, lambda: QTimer.singleShot(0, lambda: self._drawn(started)))
        finally:  # a callback that fails must not hold up the events after it
            self._last = time.monotonic()
            if self._inbox:
                self._schedule()

    def _drawn(self, started: float) -> None:
        """Update less often where an update takes long, and as often as before where it does not any more."""
        self._last = time.monotonic()
        cost = self._last - started
        wanted = max(cost / (SHARE if cost < SLOW else SLOW_SHARE), 0.7 * self._interval)
        self._interval = min(max(INTERVAL, wanted), LONGEST)

    def _deliver_one(self, kind: str, content: Any) -> None:
        if kind == serve.EVENT:
            if not self._outdated(content):
                self._calls[kind](content)
            return
        self.running = False
        process, self._process = self._process, None
        if process is not None:
            _pool.give_back(process)
        call = self._calls[kind]
        self._forget()
        call(content)

    def _outdated(self, event: Event) -> bool:
        """Whether a newer event of the same kind is waiting."""
        return isinstance(event, _NEWEST_ONLY) and any(type(other) is type(event) for _, other in tuple(self._inbox))

    def _forget(self) -> None:
        """Drop what the callbacks hold, or a closed dock would live as long as this object."""
        self._timer.stop()
        self._inbox.clear()
        self._calls.clear()
        self._on_update = _nothing


def start(
    job: Callable[[], Job[Any]],
    *,
    on_event: Callable[[Event], None] = _ignore,
    on_finished: Callable[[Any], None],
    on_error: Callable[[Failure], None],
    on_stopped: Callable[[], None] = _nothing,
    on_update: Callable[[], None] = _nothing,
    name: str,
    listening: bool = False,
) -> RunningJob:
    """Run a job in a worker process.

    Parameters
    ----------
    job : callable
        Called without arguments in the worker process, returns the generator of events. It is sent
        there, so it must be a function of a module, usually ``functools.partial(function, arrays...)``.
    on_event, on_finished, on_error, on_stopped : callable
        Called in the window's thread with every event, with the result, with the reason of a
        failure, and when the job was stopped. One of the last three ends the job.
    on_update : callable
        Called after one or more events were handed over: the time to draw. `on_event` should only
        remember.
    name : str
        What the user sees.
    listening : bool
        Whether the job takes an argument `changes`, a callable that returns what it was told since
        the last call, see `RunningJob.tell`.

    Returns
    -------
    RunningJob
        Keep it as long as the job is wanted.
    """
    return RunningJob(
        job,
        on_event=on_event,
        on_finished=on_finished,
        on_error=on_error,
        on_stopped=on_stopped,
        on_update=on_update,
        name=name,
        listening=listening,
    )


class LatestWins:
    """Runs short jobs one at a time; of those that come meanwhile only the last is kept."""

    def __init__(self, on_finished: Callable[[Any], None], on_error: Callable[[Failure], None], name: str) -> None:
        self._on_finished = on_finished
        self._on_error = on_error
        self._name = name
        self._waiting: Callable[[], Job[Any]] | None = None
        self._current: RunningJob | None = None

    @property
    def busy(self) -> bool:
        """Whether something runs."""
        return self._current is not None

    def submit(self, job: Callable[[], Job[Any]]) -> None:
        """Run this job as soon as the current one is done, unless another is submitted before."""
        self._waiting = job
        if self._current is None:
            self._next()

    def abandon(self) -> None:
        """End the current job and forget the waiting one."""
        self._waiting = None
        if self._current is not None:
            self._current.abandon()
            self._current = None

    def _next(self) -> None:
        job, self._waiting = self._waiting, None
        if job is not None:
            self._current = start(job, on_finished=self._done, on_error=self._failed, name=self._name)

    def _done(self, result: Any) -> None:
        self._current = None
        self._next()
        self._on_finished(result)

    def _failed(self, failure: Failure) -> None:
        self._current = None
        self._next()
        self._on_error(failure)
