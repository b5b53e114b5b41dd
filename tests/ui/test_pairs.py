"""The pair table: layers, files, and what is for validation."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt

from napari_microcnn.models import load_model
from napari_microcnn.ui import layers
from napari_microcnn.ui.annotate import AnnotateDock
from napari_microcnn.ui.folders import FoldersDialog, add_folders
from napari_microcnn.ui.pairing import FilePair

SMALL = {"epochs": 1, "patch": 32, "batch": 2, "width": 4, "depth": 2, "patience": 100}


@pytest.fixture
def dock(open_dock: Callable[[str], Any]) -> AnnotateDock:
    dock = open_dock("Annotate & train")
    for name, value in SMALL.items():
        dock.advanced.widget(name).setValue(value)
    dock.form.widget("minutes").setValue(0)  # no limit
    dock.init.setCurrentIndex(dock.init.findText("from scratch"))
    return dock


@pytest.fixture
def folders(tmp_path: Path, discs: np.ndarray, strokes: np.ndarray) -> Path:
    """Return a folder with images/, labels/ (strokes) and masks/ (black and white), and what does not pair."""
    for name in ("images", "labels", "masks"):
        (tmp_path / name).mkdir()
    for number in range(3):
        tifffile.imwrite(tmp_path / "images" / f"steel {number}.tif", np.roll(discs, number))
        tifffile.imwrite(tmp_path / "labels" / f"steel {number}_mask.tif", np.roll(strokes, number))
        tifffile.imwrite(
            tmp_path / "masks" / f"steel {number}.tif", (np.roll(discs, number) > 120).astype(np.uint8) * 255
        )
    tifffile.imwrite(tmp_path / "images" / "alone.tif", discs)
    return tmp_path


def test_folders_are_listed_and_reported_but_not_opened(
    viewer: Any, dock: AnnotateDock, folders: Path, finish: Callable[[Any], None], told: list[str]
) -> None:
    add_folders(dock, folders / "images", folders / "labels")
    finish(dock)
    assert told == []
    assert [pair.labels.name for pair in dock.pairs.files] == [f"steel {n}_mask.tif" for n in range(3)]
    assert "alone.tif" in dock.status.text()
    assert [info.id for info in dock.classes.classes] == [1, 2]
    assert len(viewer.layers) == 0
    assert dock.pairs._table.rowCount() == 3


def test_files_teach_a_model_and_one_judges_it(
    dock: AnnotateDock, folders: Path, finish: Callable[[Any], None], told: list[str]
) -> None:
    add_folders(dock, folders / "images", folders / "labels")
    finish(dock)
    dock.pairs._table.item(1, 2).setCheckState(Qt.CheckState.Checked)
    assert [pair.validation for pair in dock.pairs.files] == [False, True, False]
    assert "3 pairs, 1 for validation" in dock.pairs._count.text()
    dock.run_button.click()
    finish(dock)
    assert told == []
    model = load_model(dock.model.path)
    assert model.name == "images 1"
    assert model.provenance["validation"]["on"] == "images marked for validation: steel 1.tif"
    assert " ± " in dock.status.text()


def test_black_and_white_masks_are_complete(dock: AnnotateDock, folders: Path, finish: Callable[[Any], None]) -> None:
    add_folders(dock, folders / "images", folders / "masks", validation=True)
    finish(dock)
    assert dock.settings().dense
    assert [info.id for info in dock.classes.classes] == [0, 1]
    assert all(pair.validation for pair in dock.pairs.files)


def test_a_folder_that_does_not_pair_is_told(
    dock: AnnotateDock, folders: Path, finish: Callable[[Any], None], told: list[str]
) -> None:
    (folders / "other").mkdir()
    tifffile.imwrite(folders / "other" / "iron.tif", np.zeros((4, 4), np.uint8))
    add_folders(dock, folders / "images", folders / "other")
    finish(dock)
    assert "No label image" in told[0]
    assert dock.pairs.files == []


def test_the_dialog_hands_over_what_was_chosen(
    dock: AnnotateDock, folders: Path, finish: Callable[[Any], None]
) -> None:
    dock.pairs.folders_button.click()
    dialog = dock.findChild(FoldersDialog)
    dialog.images.folder, dialog.labels.folder = folders / "images", folders / "labels"
    dialog.validation.setChecked(True)
    dialog.accept()
    finish(dock)
    assert [pair.validation for pair in dock.pairs.files] == [True] * 3


def test_a_painted_image_can_be_for_validation(
    viewer: Any, dock: AnnotateDock, discs: np.ndarray, strokes: np.ndarray, finish: Callable[[Any], None]
) -> None:
    for name in ("one", "two"):
        dock.pairs.image.layer = viewer.add_image(discs, name=name)
        dock.pairs.new_button.click()
        viewer.layers[f"{name} annotation"].data = strokes
    dock.pairs._table.item(0, 2).setCheckState(Qt.CheckState.Checked)
    assert layers.for_validation(viewer.layers["one annotation"])
    dock.run_button.click()
    finish(dock)
    told = load_model(dock.model.path).provenance["validation"]
    assert told["on"] == "images marked for validation: one"


def test_pairs_of_files_can_be_removed(viewer: Any, dock: AnnotateDock, discs: np.ndarray) -> None:
    viewer.add_image(discs, name="discs")
    dock.pairs.new_button.click()
    pairs = [FilePair(Path(f"{n}.tif"), Path(f"{n}_mask.tif")) for n in range(2)]
    dock.pairs.add_files(pairs)
    dock.pairs._table.setCurrentCell(1, 0)
    dock.pairs.remove_button.click()
    assert dock.pairs.files == pairs[1:]
    assert len(dock.pairs.pairs) == 1
    dock.pairs._table.setCurrentCell(0, 0)
    dock.pairs.remove_button.click()
    assert dock.pairs.pairs == []
    assert dock.pairs.files == pairs[1:]
