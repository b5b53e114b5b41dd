"""Files that cannot be read get one clear sentence: no traceback of a library, no gigabytes, no noise."""

from __future__ import annotations

import contextlib
import io
import logging
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from napari_microcnn.io.read import ReadError, read_labels, read_micrograph

GREY = np.random.default_rng(0).integers(0, 256, (64, 80), dtype=np.uint8)
STACK = np.random.default_rng(0).integers(0, 256, (5, 64, 80), dtype=np.uint8)


def one_sentence(error: pytest.ExceptionInfo[ReadError]) -> str:
    message = str(error.value)
    assert message.endswith(".")
    assert "\n" not in message
    assert "Traceback" not in message
    assert len(message) < 400
    return message


def written(pixels: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def pictured(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(GREY).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.tif", b"", "empty (0 bytes)"),
        ("empty.png", b"", "empty (0 bytes)"),
        ("notes.tif", b"Sample 4, etched 20 s\n" * 20, "no TIFF image although its name says so: it holds text"),
        ("notes.png", b"Sample 4, etched 20 s\n" * 20, "no PNG image"),
        ("noise.tif", bytes(range(256)), "holds something else"),
        ("scan.dm3", bytes(range(256)), "no DM image although its name says so"),
        ("scan.spe", bytes(range(256)), "files .spe cannot be read; save it as TIFF"),
        ("scan", b"abc", "files without ending cannot be read"),
        ("head.tif", b"II*\0", "damaged"),
        ("head2.tif", b"II*\0" + bytes(range(200)), "holds no image"),
        ("zeros.tif", b"MM\0*" + bytes(400), "no image"),
        ("head.png", b"\x89PNG\r\n\x1a\n", "damaged or truncated PNG"),
        ("head.jpg", b"\xff\xd8\xff\xe0", "damaged or truncated JPEG"),
        ("head.bmp", b"BM", "damaged or truncated BMP"),
        ("complex.tif", written(GREY.astype(np.complex64)), "complex numbers; save its magnitude"),
        ("many.tif", written(STACK[None, None, ..., None].repeat(2, 0).repeat(2, 1).repeat(2, -1),
                             metadata={"axes": "TZCYXS"}, photometric="minisblack", planarconfig="contig"),
         "dimensions (T=2 x Z=2 x C=5 x Y=64 x X=80 x S=2)"),
    ],
)  # fmt: skip
def test_bad_content(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ReadError) as error:
        read_micrograph(path)
    assert says in one_sentence(error)
    assert name in one_sentence(error)


def test_five_dimensions(tmp_path: Path) -> None:
    path = tmp_path / "movie.ome.tif"
    tifffile.imwrite(path, np.zeros((2, 3, 4, 16, 16), np.uint8), metadata={"axes": "TZCYX"})
    with pytest.raises(ReadError, match=r"5 dimensions \(T=2 x Z=3 x C=4 x Y=16 x X=16\)") as error:
        read_micrograph(path)
    one_sentence(error)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"gone\.tif does not exist; check"):
        read_micrograph(tmp_path / "gone.tif")
    with pytest.raises(ReadError, match="is a folder; name the image files"):
        read_micrograph(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ReadError, match="could not be read"):
        read_micrograph(tmp_path / "file" / "below.tif")
    with pytest.raises(ReadError, match="could not be read"):
        read_micrograph("null\0byte.tif")


def test_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.tif"
    path.write_bytes(written(GREY))

    def forbidden(*args: Any, **options: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", forbidden)
    with pytest.raises(ReadError, match=r"secret\.tif may not be read: ask for the permission"):
        read_micrograph(path)


@pytest.mark.parametrize("reader", [read_micrograph, read_labels])
@pytest.mark.parametrize("name", ["file.tif", "file.png"])
def test_drive_that_vanishes_while_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, reader: Callable[[Path], Any]
) -> None:
    path = tmp_path / name
    path.write_bytes(written(GREY) if name.endswith("tif") else pictured("PNG"))
    where = "napari_microcnn.io.read." + ("read_tiff" if name.endswith("tif") else "read_picture")

    def vanished(*args: Any, **options: Any) -> Any:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(where, vanished)
    with pytest.raises(ReadError, match="Input/output error"):
        reader(path)


