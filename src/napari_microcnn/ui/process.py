"""The worker processes seen from the window: started, talked to, kept for the next job. Used by `jobs` only."""

from __future__ import annotations

import atexit
import logging
import math
import os
import queue
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

import psutil

from napari_microcnn.ui import serve, wire
from napari_microcnn.ui.serve import Failure

log = logging.getLogger(__name__)


class Process:
    """A worker process, with one thread that writes requests and one that reads answers.

    Attributes
    ----------
    on_answer : callable or None
        Called in the reading thread with the kind and the content of every answer.
    device : str or None
        One line on what it computes with, once it has told.
    """

    def __init__(self) -> None:
        flags = subprocess.CREATE_NO_WINDOW if sys.platform == "win32" else 0
        self._child = subprocess.Popen(
            [sys.executable, "-c", f"from {serve.__name__} import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"OMP_WAIT_POLICY": "PASSIVE", **os.environ},  # waits that spin take the processor from the window
            creationflags=flags,
        )
        self._requests: queue.SimpleQueue[tuple[Any, ...] | None] = queue.SimpleQueue()
        self.on_answer: Callable[[str, Any], None] | None = None
        self.device: str | None = None
        threading.Thread(target=self._write, daemon=True, name="microcnn requests").start()
        threading.Thread(target=self._read, daemon=True, name="microcnn answers").start()

    @property
    def alive(self) -> bool:
        """Whether it can take a job."""
        return self._child.poll() is None

    @property
    def computed(self) -> float:
        """Seconds of processor time that it has used; infinite once it is gone."""
        try:
            used = psutil.Process(self._child.pid).cpu_times()
        except psutil.Error:
            return math.inf
        return float(used.user + used.system)

    def ask(self, *request: Any) -> None:
        """Queue a request; returns at once, however large the arrays in it."""
        self._requests.put(request)

    def kill(self) -> None:
        """End the process at once; the system takes back all that it held."""
        self.on_answer = None
        self._requests.put(None)
        self._child.kill()
        self._child.wait()

    def _write(self) -> None:
        with self._child.stdin as stream:
            while (request := self._requests.get()) is not None:
                try:
                    wire.send(stream, request)
                except OSError:  # the process is gone: the reading thread tells why
                    break
                except wire.UNSENDABLE as error:
                    # Anything else ends this thread and closes the stream: the worker ends, the reading thread tells.
                    message = (
                        f"This image cannot be sent to the worker process ({error}); save it as TIFF or OME-Zarr, and "
                        "open that."
                    )
                    self._tell(serve.FAILED, Failure(message, expected=False, details=traceback.format_exc()))

    def _read(self) -> None:
        message = "The worker's answer cannot be read; run it again."
        try:
            with self._child.stdout as stream:
                while True:
                    self._tell(*wire.receive(stream))
        except (EOFError, OSError):
            code = self._child.wait()
            message = f"The worker process ended unexpectedly (exit code {code}); is there enough memory?"
        finally:  # also when the answer was broken, in whatever way: then Python tells the traceback
            self._child.kill()
            self._tell(serve.FAILED, Failure(message, expected=False))

    def _tell(self, kind: str, content: Any) -> None:
        if kind == serve.DEVICE:
            self.device = content
        listener = self.on_answer
        if listener is not None:
            listener(kind, content)


class Pool:
    """Idle worker processes, kept because importing torch takes seconds."""

    KEEP = 2

    def __init__(self) -> None:
        self._idle: list[Process] = []
        self._busy: list[Process] = []
        atexit.register(self.close)

    @property
    def device(self) -> str | None:
        """What any of the processes told about its device."""
        return next((process.device for process in [*self._busy, *self._idle] if process.device), None)

    def take(self) -> Process:
        """Return a process that has nothing to do."""
        alive = [process for process in self._idle if process.alive]
        process = alive.pop() if alive else Process()
        self._idle = alive
        self._busy.append(process)
        return process

    def give_back(self, process: Process) -> None:
        """Keep a process that has finished its job, or end it when there are enough."""
        process.on_answer = None
        self._busy.remove(process)
        if process.alive and len(self._idle) < self.KEEP:
            self._idle.append(process)
        else:
            process.kill()

    def discard(self, process: Process) -> None:
        """End a process in the middle of its job."""
        if process in self._busy:  # not after `close`
            self._busy.remove(process)
        process.kill()

    def warm_up(self) -> None:
        """Start a process, if there is none, and let it import torch."""
        if not self._idle and not self._busy:
            self._idle.append(Process())
            self._idle[0].ask(serve.WARM_UP)

    def close(self) -> None:
        """End all processes."""
        for process in [*self._idle, *self._busy]:
            process.kill()
        self._idle, self._busy = [], []
