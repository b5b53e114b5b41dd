"""Keeping one annotation: what changed since the last look is appended to its session."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.io import sessions
from napari_microcnn.io.blocks import At, block_starts, region_of
from napari_microcnn.io.errors import WriteError
from napari_microcnn.io.journal import Journal, Record


class Recorder:
    """Keeps an annotation by looking at it from time to time.

    Every look compares the checksums of all blocks, so that a change is found whatever made it: the
    brush, undo, or a script that writes into the array. It can be done in another thread while
    the array changes; what is missed is found by the next look.

    Parameters
    ----------
    key : callable
        Returns the `content_key` of the image; called when the first change is written.
    name : str
        Name of the image, for people.
    image : Path or None
        File of the image.
    saved : bool
        Whether the annotation as it is at first exists elsewhere, as one that was read from a file does.

    Attributes
    ----------
    journal : Journal or None
        The session, once there is something to keep.
    original : numpy.ndarray or None
        A copy of an annotation that was `saved`, as it was at first.
    """

    def __init__(self, key: Callable[[], str], name: str, image: Path | None, saved: bool) -> None:
        self.journal: Journal | None = None
        self.original: NDArray[Any] | None = None
        self._key = key
        self._name = name
        self._image = image
        self._saved = saved
        self._shape: tuple[int, ...] = ()
        self._checksums: dict[At, int] = {}
        self._state: Mapping[str, Any] | None = None

    def look(self, annotation: Any, state: Mapping[str, Any], always: bool = False) -> int:
        """Write what changed.

        Parameters
        ----------
        annotation : array of integers, (..., Y, X)
        state : mapping
            What to keep beside the strokes, as JSON can hold it.
        always : bool
            Whether to begin a session even if nothing has changed.

        Returns
        -------
        int
            Bytes written.

        Raises
        ------
        WriteError
            If it can be written nowhere; the next look tries again.
        """
        if annotation.shape != self._shape:
            self.journal, self._shape, self._checksums = None, annotation.shape, {}
            if self._saved:
                self.original, self._saved = np.array(annotation), False
                self._checksums = {at: checksum for at, checksum, _ in self._changed(self.original)}
        before = self.journal.written if self.journal else 0
        changed = self._changed(annotation)
        if self.journal is None:
            if changed or always:
                self._begin(annotation, state, away=False)
        elif changed or state != self._state:
            try:
                self._append(changed, state)
            except WriteError:  # the drive is full or gone: go on elsewhere
                self._begin(annotation, state, away=True)
                before = 0
        return self.journal.written - before if self.journal else 0

    def _changed(self, annotation: Any) -> list[tuple[At, int, NDArray[Any]]]:
        found = []
        for at in block_starts(self._shape):
            block = np.asarray(annotation[region_of(at, self._shape)])
            content = block.tobytes()
            checksum = zlib.crc32(content)
            if checksum != self._checksums.get(at, _nothing(len(content))):
                found.append((at, checksum, np.frombuffer(content, block.dtype).reshape(block.shape)))
        return found

    def _append(self, changed: list[tuple[At, int, NDArray[Any]]], state: Mapping[str, Any]) -> None:
        if self.journal is None:
            return
        records = [] if state == self._state else [_state_record(state)]
        self.journal.append([*records, *_records(changed)])
        self._note(changed, state)

    def _begin(self, annotation: Any, state: Mapping[str, Any], away: bool) -> None:
        """Begin a session with all that is painted."""
        known, self._checksums = self._checksums, {}
        painted = self._changed(annotation)
        self._checksums = known
        records = [_state_record(state), *_records(painted)]
        self.journal = sessions.begin(self._key(), self._shape, self._name, self._image, records, away)
        self._checksums = {}
        self._note(painted, state)

    def _note(self, written: list[tuple[At, int, NDArray[Any]]], state: Mapping[str, Any]) -> None:
        self._checksums |= {at: checksum for at, checksum, _ in written}
        self._state = dict(state)


def _state_record(state: Mapping[str, Any]) -> Record:
    return Record({"name": "state", "state": dict(state)})


def _records(blocks: list[tuple[At, int, NDArray[Any]]]) -> list[Record]:
    return [_block_record(at, pixels) for at, _, pixels in blocks]


def _block_record(at: At, pixels: NDArray[Any]) -> Record:
    little = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
    head = {"name": f"block {' '.join(map(str, at))}", "at": at, "dtype": little.dtype.str}
    return Record(head, zlib.compress(little.tobytes(), 1))


@lru_cache(maxsize=64)
def _nothing(length: int) -> int:
    """Return the checksum of so many zeros."""
    return zlib.crc32(bytes(length))