@pytest.mark.parametrize("lazy_from_bytes", [1, 1 << 30])
@pytest.mark.parametrize("share", [0.9, 0.5, 0.1])
@pytest.mark.parametrize(
    "content",
    [
        written(GREY),
        written(STACK),
        written(STACK, metadata=None),
        written(GREY, compression="zlib"),
        written(GREY, compression="zlib", rowsperstrip=8),
        written(STACK, compression="lzw", metadata=None),
        written(GREY, tile=(16, 16)),
        written(STACK, imagej=True),
        written(STACK, ome=True, metadata={"axes": "ZYX"}),
    ],
    ids=["plain", "stack", "pages", "zlib", "strips", "lzw", "tiled", "imagej", "ome"],
)
def test_truncated_tiff(tmp_path: Path, content: bytes, share: float, lazy_from_bytes: int) -> None:
    path = tmp_path / "cut.tif"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ReadError, match=r"truncated|damaged") as error:
        read_micrograph(path, lazy_from_bytes=lazy_from_bytes)
    one_sentence(error)


def test_ome_tiff_that_lost_only_its_description_keeps_its_pixels(tmp_path: Path) -> None:
    path = tmp_path / "cut.tif"
    content = written(STACK, ome=True, metadata={"axes": "ZYX"})
    path.write_bytes(content[:-20])
    np.testing.assert_array_equal(read_micrograph(path).pixels, STACK)


@pytest.mark.parametrize("share", [0.98, 0.5, 0.1])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
def test_truncated_picture(tmp_path: Path, kind: str, share: float) -> None:
    path = tmp_path / f"cut.{kind.lower()}"
    content = pictured(kind)
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ReadError, match="truncated") as error:
        read_micrograph(path)
    one_sentence(error)


def with_tags(content: bytes, **changes: int) -> bytes:
    """Overwrite inline values of tags of the first page."""
    with tifffile.TiffFile(io.BytesIO(content)) as tif:
        edited = bytearray(content)
        for name, value in changes.items():
            tag = tif.pages.first.tags[name]
            struct.pack_into("<HI", edited, tag.offset + 2, 4, 1)
            struct.pack_into("<I", edited, tag.offset + 8, value)
    return bytes(edited)


@pytest.mark.parametrize(
    "content",
    [
        with_tags(written(GREY, metadata=None), ImageWidth=200_000, ImageLength=200_000),
        with_tags(written(GREY, metadata=None), ImageWidth=200_000, ImageLength=200_000, StripByteCounts=2**32 - 1),
        with_tags(written(GREY, metadata=None, compression="zlib"), ImageWidth=30_000, ImageLength=30_000,
                  RowsPerStrip=30_000),
        with_tags(written(GREY, metadata=None, compression="zlib"), ImageWidth=300_000, ImageLength=300_000,
                  RowsPerStrip=300_000),
        with_tags(written(GREY, metadata=None, tile=(16, 16)), ImageWidth=2**31, ImageLength=2**31),
        with_tags(written(GREY, metadata=None, tile=(16, 16), compression="zlib"), TileWidth=2**16, TileLength=2**16),
        with_tags(written(GREY, metadata=None, compression="lzw", rowsperstrip=1), ImageLength=2**31),
    ],
)  # fmt: skip
def test_lying_header_does_not_fill_the_memory(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "liar.tif"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(ReadError) as error:
            np.asarray(read_micrograph(path).pixels)
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()
    one_sentence(error)


def test_lying_imagej_description(tmp_path: Path) -> None:
    path = tmp_path / "liar.tif"
    description = "ImageJ=1.53t\nimages=4000000\nslices=4000000\n"
    tifffile.imwrite(path, GREY, metadata=None, description=description)
    read = read_micrograph(path)
    assert np.asarray(read.pixels).size == GREY.size


@pytest.mark.parametrize(("kind", "offset", "form"), [("PNG", 16, ">II"), ("BMP", 18, "<ii")])
def test_lying_picture(tmp_path: Path, kind: str, offset: int, form: str) -> None:
    content = bytearray(pictured(kind))
    struct.pack_into(form, content, offset, 100_000, 90_000)
    path = tmp_path / f"liar.{kind.lower()}"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=r"promises 100000 x 90000 pixels|too large") as error:
        read_micrograph(path)
    one_sentence(error)


