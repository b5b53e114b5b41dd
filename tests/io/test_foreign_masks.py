"""Masks of other programs come in as they are, and nothing is unpickled."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

from napari_microcnn.io.errors import ReadError
from napari_microcnn.io.foreign_masks import read_foreign_labels

MASK = np.random.default_rng(0).integers(0, 300, (12, 17)).astype(np.uint16)


def ilastik(path: Path, data: np.ndarray, axes: str) -> Path:
    with h5py.File(path, "w") as file:
        written = file.create_dataset("exported_data", data=data)
        written.attrs["axistags"] = json.dumps({"axes": [{"key": axis, "typeFlags": 2} for axis in axes]})
    return path


@pytest.mark.parametrize(
    ("axes", "data"), [("yxc", MASK[..., None]), ("xy", MASK.T), ("tzyxc", MASK[None, None, ..., None]), ("yx", MASK)]
)
def test_ilastik_whatever_the_order_of_axes(tmp_path: Path, axes: str, data: np.ndarray) -> None:
    np.testing.assert_array_equal(read_foreign_labels(ilastik(tmp_path / "m.h5", data, axes)), MASK)


def test_a_stack_of_ilastik(tmp_path: Path) -> None:
    stack = np.stack([MASK, MASK + 1])
    found = read_foreign_labels(ilastik(tmp_path / "m.h5", stack.transpose(2, 1, 0), "xyz"))
    np.testing.assert_array_equal(found, stack)


def test_labkit_and_weka_tiff(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "m.tif", MASK, imagej=True)
    np.testing.assert_array_equal(read_foreign_labels(tmp_path / "m.tif"), MASK)


def test_probabilities_and_strange_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="simple segmentation"):
        read_foreign_labels(ilastik(tmp_path / "p.h5", MASK.astype(np.float32), "yx"))
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["image"] = MASK
    with pytest.raises(ReadError, match="exported_data"):
        read_foreign_labels(tmp_path / "other.h5")
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(ReadError, match="HDF5"):
        read_foreign_labels(tmp_path / "text.h5")


class _Runs:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def saved_by_cellpose(path: Path, masks: object, protocol: int, **others: object) -> Path:
    """Write what cellpose does, as NumPy writes objects."""
    content = {
        "outlines": MASK > 3, "masks": masks, "chan_choose": [0, 0], "ismanual": np.zeros(5, bool), "est_diam": 30.5,
        "filename": "steel.tif", "flows": [np.zeros((3, 4, 3), np.uint8), [], None, [np.float64(1.5)]], **others,
    }  # fmt: skip
    boxed = np.empty((), object)
    boxed[()] = content
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
        pickle.dump(boxed, file, protocol=protocol)
    return path


@pytest.mark.parametrize("protocol", [0, 2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["uint16", ">u2", "int32", "int64"])
def test_masks_of_cellpose(tmp_path: Path, protocol: int, dtype: str) -> None:
    for masks in (MASK.astype(dtype), np.asfortranarray(MASK.astype(dtype))):
        found = read_foreign_labels(saved_by_cellpose(tmp_path / "a_seg.npy", masks, protocol))
        np.testing.assert_array_equal(found, MASK)
        assert found.dtype == np.dtype(dtype)


def test_what_numpy_saves_is_what_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a_seg.npy", {"masks": np.stack([MASK, MASK])}, allow_pickle=True)
    np.testing.assert_array_equal(read_foreign_labels(tmp_path / "a_seg.npy"), [MASK, MASK])


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_nothing_of_cellpose_is_unpickled(tmp_path: Path, protocol: int) -> None:
    for masks, others in ((MASK, {"evil": _Runs(tmp_path / "ran")}), (_Runs(tmp_path / "ran"), {})):
        path = saved_by_cellpose(tmp_path / "a_seg.npy", masks, protocol, **others)
        if others:
            np.testing.assert_array_equal(read_foreign_labels(path), MASK)
        else:
            with pytest.raises(ReadError, match="Save masks as PNG"):
                read_foreign_labels(path)
    assert not (tmp_path / "ran").exists()


def test_masks_that_lie_about_their_size(tmp_path: Path) -> None:
    path = saved_by_cellpose(tmp_path / "a_seg.npy", MASK, 4)
    whole, size = path.read_bytes(), bytes([75, 12, 75, 17])  # BININT1 12, BININT1 17
    assert size in whole
    for content in (whole[:-900], whole.replace(size, bytes([75, 250, 75, 250])), whole[:200] + whole[220:]):
        path.write_bytes(content)
        with pytest.raises(ReadError, match="Save masks as PNG"):
            read_foreign_labels(path)


def test_a_plain_array_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", MASK)
    np.testing.assert_array_equal(read_foreign_labels(tmp_path / "m.npy"), MASK)
