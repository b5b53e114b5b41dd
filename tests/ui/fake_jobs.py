"""Jobs for the tests of the workers."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from napari_microcnn.events import Alive, BatchDone, Event, Finished, Progress

READ_BY_THE_WINDOW: list[int] = []
"""One entry for every block of `far_away` that the window itself has read."""


def count(n: int) -> Iterator[Event]:
    """Count to n."""
    for index in range(n):
        yield Progress(index + 1, n)
    yield Finished(n)


def burst(n: int) -> Iterator[Event]:
    """Tell of many batches at once."""
    for index in range(n):
        yield BatchDone(1, index + 1, n, 1.0)
    yield Finished("done")


def forever(mark: Path) -> Iterator[Event]:
    """Work until it is closed; leaves a file that says in which thread that happened."""
    try:
        while True:
            time.sleep(0.01)
            yield Progress(0, 0)
    finally:
        mark.write_text(str(threading.current_thread() is threading.main_thread()))


def deaf() -> Iterator[Event]:
    """Work without ever looking up."""
    yield Progress(0, 1)
    time.sleep(600)
    yield Finished(None)


def refuse() -> Iterator[Event]:
    """Fail as on a user's mistake."""
    yield Progress(0, 1)
    raise ValueError("The picture is upside down; turn it.")


def crash() -> Iterator[Event]:
    """Fail as on a mistake of the program."""
    yield Progress(0, 1)
    raise KeyError("nobody expected this")


def die() -> Iterator[Event]:
    """End the process, as the system does when memory runs out."""
    yield Progress(0, 1)
    os._exit(9)


def chatter() -> Iterator[Event]:
    """Print to where the answers go."""
    print("a library that prints", flush=True)  # noqa: T201
    os.write(1, b"and one that writes to the descriptor\n")
    yield Finished("heard")


def read(path: Path) -> Iterator[Event]:
    """Return what is in a file."""
    yield Finished(path.read_bytes())


def far_away(block_info: Any) -> np.ndarray[Any, Any]:
    """Return a block of an image as from a drive that is far away; the window has it already."""
    if "napari" in sys.modules:
        READ_BY_THE_WINDOW.append(1)
    else:
        time.sleep(0.5)
    return np.full(block_info[None]["chunk-shape"], 7, np.uint8)


def double(array: np.ndarray[Any, Any]) -> Iterator[Event]:
    """Return an array times two."""
    yield Finished(array * 2)


def listen(changes: Callable[[], list[Any]]) -> Iterator[Event]:
    """Return what it was told, until it was told to end."""
    heard: list[Any] = []
    yield Progress(0, 1)
    while not any(isinstance(one, str) for one in heard):
        time.sleep(0.01)
        heard += changes()
        yield Alive()
    yield Finished(heard)


def with_little_room(size: int, job: Callable[..., Iterator[Event]], **words: Any) -> Iterator[Event]:
    """Run a job that may write no larger files, but in the folder for temporary ones, which is on another disk."""
    import resource
    import tempfile

    import torch._dynamo  # noqa: F401 - the first training imports it, which must not be while files are limited

    def limit(most: int | None) -> None:
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard if most is None else most, hard))

    def other_disk(suffix: str | None = None, prefix: str | None = None, dir: str | None = None) -> str:  # noqa: A002
        if (prefix or "").startswith("napari-microcnn"):  # libraries make such folders too
            limit(None)
        return elsewhere(suffix, prefix, dir)

    elsewhere = tempfile.mkdtemp
    tempfile.mkdtemp = other_disk  # type: ignore[assignment]
    limit(size)
    try:
        yield from job(**words)
    finally:
        limit(None)
        tempfile.mkdtemp = elsewhere
