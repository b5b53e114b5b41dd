"""A crash costs the last record at most, and nobody else's file is touched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from napari_microcnn.io.atomic import WriteError
from napari_microcnn.io.errors import ReadError
from napari_microcnn.io.journal import MAGIC, Journal, Record, read_records


def record(name: str, data: bytes = b"") -> Record:
    return Record({"name": name}, data)


def content(path: Path) -> list[tuple[str, bytes]]:
    return [(each.head["name"], each.data) for each in read_records(path)]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal(tmp_path / "image.tif.microcnn", [record("session")])
    journal.append([record("a", b"one\ntwo"), record("b", bytes(300))])
    journal.append([record("a", b"three")])
    return journal


def test_records_come_back_in_order(journal: Journal) -> None:
    assert content(journal.path) == [("session", b""), ("a", b"one\ntwo"), ("b", bytes(300)), ("a", b"three")]
    assert journal.written == journal.path.stat().st_size


def test_a_file_torn_anywhere_keeps_the_whole_records_before(journal: Journal, tmp_path: Path) -> None:
    whole = journal.path.read_bytes()
    complete = content(journal.path)
    counts = set()
    for length in range(len(MAGIC), len(whole)):
        torn = tmp_path / "torn.microcnn"
        torn.write_bytes(whole[:length])
        found = content(torn)
        assert found == complete[: len(found)]
        counts.add(len(found))
    assert counts == {0, 1, 2, 3}


def test_a_flipped_bit_ends_the_file_there(journal: Journal) -> None:
    damaged = bytearray(journal.path.read_bytes())
    damaged[damaged.index(b"three")] ^= 1
    journal.path.write_bytes(damaged)
    assert len(content(journal.path)) == 3


def test_garbage_behind_the_end_is_not_read(journal: Journal) -> None:
    before = content(journal.path)
    with journal.path.open("ab") as file:
        file.write(b"\xff" * 50)
    assert content(journal.path) == before


def test_what_another_program_appended_is_not_overwritten(journal: Journal) -> None:
    with journal.path.open("ab") as file:
        file.write(b"mine")
    with pytest.raises(WriteError, match="another program"):
        journal.append([record("c")])
    assert journal.path.read_bytes().endswith(b"mine")


def test_a_file_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "image.tif.microcnn"
    path.write_text("a letter")
    with pytest.raises(WriteError):
        Journal(path, [record("session")])
    assert path.read_text() == "a letter"


@pytest.mark.parametrize("start", [b"", b"napari-micro"])
def test_one_that_is_only_just_begun_is_empty(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "image.tif.microcnn"
    path.write_bytes(start)
    assert content(path) == []


@pytest.mark.parametrize(
    ("start", "says"),
    [(b"a letter", "is not a session"), (b"napari-microcnn session 2\n", "newer version")],
)
def test_foreign_files_are_refused_in_one_sentence(tmp_path: Path, start: bytes, says: str) -> None:
    path = tmp_path / "image.tif.microcnn"
    path.write_bytes(start)
    with pytest.raises(ReadError, match=says):
        list(read_records(path))
    assert path.read_bytes() == start


def test_compaction_keeps_the_last_of_every_name(journal: Journal) -> None:
    journal.compact()
    assert content(journal.path) == [("session", b""), ("a", b"three"), ("b", bytes(300))]
    journal.append([record("c", b"after")])
    assert content(journal.path)[-1] == ("c", b"after")


def test_a_long_file_is_compacted_by_itself(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "long", [record("session")])
    for number in range(60):
        journal.append([record("a", bytes([number]) * 100_000)])
    assert journal.path.stat().st_size < 2_000_000
    assert content(journal.path)[-1] == ("a", bytes([59]) * 100_000)
    assert journal.written < 2 * 60 * 100_100


def test_a_failed_compaction_leaves_the_file(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    before = journal.path.read_bytes()

    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(WriteError, match="the disk is full"):
        journal.compact()
    assert journal.path.read_bytes() == before


def test_the_format_is_what_is_written_about_it(journal: Journal) -> None:
    """Read with nothing but the description at the top of the module."""
    import struct
    import zlib

    whole = journal.path.read_bytes()
    line, rest = whole.split(b"\n", 1)
    assert line == b"napari-microcnn session 1"
    length, checksum = struct.unpack("<II", rest[:8])
    first = rest[8 : 8 + length]
    assert zlib.crc32(first) == checksum
    assert json.loads(first.split(b"\n")[0])["name"] == "session"