def test_packed_strip_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_microcnn.io.tiff._MAX_CHUNK", 1000)
    path = tmp_path / "one_strip.tif"
    path.write_bytes(written(GREY, compression="zlib"))
    with pytest.raises(ReadError, match="save it as a tiled TIFF"):
        read_micrograph(path)


def test_labels_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "labels.tif"
    path.write_bytes(written(np.stack([GREY, GREY[::-1], GREY], -1), photometric="rgb"))
    with pytest.raises(ReadError, match="colour image; labels must be"):
        read_labels(path)
    for pixels in (GREY / 7, np.where(GREY > 5, GREY.astype(float), np.nan)):
        path.write_bytes(written(pixels))
        with pytest.raises(ReadError, match="fractions"):
            read_labels(path)


def test_infinite_and_nan_pixels_are_read(tmp_path: Path) -> None:
    path = tmp_path / "float.tif"
    pixels = np.where(GREY > 250, np.nan, np.where(GREY < 5, np.inf, GREY)).astype(np.float32)
    path.write_bytes(written(pixels))
    np.testing.assert_array_equal(read_micrograph(path).pixels, pixels)


def test_nothing_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "cut.tif"
    path.write_bytes(written(STACK, metadata=None)[:12_000])
    with caplog.at_level(logging.DEBUG), pytest.raises(ReadError):
        read_micrograph(path)
    assert not caplog.records
    assert not logging.getLogger("tifffile").filters


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("back_to", [0, 1])
def test_pages_in_a_circle_are_refused(tmp_path: Path, bigtiff: bool, back_to: int) -> None:
    path = tmp_path / "circle.tif"
    path.write_bytes(written(STACK[:2, :16, :16], metadata=None, bigtiff=bigtiff))
    with tifffile.TiffFile(path) as tif:
        pages = [page.offset for page in tif.pages]
        form, last = tif.tiff, tif.pages[1]
        place = last.offset + form.tagnosize + len(last.tags) * form.tagsize
    damaged = bytearray(path.read_bytes())
    damaged[place : place + form.offsetsize] = struct.pack(form.offsetformat, pages[back_to])
    path.write_bytes(damaged)
    with pytest.raises(ReadError, match="in a circle"):
        read_micrograph(path)


@pytest.mark.parametrize(
    "content",
    [
        written(GREY[:16, :16]),
        written(STACK[:2, :16, :16], imagej=True, resolution=(3.0, 3.0), metadata={"unit": "um"}),
        written(STACK[:2, :16, :16], ome=True, compression="lzw", metadata={"axes": "ZYX", "PhysicalSizeX": 2}),
        written(GREY[:32, :32], tile=(16, 16), compression="zlib", bigtiff=True),
        pictured("PNG"),
        pictured("JPEG"),
        pictured("BMP"),
    ],
    ids=["plain", "imagej", "ome", "tiled", "png", "jpeg", "bmp"],
)
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_damaged_anywhere(tmp_path_factory: pytest.TempPathFactory, content: bytes, data: st.DataObject) -> None:
    """A file with wrong bytes is either read or refused in one sentence; nothing else comes out."""
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        # Headers are at the front or at the end, and interesting.
        position = data.draw(st.integers(0, min(len(content), 400) - 1) | st.integers(0, len(content) - 1))
        damaged[position] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "file.tif"
    path.write_bytes(damaged)
    for lazy_from_bytes in (1, 1 << 28):
        with contextlib.suppress(ReadError):
            assert np.asarray(read_micrograph(path, lazy_from_bytes=lazy_from_bytes).pixels).nbytes < 1 << 28
