"""Files that lie about their size, or nest without end: refused before room is made, in one sentence."""

from __future__ import annotations

import json
import struct
import tracemalloc
from pathlib import Path
from typing import Any
from zlib import crc32

import h5py
import mrcfile
import numpy as np
import pytest
import tifffile

from napari_microcnn.io.errors import ReadError
from napari_microcnn.io.foreign_masks import read_foreign_labels
from napari_microcnn.io.journal import Journal, Record
from napari_microcnn.io.read import read_micrograph
from napari_microcnn.io.results import read_record
from napari_microcnn.io.sessions import read_session
from napari_microcnn.io.vendors import _zeiss_width

GREY = np.random.default_rng(0).integers(0, 256, (24, 40), dtype=np.uint8)
DEEP = "[" * 100_000


def refused(reader: Any, path: Path, says: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ReadError, match=says) as error:
            reader(path)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()
    assert "\n" not in str(error.value)
    assert path.name in str(error.value)


def huge(file: h5py.Group, name: str, shape: tuple[int, ...]) -> None:
    """Create a dataset of which nothing is stored; HDF5 would fill all of it with zeros."""
    file.create_dataset(name, shape, np.uint8, chunks=(64, 64, 1)[: len(shape)])


def test_hdf5_that_promises_more_than_it_holds(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "velox.emd", "w") as file:
        huge(file.create_group("Data/Image/0"), "Data", (16_000, 20_000, 1))
    refused(read_micrograph, tmp_path / "velox.emd", "promises 16000 x 20000 x 1 pixels")
    with h5py.File(tmp_path / "ncem.emd", "w") as file:
        group = file.create_group("data/image")
        group.attrs["emd_group_type"] = 1
        huge(group, "data", (16_000, 20_000))
    refused(read_micrograph, tmp_path / "ncem.emd", "promises 16000 x 20000 pixels")
    with h5py.File(tmp_path / "mask.h5", "w") as file:
        huge(file, "exported_data", (16_000, 20_000))
    refused(read_foreign_labels, tmp_path / "mask.h5", "promises 16000 x 20000 pixels")


def test_hdf5_that_leads_to_other_files(tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(range(256)) * 4)
    with h5py.File(tmp_path / "mask.h5", "w") as file:
        outside = [(str(tmp_path / "secret.bin"), 0, 1024)]
        file.create_dataset("exported_data", (32, 32), np.uint8, external=outside)
    refused(read_foreign_labels, tmp_path / "mask.h5", "other files, which are not read")


@pytest.mark.parametrize(("at", "lie"), [(0, 1 << 30), (4, 1 << 20), (8, 100_000), (92, 1 << 30), (0, -5)])
def test_mrc_that_lies(tmp_path: Path, at: int, lie: int) -> None:
    path = tmp_path / "a.mrc"
    with mrcfile.new(path, GREY.astype(np.int16)):
        pass
    content = bytearray(path.read_bytes())
    struct.pack_into("<i", content, at, lie)
    path.write_bytes(content)
    refused(read_micrograph, path, "header is wrong|damaged")


def test_mrc_with_something_behind_the_pixels_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.mrc"
    with mrcfile.new(path, GREY.astype(np.int16)):
        pass
    path.write_bytes(path.read_bytes() + b"notes of the microscope")
    np.testing.assert_array_equal(read_micrograph(path).pixels, GREY)


def npy(described: str) -> bytes:
    text = described.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text + GREY.tobytes()


@pytest.mark.parametrize(
    "content",
    [
        npy("{'descr': '|u1', 'fortran_order': False, 'shape': (60000, 70000)}"),
        npy("{'descr': '|u1', 'fortran_order': False, 'shape': (24, 40"),
        npy("{'descr': '|O', 'fortran_order': False, 'shape': (24, 40)}"),
        npy("'''"),
        b"PK\x03\x04" + bytes(60),
    ],
    ids=["lies", "ends early", "objects", "open string", "zip"],
)
def test_numpy_file_that_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mask.npy").write_bytes(content)
    refused(read_foreign_labels, tmp_path / "mask.npy", "holds no array and no masks of cellpose, or is damaged")


def test_numpy_file_with_a_pickle_runs_nothing(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "executed",)

    np.save(tmp_path / "cells_seg.npy", np.array([Payload()], object), allow_pickle=True)
    refused(read_foreign_labels, tmp_path / "cells_seg.npy", "no array and no masks")
    assert not (tmp_path / "executed").exists()


def test_json_without_end(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text(DEEP)
    assert read_record(tmp_path / "record.json") == {}
    with h5py.File(tmp_path / "mask.h5", "w") as file:
        file["exported_data"] = GREY
        file["exported_data"].attrs.create("axistags", "[" * 50_000)
    with pytest.raises(ReadError, match="axes of the HDF5 file are damaged"):
        read_foreign_labels(tmp_path / "mask.h5")


@pytest.mark.parametrize(
    "change",
    [{"shape": [1e999, 2]}, {"shape": [[2], 2]}, {"writer": {"host": "x", "pid": 1e999, "started": 0}}, {"writer": 3}],
)
def test_session_that_says_nonsense(tmp_path: Path, change: dict[str, Any]) -> None:
    about = {"name": "session", "image": "a", "key": "k", "shape": [2, 2], "writer": {"host": "x", "pid": 1}} | change
    path = tmp_path / "a.microcnn"
    Journal(path, [Record(about)])
    with pytest.raises(ReadError, match="is not a session of this program, or is damaged"):
        read_session(path, "k")


def test_session_that_nests_without_end(tmp_path: Path) -> None:
    path = tmp_path / "a.microcnn"
    state = json.loads("[" * 400 + "]" * 400)
    Journal(path, [Record({"name": "session", "key": "k", "state": state})])
    content = path.read_bytes().replace(b"[" * 400, DEEP.encode())
    start = content.index(b"{")
    framed = content[: start - 8] + struct.pack("<II", len(content) - start, crc32(content[start:])) + content[start:]
    path.write_bytes(framed)
    with pytest.raises(ReadError, match="is not a session of this program, or is damaged"):
        read_session(path, "k")


@pytest.mark.parametrize("digits", [12, 10_000])
def test_a_damaged_header_beside_an_image_does_not_spoil_the_image(tmp_path: Path, digits: int) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY)
    (tmp_path / "a.txt").write_text(f"[SemImageFile]\nDataSize={'9' * digits}x24\nPixelSize=2.5\n")
    read = read_micrograph(tmp_path / "a.tif")
    np.testing.assert_array_equal(read.pixels, GREY)
    assert read.calibration is None


def test_a_zeiss_header_with_an_endless_width_tells_none() -> None:
    assert _zeiss_width({"dp_image_store": ("Store resolution", f"{'9' * 10_000} * 3")}) is None
    assert _zeiss_width({"dp_image_store": ("Store resolution", "1024 * 768")}) == 1024
