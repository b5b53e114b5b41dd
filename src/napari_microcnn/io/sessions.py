"""What a user made of an image (strokes, classes, settings, model), kept beside it and found by its content."""

from __future__ import annotations

import math
import os
import re
import secrets
import shutil
import socket
import weakref
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from napari_microcnn.io.atomic import make_folder, replacing
from napari_microcnn.io.blocks import At, region_of
from napari_microcnn.io.errors import ReadError, WriteError
from napari_microcnn.io.journal import MAGIC, Journal, Record, read_records

SESSIONS_VARIABLE = "MICROCNN_SESSIONS"
"""Environment variable with the folder for sessions that cannot lie beside their image."""
SUFFIX = ".microcnn"
DISCARDED = "discarded"
"""Folder among the sessions for those that are not wanted any more."""
_KEPT_AWAY = 50
_LONGEST_NAME = 60
_writing: weakref.WeakSet[Journal] = weakref.WeakSet()
"""The sessions that this process is writing."""


@dataclass(frozen=True)
class Found:
    """A session that was found for an image.

    Attributes
    ----------
    path : Path
    key : str
        `content_key` of the image.
    name : str
        Name of the image when it was written.
    time : datetime
        Of the last change.
    shape : tuple of int
        Of the annotation.
    state : mapping
        What was kept beside the strokes, as JSON has it.
    blocks : mapping
        Compressed pixels and dtype of each block, by its first index.
    """

    path: Path
    key: str
    name: str
    time: datetime
    shape: tuple[int, ...]
    state: Mapping[str, Any]
    blocks: Mapping[At, tuple[np.dtype[Any], bytes]]

    @property
    def painted(self) -> bool:
        """Whether there is any stroke in it.

        Raises
        ------
        ReadError
            If pixels are not what the file says.
        """
        found = [bool(self.pixels(at).any()) for at in self.blocks]  # all of them, so that none is damaged
        return any(found)

    def pixels(self, at: At) -> NDArray[Any]:
        """Return the pixels of one block, of the shape of ``region_of(at, shape)``.

        Raises
        ------
        ReadError
            If they are not what the file says.
        """
        dtype, data = self.blocks[at]
        shape = tuple(part.stop - part.start for part in region_of(at, self.shape))
        wanted = math.prod(shape) * dtype.itemsize
        try:
            content = zlib.decompressobj().decompress(data, wanted + 1)
        except zlib.error as error:
            raise ReadError(_damaged(self.path)) from error
        if len(content) != wanted:
            raise ReadError(_damaged(self.path))
        return np.frombuffer(content, dtype).reshape(shape)


def begin(
    key: str, shape: tuple[int, ...], image_name: str, image: Path | None, records: Iterable[Record], away: bool = False
) -> Journal:
    """Begin a session in a new file beside the image, or in the user's folder where that cannot be.

    Parameters
    ----------
    key : str
        `content_key` of the image.
    shape : tuple of int
        Of the annotation.
    image_name : str
        For people.
    image : Path or None
        Its file.
    records : iterable of Record
        What is known already.
    away : bool
        Whether not to try beside the image.

    Raises
    ------
    WriteError
        If it can be written nowhere.
    """
    about = {"image": image_name, "key": key, "shape": shape, "writer": _writer(os.getpid())}
    everything = [Record({"name": "session", **about}), *records]
    journal = None
    if image is not None and not away:
        try:
            journal = Journal(_free(image.parent, image.name), everything)
        except WriteError:
            journal = None  # a drive that can only be read
    if journal is None:
        words = re.sub(r"[^\w()+-]+", " ", image_name).strip()[:_LONGEST_NAME] or "image"
        journal = Journal(_free(make_folder(sessions_folder()), f"{words} {key[:8]}"), everything)
    _writing.add(journal)
    _remember(key, journal.path)
    return journal


def find(key: str, image: Path | None) -> tuple[list[Found], list[str]]:
    """Return the sessions of an image that nobody is writing, the newest first, and what could not be read.

    They are looked for beside the image and in all places where a session for the same content was
    begun, so that the image, its session or both may have been moved or renamed. A session of
    another image that merely has the same name is no match.

    Parameters
    ----------
    key : str
        `content_key` of the image.
    image : Path or None
        Its file.
    """
    found: list[Found] = []
    troubles: list[str] = []
    for path in _candidates(key, image):
        try:
            session = read_session(path, key)
            if session is not None and session.painted:
                found.append(session)
        except OSError:  # moved, or on a drive that is not there now
            continue
        except ReadError as error:
            if image is not None and path.name.startswith(image.name):
                troubles.append(str(error))
    return sorted(found, key=lambda session: session.time, reverse=True), troubles


