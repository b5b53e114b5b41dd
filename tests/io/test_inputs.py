from __future__ import annotations

from pathlib import Path

import pytest

from napari_microcnn.io.inputs import named_files


def files(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_named_files_keep_their_order(tmp_path: Path) -> None:
    folder = files(tmp_path / "many", "x.tif", "y.tif")
    single = files(tmp_path, "a.dat") / "a.dat"
    assert [path.name for path in named_files([folder, single])] == ["x.tif", "y.tif", "a.dat"]


def test_a_file_named_twice_counts_once(tmp_path: Path) -> None:
    folder = files(tmp_path / "many", "x.tif")
    assert named_files([folder, folder / "x.tif", folder]) == [folder / "x.tif"]


def test_two_files_for_one_result_are_refused(tmp_path: Path) -> None:
    one, two = files(tmp_path / "1", "steel.tif"), files(tmp_path / "2", "steel.ome.tif")
    with pytest.raises(ValueError, match="same name"):
        named_files([one, two])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no file .*gone\.tif"):
        named_files([tmp_path / "gone.tif"])
