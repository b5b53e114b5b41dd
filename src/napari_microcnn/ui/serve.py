"""The worker process: runs one job after the other and reports over its standard streams.

Training in a thread of the window holds it up: importing torch alone stops it for 300 to 900 ms,
the first steps of a training for another 250 ms. A process of its own costs a pipe, and the window
never waits. Nothing of napari or Qt is imported here.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, BinaryIO

from napari_microcnn.device import MEMORY_ERRORS, out_of_memory, wanted_memory
from napari_microcnn.events import Alive, Event, Finished, Job
from napari_microcnn.ui import wire

log = logging.getLogger(__name__)

RUN, TELL, STOP, WARM_UP = "run", "tell", "stop", "warm up"
"""What the window asks for."""
EVENT, FINISHED, STOPPED, FAILED, DEVICE = "event", "finished", "stopped", "failed", "device"
"""What the worker answers."""


@dataclass(frozen=True)
class Failure:
    """Why a job ended early.

    Attributes
    ----------
    message : str
        One sentence for the user.
    expected : bool
        True for a mistake that the user can put right, False for an error in the program.
    details : str
        The traceback.
    """

    message: str
    expected: bool
    details: str = ""


class Urgent(Event):
    """What the user waits for: it is shown as soon as the end of a job is."""


def urgent(answer: str, content: Any) -> bool:
    """Whether an answer is shown at once, however slowly the window draws."""
    return answer != EVENT or isinstance(content, Urgent)


class _Server:
    def __init__(self, requests: BinaryIO, answers: BinaryIO) -> None:
        self._requests = requests
        self._answers = answers
        self._tasks: queue.Queue[Callable[[], None]] = queue.Queue()
        self._stop = threading.Event()
        self._told: deque[Any] = deque()

    def serve(self) -> None:
        sys.excepthook = self._fall
        threading.Thread(target=self._listen, daemon=True, name="listen").start()
        while True:
            self._tasks.get()()

    def _listen(self) -> None:
        """Read requests, also while a job runs; the end of the stream is the end of this process."""
        try:
            while True:
                try:
                    request, *arguments = wire.receive(self._requests)
                except wire.OpeningError as error:
                    self._tasks.put(partial(self._refuse, str(error), traceback.format_exc()))
                    continue
                if request == STOP:
                    self._stop.set()
                elif request == TELL:
                    self._told.append(arguments[0])
                elif request == WARM_UP:
                    self._tasks.put(self._warm_up)
                else:
                    self._stop.clear()
                    self._told.clear()  # what was told to a job that has ended
                    job, listening = arguments
                    run = partial(job, changes=self._changes) if listening else job
                    self._tasks.put(partial(self._run, run))
        finally:
            os._exit(0)  # a batch that is being computed in the main thread cannot be waited for

    def _changes(self) -> list[Any]:
        """Return what the window has told since the last call."""
        return [self._told.popleft() for _ in range(len(self._told))]

    def _warm_up(self) -> None:
        from napari_microcnn.device import describe_device

        self._answer(DEVICE, describe_device("auto"))
        if not self._tasks.empty():  # what is wanted already need not be rehearsed
            return
        from napari_microcnn.ui.rehearsal import rehearse

        with closing(rehearse()) as events:
            for _ in events:
                if not self._tasks.empty():
                    break

    def _refuse(self, reason: str, details: str) -> None:
        message = f"The worker process cannot open this image ({reason}); save it as TIFF or OME-Zarr, and open that."
        self._answer(FAILED, Failure(message, expected=False, details=details))

    def _run(self, job: Callable[[], Job[Any]]) -> None:
        try:
            with closing(job()) as events:
                self._follow(events)
        except (ValueError, OSError) as error:
            self._answer(FAILED, Failure(_sentence(error), expected=True, details=traceback.format_exc()))
        except MEMORY_ERRORS as error:
            if not out_of_memory(error):
                raise
            more = wanted_memory(error)
            message = f"There is not enough memory for this{more}; choose a smaller tile, patch or batch."
            self._answer(FAILED, Failure(message, expected=True, details=traceback.format_exc()))

    def _fall(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """Tell the window of an error that nobody expected, and end: what is left of the job cannot be trusted."""
        details = "".join(traceback.format_exception(kind, error, trace))
        self._answer(FAILED, Failure(f"{kind.__name__}: {error}", expected=False, details=details))
        os._exit(1)

    def _follow(self, events: Job[Any]) -> None:
        for event in events:
            if isinstance(event, Finished):
                self._answer(FINISHED, event.result)
                return
            if not isinstance(event, Alive):
                self._answer(EVENT, event)
            if self._stop.is_set():
                events.close()
                break
        self._answer(STOPPED, None)

    def _answer(self, kind: str, content: Any) -> None:
        wire.send(self._answers, (kind, content))


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'The file'}: {error.strerror}."
    return str(error)


def _claim_output() -> BinaryIO:
    """Keep the pipe to the window for answers; whatever a library prints goes to the error stream."""
    pipe = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(pipe, "wb")


def main() -> None:
    """Serve the window until it closes the connection."""
    answers = _claim_output()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is for the window
    if hasattr(os, "nice"):
        os.nice(10)  # the window comes first where both want the processor
    _Server(sys.stdin.buffer, answers).serve()
