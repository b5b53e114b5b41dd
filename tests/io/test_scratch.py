"""Unfinished work on the disk: it goes on where it stopped, and whatever is damaged in it is told in one sentence."""

from __future__ import annotations

import json
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_microcnn.io.errors import ReadError, WriteError
from napari_microcnn.io.journal import MAGIC
from napari_microcnn.io.scratch import Scratch

HEADER = {"model": "a", "settings": {"tile": 16}}
PIXELS = np.random.default_rng(0).integers(0, 255, (24, 40)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of work that was interrupted."""
    scratch = Scratch(tmp_path / "work", HEADER)
    array(scratch)[:24, :40] = PIXELS
    scratch.save("objects", label=np.arange(5), pixels=np.arange(5) * 7)
    scratch.note("tile 0")
    return tmp_path / "work"


def array(scratch: Scratch) -> Any:
    return scratch.array("classes", (24, 40), 16, np.uint8)


def flipped(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def test_work_goes_on_where_it_stopped(folder: Path) -> None:
    scratch = Scratch(folder, HEADER)
    assert scratch.resumed
    assert "tile 0" in scratch
    assert "tile 1" not in scratch
    np.testing.assert_array_equal(array(scratch)[:24, :40], PIXELS)
    np.testing.assert_array_equal(scratch.load("objects")["pixels"], np.arange(5) * 7)
    with pytest.raises(WriteError, match="unfinished result of another image, model or setting"):
        Scratch(folder, HEADER | {"model": "b"})


def test_a_damaged_table_is_told(folder: Path) -> None:
    flipped(folder / "tables" / "objects.npz", -40)  # in its directory, which no checksum of its own covers
    with pytest.raises(ReadError, match="work is damaged; delete that folder"):
        Scratch(folder, HEADER).load("objects")
    (folder / "tables" / "objects.npz").unlink()
    with pytest.raises(ReadError, match="work is damaged"):
        Scratch(folder, HEADER).load("objects")


def test_a_damaged_array_is_told_when_it_is_read_and_when_it_is_written(folder: Path) -> None:
    [chunk] = (folder / "arrays" / "classes").rglob("c/0/0")
    flipped(chunk, chunk.stat().st_size // 2)
    with pytest.raises(ReadError, match="work is damaged"):
        array(Scratch(folder, HEADER))[:5, :5]
    with pytest.raises(ReadError, match="work is damaged"):
        array(Scratch(folder, HEADER))[:5, :5] = PIXELS[:5, :5]


@pytest.mark.parametrize(
    "change",
    [{"shape": [1 << 20, 1 << 20]}, {"data_type": "float64"}, {"codecs": [{"name": "pickle"}]}, {"codecs": 3}, None],
)
def test_an_array_that_lies_is_told(folder: Path, change: dict[str, Any] | None) -> None:
    about = folder / "arrays" / "classes" / "zarr.json"
    about.write_text("{" if change is None else json.dumps(json.loads(about.read_text()) | change))
    scratch = Scratch(folder, HEADER)
    tracemalloc.start()
    try:
        with pytest.raises(ReadError, match="work is damaged"):
            array(scratch)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("head", [{"name": "tile 0"}, {"name": "header"}, {"name": ["header"]}, {"said": "header"}])
def test_a_journal_that_makes_no_sense_is_told(tmp_path: Path, head: dict[str, Any]) -> None:
    (tmp_path / "work").mkdir()
    content = json.dumps(head).encode() + b"\n"
    frame = struct.pack("<II", len(content), zlib.crc32(content))
    (tmp_path / "work" / "journal-000001").write_bytes(MAGIC + frame + content)
    with pytest.raises(ReadError, match="work is damaged"):
        Scratch(tmp_path / "work", HEADER)


def test_files_of_others_are_no_journals(folder: Path) -> None:
    (folder / "journal-copy").write_text("notes")
    assert Scratch(folder, HEADER).resumed
