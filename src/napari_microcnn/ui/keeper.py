"""The thread that keeps annotations: looks for what changed, and for what was kept before. No Qt in here.

The window only says every second which arrays there are; reading, comparing, compressing and writing
them happens here, so that it never waits, and no change is missed however it came about.
"""

from __future__ import annotations

import atexit
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from napari_microcnn.io import sessions
from napari_microcnn.io.blocks import content_key
from napari_microcnn.io.recorder import Recorder
from napari_microcnn.io.sessions import Found

SHORTEST, LONGEST = 2.0, 6.0
"""Seconds between two looks."""
_SHARE = 10
"""A look may take one part in so many of the time, unless `LONGEST` is over."""
_PATIENCE = 10.0


@dataclass(frozen=True, eq=False)
class Picture:
    """An image in the viewer: its number, its name, its pixels and its file."""

    number: int
    name: str
    pixels: Any
    path: Path | None


@dataclass(frozen=True, eq=False)
class Strokes:
    """An annotation in the viewer.

    Attributes
    ----------
    number : int
    picture : Picture
        Its image.
    labels : array
    saved : bool
        Whether they were read from a file.
    validation : bool
        Whether its image only judges.
    """

    number: int
    picture: Picture
    labels: Any
    saved: bool
    validation: bool = False


class Keeper:
    """Keeps annotations in sessions.

    Parameters
    ----------
    start : callable
        Starts a thread that does something, under a name.
    on_found : callable
        Called in the thread with the number of a picture and the sessions that were found for it.
    on_trouble : callable
        Called in the thread with a sentence when something cannot be kept or read.
    """

    def __init__(
        self,
        start: Callable[[Callable[[], None], str], threading.Thread],
        on_found: Callable[[int, list[Found]], None],
        on_trouble: Callable[[str], None],
    ) -> None:
        self._start = start
        self._on_found = on_found
        self._on_trouble = on_trouble
        self._thread: threading.Thread | None = None
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._strokes: tuple[Strokes, ...] = ()
        self._state: Mapping[str, Any] = {}
        self._sought: set[int] = set()
        self._recorders: dict[tuple[int, int], Recorder] = {}
        self._keys: dict[int, str] = {}
        self._told: set[str] = set()

    def watch(self, pictures: tuple[Picture, ...], strokes: tuple[Strokes, ...], state: Mapping[str, Any]) -> None:
        """Say what there is now; costs the window next to nothing.

        Parameters
        ----------
        pictures : tuple of Picture
            For each that is new, kept sessions are looked for.
        strokes : tuple of Strokes
            What to keep. One that is missing here is looked at a last time.
        state : mapping
            Classes, settings and model, as JSON can hold them.
        """
        here = {_name(one) for one in strokes}
        new = here - {_name(one) for one in self._strokes}
        gone = [one for one in self._strokes if _name(one) not in here]
        changed = state != self._state or _marks(strokes) != _marks(self._strokes)
        self._strokes, self._state = strokes, state
        if changed:  # seldom, and then it matters
            self._tasks.put(self.look)
        if gone:
            self._tasks.put(partial(self._end, gone, state))
        if new:  # at once, so that what was read from a file is known before it is painted on
            self._tasks.put(partial(self._begin, strokes))
        for picture in pictures:
            if picture.number not in self._sought:
                self._sought.add(picture.number)
                self._tasks.put(partial(self._seek, picture))
        if self._thread is None and (pictures or strokes):
            self._thread = self._start(self._run, "microcnn sessions")
            atexit.register(self.close)

    def supersede(self, strokes: Strokes, found: Found) -> None:
        """Put a session away as soon as all of it, which is part of the annotation now, is kept anew."""
        self._tasks.put(partial(self._supersede, strokes, found))

    def discard(self, found: Found) -> None:
        """Put a session away."""
        self._tasks.put(partial(sessions.put_away, found))

    def original(self, strokes: Strokes) -> np.ndarray[Any, Any] | None:
        """Return an annotation as it was read from its file; None if it was empty or is not known yet."""
        recorder = self._recorders.get(_name(strokes))
        return recorder.original if recorder else None

    def flush(self) -> None:
        """Keep all there is and wait until that is done."""
        if self._thread is not None:
            done = threading.Event()
            self._tasks.put(self.look)
            self._tasks.put(done.set)
            done.wait(_PATIENCE)

    def close(self) -> None:
        """Keep all there is and end the thread; `watch` begins anew."""
        thread, self._thread = self._thread, None
        if thread is not None:
            atexit.unregister(self.close)
            self._tasks.put(None)
            thread.join(_PATIENCE)

    def look(self) -> None:
        """Write what changed; called in the thread."""
        self._begin(self._strokes)

    def _run(self) -> None:
        pause = SHORTEST
        due = time.monotonic() + pause
        while True:
            try:
                task = self._tasks.get(timeout=max(0.0, due - time.monotonic()))
            except queue.Empty:
                started = time.monotonic()
                self.look()
                pause = min(max(SHORTEST, _SHARE * (time.monotonic() - started)), LONGEST)
                due = time.monotonic() + pause
                continue
            if task is None:
                self.look()
                self._recorders.clear()
                return
            self._attempt(task)

    def _begin(self, strokes: tuple[Strokes, ...]) -> None:
        for one in strokes:
            self._attempt(partial(self._recorder(one).look, one.labels, _state_of(one, self._state)))

    def _end(self, gone: list[Strokes], state: Mapping[str, Any]) -> None:
        """Look a last time, at what the window had last: the array and the mark may be others than at the last look."""
        for one in gone:
            if recorder := self._recorders.pop(_name(one), None):
                self._attempt(partial(recorder.look, one.labels, _state_of(one, state)))

    def _attempt(self, task: Callable[[], object]) -> None:
        """Do something; what goes wrong is told once, and must not end the keeping."""
        try:
            task()
        except (ValueError, OSError) as error:
            sentence = str(error)
        except Exception as error:  # noqa: BLE001 - reading pixels runs code of whatever array a layer holds
            sentence = f"The annotation cannot be kept: {type(error).__name__}: {error}"
        else:
            return
        if sentence not in self._told:
            self._told.add(sentence)
            self._on_trouble(sentence)

    def _recorder(self, strokes: Strokes) -> Recorder:
        picture = strokes.picture
        if (recorder := self._recorders.get(_name(strokes))) is None:
            recorder = Recorder(partial(self._key, picture), picture.name, picture.path, strokes.saved)
            self._recorders[_name(strokes)] = recorder
        return recorder

    def _key(self, picture: Picture) -> str:
        if picture.number not in self._keys:
            self._keys[picture.number] = content_key(picture.pixels)
        return self._keys[picture.number]

    def _seek(self, picture: Picture) -> None:
        if sessions.any_kept(picture.path):
            found, troubles = sessions.find(self._key(picture), picture.path)
            for sentence in troubles:
                self._on_trouble(sentence)
            if found:
                self._on_found(picture.number, found)

    def _supersede(self, strokes: Strokes, found: Found) -> None:
        self._recorder(strokes).look(strokes.labels, _state_of(strokes, self._state), always=True)
        sessions.put_away(found)


def _name(strokes: Strokes) -> tuple[int, int]:
    return strokes.number, strokes.picture.number


def _state_of(strokes: Strokes, state: Mapping[str, Any]) -> dict[str, Any]:
    return {**state, "validation": strokes.validation}


def _marks(strokes: tuple[Strokes, ...]) -> set[tuple[int, int]]:
    """Return the annotations whose images only judge."""
    return {_name(one) for one in strokes if one.validation}
