from __future__ import annotations

from pathlib import Path

import pytest

from napari_microcnn.io.pairs import image_files, pair_files


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


def test_images_pair_with_labels_of_the_same_stem(tmp_path: Path) -> None:
    images = files(tmp_path / "i", "a.ome.tif", "b.jpg", "c.tif")
    labels = files(tmp_path / "l", "a.png", "b.tif", "d.tif")
    found, report = pair_files(images, labels)
    assert [(one.name, two.name) for one, two in found] == [("a.ome.tif", "a.png"), ("b.jpg", "b.tif")]
    assert "c.tif" in report
    assert "d.tif" in report


def test_complete_pairs_need_no_report(tmp_path: Path) -> None:
    images, labels = files(tmp_path / "i", "a.tif"), files(tmp_path / "l", "a.tif")
    assert pair_files(images, labels)[1] == ""


def test_long_lists_are_cut(tmp_path: Path) -> None:
    images = files(tmp_path / "i", *(f"{n:02d}.tif" for n in range(20)))
    labels = files(tmp_path / "l", "00.tif")
    assert "and 14 more" in pair_files(images, labels)[1]


def test_nothing_in_common_is_refused(tmp_path: Path) -> None:
    images, labels = files(tmp_path / "i", "a.tif"), files(tmp_path / "l", "b_mask.tif")
    with pytest.raises(ValueError, match="No label image"):
        pair_files(images, labels)


def test_one_stem_twice_is_refused(tmp_path: Path) -> None:
    images, labels = files(tmp_path / "i", "a.tif", "a.png"), files(tmp_path / "l", "a.tif")
    with pytest.raises(ValueError, match="same name"):
        pair_files(images, labels)


def test_endings_of_label_images_are_understood(tmp_path: Path) -> None:
    images = files(tmp_path / "i", "a.tif", "b.tif", "b_mask.tif", "c.tif")
    labels = files(tmp_path / "l", "a_Mask.png", "b_labels.tif", "b_mask.tif", "c-gt.tif")
    found, report = pair_files(images, labels)
    assert [two.name for _, two in found] == ["a_Mask.png", "b_labels.tif", "b_mask.tif", "c-gt.tif"]
    assert report == ""


def test_both_may_be_in_one_folder(tmp_path: Path) -> None:
    folder = files(tmp_path, "a.tif", "a_mask.tif", "b.tif")
    found, report = pair_files(folder, folder)
    assert [(one.name, two.name) for one, two in found] == [("a.tif", "a_mask.tif")]
    assert "b.tif" in report


def test_two_label_images_of_one_image_are_refused(tmp_path: Path) -> None:
    images, labels = files(tmp_path / "i", "a.tif"), files(tmp_path / "l", "a.tif", "a.png")
    with pytest.raises(ValueError, match="same name"):
        pair_files(images, labels)
