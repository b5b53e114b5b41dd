"""Labelled images: their checks, and the files they come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_microcnn.data.collections import ClassifiedImage, Collection, joined, named_classes
from napari_microcnn.data.gathering import (
    UNKNOWN,
    collect,
    collect_folders,
    collect_planes,
    collect_regions,
    collect_table,
)
from napari_microcnn.data.squares import squares_in
from napari_microcnn.micrograph import Calibration, Micrograph

PICTURE = np.random.default_rng(0).integers(0, 255, (20, 24), np.uint8)


def put(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, PICTURE)
    return root


def owners(collection: Collection) -> dict[str, str]:
    return {image.name: image.micrograph for image in collection.images}


def test_every_folder_is_a_class(tmp_path: Path) -> None:
    found = collect(put(tmp_path, "martensite/a.tif", "bainite/a.tif", "bainite/b.tif"))
    assert [info.name for info in found.classes] == ["bainite", "martensite"]
    assert found.counts == {0: 2, 1: 1}
    assert len(set(owners(found).values())) == 3  # a.tif of one class is not a.tif of the other
    assert found.notices == (UNKNOWN,)
    assert found.describe() == "3 images of 3 micrographs: bainite 2, martensite 1"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("steel_patch1.tif", "steel_patch2.tif", True),
        ("steel_x0_y256.tif", "steel_x256_y0.tif", True),
        ("steel-0-256.tif", "steel-256-0.tif", True),
        ("steel tile 3.tif", "steel tile 12.tif", True),
        ("m1/1.tif", "m1/2.tif", True),
        ("m1/1.tif", "m2/1.tif", False),
        ("steel1.tif", "steel2.tif", False),
        ("steel_1.tif", "steel_2.tif", False),
        ("matrix12.tif", "matrix13.tif", False),
    ],
)
def test_files_of_one_micrograph_are_known_by_their_names(tmp_path: Path, one: str, other: str, same: bool) -> None:
    found = collect_folders(put(tmp_path, f"ferrite/{one}", f"ferrite/{other}", "bainite/x.tif"))
    first, second = (owners(found)[f"ferrite/{name}"] for name in (one, other))
    assert (first == second) is same
    assert (UNKNOWN in found.notices) is not same


def test_a_micrograph_that_shows_two_classes_is_one_micrograph(tmp_path: Path) -> None:
    found = collect_folders(put(tmp_path, "ferrite/s_x0_y0.tif", "bainite/s_x0_y9.tif"))
    assert len(set(owners(found).values())) == 1


def test_pages_of_a_stack_are_of_one_micrograph(tmp_path: Path) -> None:
    (put(tmp_path, "b/x.tif") / "a").mkdir()
    tifffile.imwrite(
        tmp_path / "a" / "stack.tif", np.stack([PICTURE] * 3), photometric="minisblack", metadata={"axes": "ZYX"}
    )
    found = collect_folders(tmp_path)
    assert found.counts == {0: 3, 1: 1}
    assert len({image.micrograph for image in found.images}) == 2


def test_unreadable_files_are_skipped_and_listed(tmp_path: Path) -> None:
    put(tmp_path, "a/1.tif", "b/1.tif")
    (tmp_path / "a" / "broken.png").write_bytes(b"\x89PNG nothing")
    (tmp_path / "a" / "notes.txt").write_text("etched 20 s")
    (tmp_path / "a" / ".hidden").write_text("")
    (tmp_path / "a" / "Thumbs.db").write_bytes(b"x")
    tifffile.imwrite(tmp_path / "b" / "tiny.tif", PICTURE[:4, :4])
    (tmp_path / "empty").mkdir()
    found = collect_folders(tmp_path)
    assert found.counts == {0: 1, 1: 1}
    empty, skipped = found.notices[:2]
    assert "empty" in empty
    assert skipped.startswith("3 files were skipped")
    assert all(name in skipped for name in ("broken.png", "notes.txt", "tiny.tif"))


def test_folders_that_hold_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no folder"):
        collect(tmp_path / "missing")
    with pytest.raises(ValueError, match="one folder of images per class"):
        collect(put(tmp_path / "flat", "1.tif"))
    (tmp_path / "bad" / "a").mkdir(parents=True)
    (tmp_path / "bad" / "a" / "1.png").write_text("text")
    with pytest.raises(ValueError, match=r"can be read.*1\.png"):
        collect(tmp_path / "bad")


def test_two_classes_with_the_same_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'Ferrite' and 'ferrite' have the same name"):
        collect(put(tmp_path, "Ferrite/1.tif", "ferrite/2.tif"))
    with pytest.raises(ValueError, match="same name"):
        named_classes(["grain  boundary", "grain boundary"])
    with pytest.raises(ValueError, match="no name for a class"):
        named_classes(["a", " "])
    with pytest.raises(ValueError, match="255 are the most"):
        named_classes(str(number) for number in range(300))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_names_files_classes_and_micrographs(tmp_path: Path, delimiter: str) -> None:
    put(tmp_path, "images/1.tif", "images/2.tif", "images/3.tif")
    rows = [("File", "Class", "Micrograph"), ("images/1.tif", "a", "m"), ("images/2.tif", "b", "m")]
    rows += [("images/3.tif", "b", "n"), ("images/9.tif", "b", "n")]
    table = tmp_path / "set.csv"
    table.write_text("\n".join(delimiter.join(row) for row in rows), encoding="utf-8-sig")
    found = collect(table)
    assert found.counts == {0: 1, 1: 2}
    assert [image.micrograph for image in found.images] == ["m", "m", "n"]
    assert len(found.notices) == 1
    assert "9.tif" in found.notices[0]


def test_a_bad_table_is_refused_in_one_sentence(tmp_path: Path) -> None:
    table = tmp_path / "set.csv"
    for text, told in (
        ("", "lists nothing"),
        ("file,phase\n1.tif,a", "no column 'class'"),
        ("file,class\n1.tif,a", "1.tif"),
    ):
        table.write_text(text)
        with pytest.raises(ValueError, match=told):
            collect_table(table)
    table.write_bytes(b"\xff\xfe\x00\x99")
    with pytest.raises(ValueError, match="save it as CSV"):
        collect_table(table)


def test_planes_of_a_stack() -> None:
    stack = Micrograph(np.stack([PICTURE] * 4), "ZYX", Calibration((1, 1), "nm", "test"), "spins")
    found = collect_planes(stack, ["up", "down", None, "up"])
    assert found.counts == {0: 1, 1: 2}
    assert found.notices == (UNKNOWN,)
    assert found.images[0].calibration is stack.calibration
    known = collect_planes(stack, ["up", "down", "down", "up"], ["m", "m", "n", "n"])
    assert known.notices == ()
    with pytest.raises(ValueError, match="4 planes, but 2 classes"):
        collect_planes(stack, ["up", "down"])


def test_squares_lie_within_their_region_and_do_not_overlap() -> None:
    y, x = np.mgrid[:300, :400]
    mask = ((y - 150) ** 2 + (x - 120) ** 2 < 110**2) | ((y > 200) & (x > 300))
    taken = np.zeros(mask.shape, int)
    regions = set()
    for region, place in squares_in(mask):
        assert mask[place].all()
        assert mask[place].shape[0] == mask[place].shape[1] >= 32
        taken[place] += 1
        regions.add(region)
    assert regions == {1, 2}
    assert taken.max() == 1
    assert taken[mask].mean() > 0.6


def test_regions_of_one_micrograph() -> None:
    image = Micrograph(np.random.default_rng(0).random((120, 200)), name="steel")
    labels = np.zeros((120, 200), np.uint8)
    labels[10:70, 10:90], labels[10:110, 110:190] = 1, 4
    found = collect_regions(image, labels, {1: "ferrite"})
    assert [info.name for info in found.classes] == ["class 4", "ferrite"]
    assert "flatter" in found.notices[0]
    assert {image.micrograph for image in found.images} == {"steel, region 1.1", "steel, region 4.1"}
    height, width = found.images[0].pixels.shape
    top, left = (int(number) for number in found.images[0].name.split()[1].split("-"))
    np.testing.assert_array_equal(found.images[0].pixels, image.pixels[top : top + height, left : left + width])
    with pytest.raises(ValueError, match="32 x 32"):
        collect_regions(image, (labels > 0)[:, :] * (np.indices(labels.shape)[0] < 20), {})
    with pytest.raises(ValueError, match="same size"):
        collect_regions(image, labels[:50], {})


def few(*classes: int) -> Collection:
    images = tuple(ClassifiedImage(PICTURE, value, str(i), str(i)) for i, value in enumerate(classes))
    return Collection(images, named_classes("ab"))


def test_what_cannot_be_learnt_is_refused() -> None:
    few(0, 0, 1, 1).check_trainable()
    with pytest.raises(ValueError, match="no image to learn from"):
        few().check_trainable()
    with pytest.raises(ValueError, match="All images are of the class 'a'"):
        few(0, 0, 0).check_trainable()
    with pytest.raises(ValueError, match="The class 'b' has one image only"):
        few(0, 0, 1).check_trainable()
    three = Collection(few(0, 0, 1, 1).images, named_classes("abc"))
    with pytest.raises(ValueError, match="no image of the class 'c'"):
        three.check_trainable()


def test_collections_join_by_the_names_of_classes() -> None:
    one, other = few(0, 1), Collection(few(0, 0).images, named_classes("bc"), ("told",))
    both = joined([one, other])
    assert both.counts == {0: 1, 1: 3, 2: 0}
    assert both.notices == ("told",)


@pytest.mark.parametrize(
    ("pixels", "told"),
    [
        (np.zeros((2, 3, 20, 20)), "YX or YXC"),
        (np.zeros((20, 20), complex), "real numbers"),
        (np.zeros((20, 5)), "5 x 20 pixels"),
    ],
)
def test_what_is_no_image_to_classify_is_refused(pixels: np.ndarray, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        ClassifiedImage(pixels, 0, "x", "x")
