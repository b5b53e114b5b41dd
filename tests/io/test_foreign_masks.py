"""Masks of other programs come in as they are, and nothing is unpickled."""

from __future__ import annotations

import json
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


def test_nothing_of_cellpose_is_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a_seg.npy", {"masks": MASK, "evil": _Runs(tmp_path / "ran")}, allow_pickle=True)
    with pytest.raises(ReadError, match="Save masks as PNG"):
        read_foreign_labels(tmp_path / "a_seg.npy")
    assert not (tmp_path / "ran").exists()


def test_a_plain_array_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", MASK)
    np.testing.assert_array_equal(read_foreign_labels(tmp_path / "m.npy"), MASK)
