"""Every kind of bad file through the command line: exit code 2, one clear line, nothing half-written."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_microcnn.cli import main

GREY = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
TINY = "--init none --width 2 --depth 1 --patch 16 --batch 2 --epochs 1".split()


def huge_header(path: Path) -> None:
    """Write a file whose header promises a million by a million pixels."""
    tifffile.imwrite(path, GREY)
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        tags = tif.pages.first.tags
        places = [tags[name].valueoffset for name in ("ImageWidth", "ImageLength")]
    for place in places:
        content[place : place + 4] = struct.pack("<I", 10**6)
    path.write_bytes(content)


def truncated(path: Path) -> None:
    tifffile.imwrite(path, GREY)
    path.write_bytes(path.read_bytes()[:2000])


def five_dimensions(path: Path) -> None:
    tifffile.imwrite(path, np.zeros((2, 3, 2, 8, 9), np.uint8), ome=True, metadata={"axes": "TZCYX"})


def other_channels(path: Path) -> None:
    tifffile.imwrite(path, np.zeros((5, 64, 64), np.uint8), ome=True, metadata={"axes": "CYX"})


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "0 bytes": (lambda path: path.write_bytes(b""), "0 bytes"),
    "text": (lambda path: path.write_text("not a picture"), "it holds text"),
    "noise": (lambda path: path.write_bytes(b"\xff\x00" * 99), "it holds something else"),
    "only a header": (lambda path: path.write_bytes(b"II*\0\x08\0\0\0"), "no image"),
    "truncated": (truncated, "truncated"),
    "huge header": (huge_header, "promises 1000000 x 1000000 pixels"),
    "complex": (lambda path: tifffile.imwrite(path, GREY.astype(np.complex64)), "complex numbers"),
    "5-D": (five_dimensions, "5 dimensions"),
    "other channels": (other_channels, "channel"),
}


@pytest.mark.parametrize("kind", list(REFUSED))
def test_a_bad_image_is_refused_in_one_line(pictures: Path, model: Path, capsys, kind: str) -> None:
    write, told = REFUSED[kind]
    image, out = pictures / "images" / "p0.tif", pictures / "out"
    image.unlink()
    write(image)
    segmenting = ["segment", str(image), "--model", str(model), "-o", str(out)]
    places = ["--images", str(pictures / "images"), "--labels", str(pictures / "strokes"), "-o", str(out / "m")]
    for command in (segmenting, ["train", *places, *TINY]):
        assert main(command) == 2
        heard = capsys.readouterr()
        assert heard.out == ""
        assert heard.err.count("\n") == 1
        assert told in heard.err
        assert "p0.tif" in heard.err
        assert list(out.iterdir()) == []


SPOILT = np.where(GREY > 250, np.nan, GREY.astype(np.float32))
SPOILT[0, 0] = np.inf


@pytest.mark.parametrize(
    ("pixels", "told"),
    [
        (np.full((64, 64), 9, np.uint16), "the same value"),
        (np.array([[9]], np.uint8), "the same value"),
        (np.full((64, 64), np.nan, np.float32), "the same value"),
        (SPOILT, "NaN or infinite"),
    ],
    ids=["constant", "one pixel", "all NaN", "some NaN"],
)
def test_an_image_with_little_in_it_is_done_and_told(tmp_path: Path, capsys, model: Path, pixels, told: str) -> None:
    tifffile.imwrite(tmp_path / "odd.tif", pixels)
    assert main(["segment", str(tmp_path / "odd.tif"), "--model", str(model), "-o", str(tmp_path / "out")]) == 0
    heard = capsys.readouterr().err
    assert told in heard
    assert "Warning" not in heard
    assert tifffile.imread(tmp_path / "out" / "odd_classes.tif").shape == pixels.shape


def test_a_full_disk_leaves_nothing_half_written(pictures: Path, model: Path, capsys, monkeypatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert main(["segment", str(pictures / "images"), "--model", str(model), "-o", str(pictures / "out")]) == 2
    heard = capsys.readouterr().err.splitlines()
    assert len(heard) == 4
    assert all("the disk is full" in line for line in heard[:3])
    assert "batch.csv" in heard[2]
    assert "2 of 2 files were not segmented" in heard[3]
    assert list((pictures / "out").iterdir()) == []
