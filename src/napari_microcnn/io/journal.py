"""A file that only grows: records with checksums, so that an end torn off by a crash costs its last record only.

The file is open to every program. It begins with the line ``napari-microcnn session 1``. Each record
is the length of its content and the CRC-32 of it (two little-endian unsigned 32-bit numbers), then the
content: one line of JSON, and after the line break, for blocks of an annotation, zlib-compressed
pixels in little-endian C order. A later record with the same ``name`` replaces an earlier one; ``time``
is when it was written.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from napari_microcnn.io.atomic import WriteError, replacing, telling
from napari_microcnn.io.errors import ReadError

MAGIC = b"napari-microcnn session 1\n"
_FAMILY = MAGIC[: MAGIC.rindex(b"1")]
_FRAME = struct.Struct("<II")
_GROWTH = 4
"""The file is written anew when it is so many times as long as what counts in it ..."""
_SPARE = 1 << 20
"""... and so many bytes more."""


@dataclass(frozen=True)
class Record:
    """One record.

    Attributes
    ----------
    head : dict
        What the JSON line says; its ``name`` tells what the record replaces.
    data : bytes
        What follows the line.
    """

    head: dict[str, Any]
    data: bytes = b""


def read_records(path: Path) -> Iterator[Record]:
    """Yield the records of a file up to the first that is torn or damaged.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ReadError
        If it is no such file, or of a newer version; an empty one is only just begun and holds none.
    OSError
        If it cannot be read.
    """
    content = path.read_bytes()
    _check(path, content)
    for start, end in _spans(content):
        yield _decoded(content[start + _FRAME.size : end])


class Journal:
    """A file of records that is being written.

    Parameters
    ----------
    path : Path
        Must not exist.
    records : sequence of Record
        What it begins with.

    Attributes
    ----------
    path : Path
    written : int
        Bytes written so far, those of `compact` included.

    Raises
    ------
    WriteError
        If the file is there already or cannot be written.
    """

    def __init__(self, path: Path, records: Sequence[Record]) -> None:
        self.path = path
        self.written = 0
        self._end = 0
        self._sizes: dict[str, int] = {}
        with telling(path), path.open("xb"):
            pass
        try:
            self._add(MAGIC, records)
        except WriteError:
            path.unlink(missing_ok=True)
            raise

    def append(self, records: Sequence[Record]) -> None:
        """Write records behind the others, and onto the disk.

        Raises
        ------
        WriteError
            If that is not possible, or another program has changed the file; nothing of them counts then.
        """
        self._add(b"", records)
        if self._end > _GROWTH * sum(self._sizes.values()) + _SPARE:
            self.compact()

    def compact(self) -> None:
        """Write the file anew with the last record of every name only; it appears complete or not at all."""
        with telling(self.path):
            latest = {record.head["name"]: record for record in read_records(self.path)}
        content = MAGIC + b"".join(map(_encoded, latest.values()))
        with replacing(self.path) as unfinished:
            unfinished.write_bytes(content)
        self._end = len(content)
        self.written += len(content)

    def _add(self, before: bytes, records: Sequence[Record]) -> None:
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        encoded = [_encoded(Record(record.head | {"time": now}, record.data)) for record in records]
        content = before + b"".join(encoded)
        with telling(self.path), self.path.open("r+b") as file:
            if file.seek(0, os.SEEK_END) != self._end:
                raise WriteError(f"{self.path} was changed by another program; strokes are kept in a new file.")
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                file.truncate(self._end)
                raise
        self._end += len(content)
        self.written += len(content)
        self._sizes |= {record.head["name"]: len(part) for record, part in zip(records, encoded, strict=True)}


def _encoded(record: Record) -> bytes:
    content = json.dumps(record.head, separators=(",", ":")).encode() + b"\n" + record.data
    return _FRAME.pack(len(content), zlib.crc32(content)) + content


def _decoded(content: bytes) -> Record:
    line, _, data = content.partition(b"\n")
    head = json.loads(line)
    if not isinstance(head, dict):
        raise TypeError("The line of a record must be a JSON object.")
    return Record(head, data)


def _spans(content: bytes) -> Iterator[tuple[int, int]]:
    """Yield start and end of every whole record with the right checksum, until one is not."""
    start = len(MAGIC)
    while start + _FRAME.size <= len(content):
        length, checksum = _FRAME.unpack_from(content, start)
        end = start + _FRAME.size + length
        if end > len(content) or zlib.crc32(content[start + _FRAME.size : end]) != checksum:
            return
        yield start, end
        start = end


def _check(path: Path, content: bytes) -> None:
    if content.startswith(MAGIC) or MAGIC.startswith(content):  # shorter: killed, or looked at, while it was begun
        return
    if content.startswith(_FAMILY):
        raise ReadError(f"{path.name} was written by a newer version of this program; update it to read the file.")
    raise ReadError(f"{path.name} is not a session of this program, or is damaged; it is left as it is.")
