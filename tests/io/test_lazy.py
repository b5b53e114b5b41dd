"""Large images stay in the file until a piece is asked for."""

from __future__ import annotations

import gc
import pickle
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tifffile

from napari_microcnn.io import held
from napari_microcnn.io.lazy import TiffPixels
from napari_microcnn.io.read import ReadError, read_micrograph

PIXELS = np.random.default_rng(1).integers(0, 65536, (300, 500), dtype=np.uint16)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "CHUNK_PIXELS", 1 << 14)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"byteorder": ">"},
        {"compression": "zlib", "rowsperstrip": 16},
        {"tile": (64, 32)},
        {"tile": (64, 32), "compression": "lzw"},
        {"tile": (64, 32), "compression": "zlib", "predictor": True, "byteorder": ">"},
        {"bigtiff": True},
    ],
    ids=str,
)
def test_pieces_equal_the_whole(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "large.tif"
    tifffile.imwrite(path, PIXELS, **options)
    pixels = read_micrograph(path, lazy_from_bytes=1).pixels
    assert isinstance(pixels, da.Array)
    assert pixels.dtype == np.uint16
    assert pixels.npartitions > 1
    np.testing.assert_array_equal(pixels[37:120, 100:333].compute(), PIXELS[37:120, 100:333])
    np.testing.assert_array_equal(pixels.compute(), PIXELS)


def test_regions_of_the_file_itself(tmp_path: Path) -> None:
    path = tmp_path / "tiled.tif"
    tifffile.imwrite(path, PIXELS, tile=(64, 32))
    with tifffile.TiffFile(path) as tif:
        pixels = TiffPixels(path, tif.series[0])
    for region in (np.s_[:, :], np.s_[290:, -3:], np.s_[::7, 5:90:2], np.s_[20:10, 3:9], np.s_[5], np.s_[250:900, 0:1]):
        np.testing.assert_array_equal(pixels[region], PIXELS[region])


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}], ids=str)
def test_stacks_and_colours(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "stack.tif"
    stack = np.random.default_rng(2).integers(0, 256, (3, 40, 50, 3), dtype=np.uint8)
    tifffile.imwrite(path, stack, photometric="rgb", metadata={"axes": "TYXS"}, **options)
    read = read_micrograph(path, lazy_from_bytes=1)
    assert read.axes == "TYXC"
    for index, plane in read.planes():
        np.testing.assert_array_equal(np.asarray(plane), stack[index])


def test_pyramids_give_the_full_resolution(tmp_path: Path) -> None:
    path = tmp_path / "pyramid.ome.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(PIXELS, tile=(64, 64), subifds=1, metadata={"axes": "YX"})
        writer.write(PIXELS[::2, ::2], tile=(64, 64), subfiletype=1)
    np.testing.assert_array_equal(np.asarray(read_micrograph(path, lazy_from_bytes=1).pixels), PIXELS)


def test_bilevel(tmp_path: Path) -> None:
    path = tmp_path / "mask.tif"
    tifffile.imwrite(path, PIXELS > 30_000, photometric="minisblack")
    np.testing.assert_array_equal(np.asarray(read_micrograph(path, lazy_from_bytes=1).pixels), PIXELS > 30_000)


@pytest.mark.parametrize("options", [{}, {"tile": (64, 64)}], ids=str)
def test_a_graph_can_be_sent_to_another_process(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "large.tif"
    tifffile.imwrite(path, PIXELS, **options)
    sent = pickle.dumps(read_micrograph(path, lazy_from_bytes=1).pixels)
    assert len(sent) < PIXELS.nbytes / 10
    np.testing.assert_array_equal(pickle.loads(sent).compute(), PIXELS)


def test_the_file_is_closed_with_the_array(tmp_path: Path) -> None:
    psutil = pytest.importorskip("psutil")
    path = tmp_path / "tiled.tif"
    tifffile.imwrite(path, PIXELS, tile=(64, 64))
    pixels = read_micrograph(path, lazy_from_bytes=1).pixels
    np.asarray(pixels)
    del pixels
    gc.collect()
    assert str(path) not in [file.path for file in psutil.Process().open_files()]


@pytest.mark.parametrize("options", [{}, {"tile": (64, 64), "compression": "zlib"}], ids=str)
def test_a_file_that_is_cut_while_open_gives_one_sentence(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "large.tif"
    tifffile.imwrite(path, PIXELS, **options)
    pixels = read_micrograph(path, lazy_from_bytes=1).pixels
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 3])
    with pytest.raises(ReadError, match=r"large\.tif could not be read to the end"):
        np.asarray(pixels)


def test_changed_file_is_another_array(tmp_path: Path) -> None:
    path = tmp_path / "large.tif"
    tifffile.imwrite(path, PIXELS)
    first = read_micrograph(path, lazy_from_bytes=1).pixels
    tifffile.imwrite(path, PIXELS[:, :-1])
    second = read_micrograph(path, lazy_from_bytes=1).pixels
    assert isinstance(first, da.Array)
    assert isinstance(second, da.Array)
    assert first.name != second.name