def any_kept(image: Path | None) -> bool:
    """Whether there is any session for `find` to look into: if not, the image need not be read."""
    beside = image is not None and any(image.parent.glob(f"*{SUFFIX}"))
    return beside or any((sessions_folder() / "index").glob("*"))


def read_session(path: Path, key: str) -> Found | None:
    """Read a session as far as it is whole; None if it is of another image, or somebody is writing or beginning it.

    Raises
    ------
    ReadError
        If it is no session, or a damaged one; one sentence.
    OSError
        If it cannot be read.
    """
    try:
        latest = {str(record.head["name"]): record for record in read_records(path)}
        if not latest and path.stat().st_size < len(MAGIC):
            return None
        about = latest["session"].head
        if about["key"] != key or _is_being_written(path.absolute(), about["writer"]):
            return None
        shape = tuple(int(length) for length in about["shape"])
        blocks = dict(_block(record, shape) for name, record in latest.items() if name.startswith("block "))
        time = max(datetime.fromisoformat(record.head["time"]) for record in latest.values())
        state = latest["state"].head["state"] if "state" in latest else {}
        return Found(path, key, str(about["image"]), time, shape, dict(state), blocks)
    except ReadError:
        raise
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError) as error:
        raise ReadError(_damaged(path)) from error


def put_away(session: Found) -> None:
    """Move a session that is not wanted any more out of sight; the last 50 of them can still be got back.

    Raises
    ------
    WriteError
        If the file cannot be moved.
    """
    folder = make_folder(sessions_folder() / DISCARDED)
    path = session.path
    try:
        shutil.move(path, folder / f"{datetime.now():%Y-%m-%d %H-%M-%S} {secrets.token_hex(2)} {path.name}")
    except OSError as error:
        raise WriteError(f"{path} cannot be removed: {error.strerror}; remove it yourself.") from error
    for old in sorted(folder.glob(f"*{SUFFIX}"))[:-_KEPT_AWAY]:
        old.unlink(missing_ok=True)
    for entry, place in _noted(session.key):
        if place == path:
            entry.unlink(missing_ok=True)


def sessions_folder() -> Path:
    """Return the folder for sessions that cannot lie beside their image; it need not exist."""
    return Path(os.environ.get(SESSIONS_VARIABLE) or Path.home() / "napari-microcnn" / "sessions")


def _candidates(key: str, image: Path | None) -> list[Path]:
    places = [] if image is None else sorted(image.parent.glob(f"*{SUFFIX}"))
    places += [place for _, place in _noted(key)]
    return list(dict.fromkeys(place.absolute() for place in places))


def _noted(key: str) -> list[tuple[Path, Path]]:
    """Return the notes on a content and the places that they lead to."""
    found = []
    for entry in (sessions_folder() / "index").glob(f"{key}-*.txt"):
        try:
            found.append((entry, Path(entry.read_text(encoding="utf-8"))))
        except (OSError, ValueError):  # another note, or the folder, may still lead there
            continue
    return found


def _remember(key: str, path: Path) -> None:
    """Note where the session of a content lies, so that it is found when the image is moved."""
    try:
        index = make_folder(sessions_folder() / "index")
        with replacing(index / f"{key}-{secrets.token_hex(4)}.txt") as unfinished:
            unfinished.write_text(str(path.absolute()), encoding="utf-8")
    except WriteError:  # without a place for notes it is still found beside the image
        return


def _free(folder: Path, name: str) -> Path:
    path, number = folder / f"{name}{SUFFIX}", 1
    while path.exists():
        number += 1
        path = folder / f"{name} {number}{SUFFIX}"
    return path


def _block(record: Record, shape: tuple[int, ...]) -> tuple[At, tuple[np.dtype[Any], bytes]]:
    at, dtype = tuple(int(start) for start in record.head["at"]), np.dtype(record.head["dtype"])
    fits = len(at) == len(shape) and all(0 <= start < length for start, length in zip(at, shape, strict=True))
    if not fits or dtype.kind not in "iub":
        raise ValueError(f"A block at {at} of {dtype} does not fit {shape}.")
    return at, (dtype, record.data)


def _writer(pid: int) -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": pid, "started": psutil.Process(pid).create_time()}


def _is_being_written(path: Path, writer: Mapping[str, Any]) -> bool:
    """Whether whoever began a session is still at work, here or in another process of this machine."""
    pid = int(writer["pid"])
    if pid == os.getpid():
        return any(journal.path.absolute() == path for journal in list(_writing))
    if writer["host"] != socket.gethostname():
        return False
    try:
        return bool(abs(psutil.Process(pid).create_time() - float(writer["started"])) < 1)
    except psutil.Error:
        return False


def _damaged(path: Path) -> str:
    return f"{path.name} is not a session of this program, or is damaged; it is left as it is."
