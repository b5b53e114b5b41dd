from __future__ import annotations

from pathlib import Path

import pytest

from napari_microcnn.cli.inputs import image_files, named_files, pairs


def files(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_a_folder_gives_its_images_sorted(tmp_path: Path) -> None:
    folder = files(tmp_path, "b.TIF", "a.png", "notes.txt", ".hidden.tif")
    assert [path.name for path in image_files(folder)] == ["a.png", "b.TIF"]


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_folder_without_images_is_refused(tmp_path: Path, name: str) -> None:
    files(tmp_path / "empty", "notes.txt")
    with pytest.raises(ValueError, match=name):
        image_files(tmp_path / name)


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


def test_images_pair_with_labels_of_the_same_stem(tmp_path: Path) -> None:
    images = files(tmp_path / "i", "a.ome.tif", "b.jpg", "c.tif")
    labels = files(tmp_path / "l", "a.png", "b.tif", "d.tif")
    found, report = pairs(images, labels)
    assert [(one.name, two.name) for one, two in found] == [("a.ome.tif", "a.png"), ("b.jpg", "b.tif")]
    assert "c.tif" in report
    assert "d.tif" in report


def test_complete_pairs_need_no_report(tmp_path: Path) -> None:
    images, labels = files(tmp_path / "i", "a.tif"), files(tmp_path / "l", "a.tif")
    assert pairs(images, labels)[1] == ""


def test_long_lists_are_cut(tmp_path: Path) -> None:
    images = files(tmp_path / "i", *(f"{n:02d}.tif" for n in range(20)))
    labels = files(tmp_path / "l", "00.tif")
    assert "and 14 more" in pairs(images, labels)[1]


def test_nothing_in_common_is_refused(tmp_path: Path) -> None:
    images, labels = files(tmp_path / "i", "a.tif"), files(tmp_path / "l", "a_mask.tif")
    with pytest.raises(ValueError, match="No label image"):
        pairs(images, labels)


def test_one_stem_twice_is_refused(tmp_path: Path) -> None:
    images, labels = files(tmp_path / "i", "a.tif", "a.png"), files(tmp_path / "l", "a.tif")
    with pytest.raises(ValueError, match="same name"):
        pairs(images, labels)
