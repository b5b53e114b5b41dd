import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from napari_microcnn.io.read import read_micrograph
from napari_microcnn.micrograph import Calibration
from napari_microcnn.ui import layers
from napari_microcnn.ui.databar import show_databar
from napari_microcnn.ui.export import ExportDock

NANOMETRES = Calibration((2.0, 2.0), "nm", "set by the user")


@pytest.fixture
def dock(open_dock: Callable[[str], Any], tmp_path: Path) -> ExportDock:
    dock = open_dock("Export")
    dock.folder.folder = tmp_path / "results"
    return dock


@pytest.fixture
def segmented(
    viewer: Any, open_dock: Callable[[str], Any], model_path: Path, discs: np.ndarray, finish: Callable[[Any], None]
) -> None:
    viewer.add_image(discs, name="discs 1", **layers.calibrated(NANOMETRES))
    segment = open_dock("Segment")
    segment.model.open_file(model_path)
    segment.run_button.click()
    finish(segment)


def test_results_are_written_with_their_scale(
    viewer: Any, dock: ExportDock, segmented: None, finish: Callable[[Any], None], told: list[str], tmp_path: Path
) -> None:
    dock.what["model"].setChecked(True)
    dock.run_button.click()
    finish(dock)
    assert told == []
    names = {path.name for path in (tmp_path / "results").iterdir()}
    assert names == {"discs_1_classes.tif", "discs_1_labels.tif", "discs_1.csv", "discs_1.json", "tiny.safetensors"}
    assert {dock.paths.item(row).text() for row in range(dock.paths.count())} == names
    classes = read_micrograph(tmp_path / "results" / "discs_1_classes.tif")
    np.testing.assert_array_equal(np.asarray(classes.pixels), viewer.layers["discs 1 classes"].data)
    assert classes.calibration.to("nm").pixel_size == pytest.approx((2, 2))
    labels = tifffile.imread(tmp_path / "results" / "discs_1_labels.tif")
    np.testing.assert_array_equal(labels, viewer.layers["discs 1 objects"].data)
    rows = (tmp_path / "results" / "discs_1.csv").read_text().splitlines()
    assert "area_nm2" in rows[0]
    assert len(rows) - 1 == len(np.unique(labels[labels > 0]))
    told_by = json.loads((tmp_path / "results" / "discs_1.json").read_text())
    assert "tiny.safetensors" in json.dumps(told_by)


def test_outlines_for_other_programs_are_written_beside(
    dock: ExportDock, segmented: None, finish: Callable[[Any], None], told: list[str], tmp_path: Path
) -> None:
    dock.also["coco"].setChecked(True)
    dock.what["labels"].setChecked(False)
    dock.run_button.click()
    assert "tick 'Labels' above" in told.pop()
    dock.what["labels"].setChecked(True)
    dock.run_button.click()
    finish(dock)
    assert told == []
    outlines = json.loads((tmp_path / "results" / "discs_1_coco.json").read_text())
    labels = tifffile.imread(tmp_path / "results" / "discs_1_labels.tif")
    assert len(outlines["annotations"]) == len(np.unique(labels[labels > 0]))
    assert "--format coco" in json.loads((tmp_path / "results" / "discs_1.json").read_text())["command"]


def test_image_and_masks_as_one_ome_zarr(
    viewer: Any, dock: ExportDock, segmented: None, finish: Callable[[Any], None], told: list[str], tmp_path: Path
) -> None:
    dock.also["ome-zarr"].setChecked(True)
    for name in ("classes", "labels"):
        dock.what[name].setChecked(False)
    dock.run_button.click()
    assert "tick 'Class map' or 'Labels' above" in told.pop()
    dock.what["classes"].setChecked(True)
    dock.run_button.click()
    finish(dock)
    assert told == []
    [stored] = (tmp_path / "results").glob("*.ome.zarr")
    np.testing.assert_array_equal(zarr.open_group(stored, mode="r")["0"], viewer.layers["discs 1"].data)
    viewer.layers.remove("discs 1")
    dock.run_button.click()
    assert "open the image" in told.pop()


@pytest.mark.parametrize("kind", ["TIFF", "PNG"])
def test_plain_formats_say_where_the_scale_goes(
    dock: ExportDock, segmented: None, finish: Callable[[Any], None], told: list[str], tmp_path: Path, kind: str
) -> None:
    dock.format.setCurrentText(kind)
    assert "JSON" in dock.format_note.text()
    dock.run_button.click()
    finish(dock)
    assert told == []
    assert len(list((tmp_path / "results").glob(f"discs_1_*.{kind.lower()[:3]}"))) == 2


def test_a_class_map_of_the_user_is_written_without_a_model(
    viewer: Any, dock: ExportDock, finish: Callable[[Any], None], told: list[str], tmp_path: Path
) -> None:
    viewer.add_labels(np.ones((4, 5), np.uint8), name="mine")
    dock.stem.setText("mine")
    for name in ("labels", "table"):
        dock.what[name].setChecked(False)
    dock.run_button.click()
    finish(dock)
    assert told == []
    assert (tmp_path / "results" / "mine_classes.tif").is_file()


def test_without_results_one_sentence_is_told(dock: ExportDock, told: list[str]) -> None:
    dock.run_button.click()
    assert len(told) == 1
    assert "run Segment first" in told[0]


def test_with_nothing_ticked_one_sentence_is_told(dock: ExportDock, told: list[str]) -> None:
    for box in dock.what.values():
        box.setChecked(False)
    dock.run_button.click()
    assert told == ["Tick at least one thing to export."]


def test_a_folder_that_cannot_be_written_is_told(
    dock: ExportDock, segmented: None, finish: Callable[[Any], None], told: list[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    dock.folder.folder = tmp_path / "file" / "below"
    dock.run_button.click()
    finish(dock)
    assert len(told) == 1
    assert dock.run_button.isEnabled()


@pytest.mark.parametrize("stem", ["", "a/b", "  "])
def test_a_name_must_be_a_name(dock: ExportDock, segmented: None, told: list[str], stem: str) -> None:
    dock.stem.setText(stem)
    dock.run_button.click()
    assert len(told) == 1
    assert "name" in told[0]


def test_new_results_are_chosen(viewer: Any, dock: ExportDock, segmented: None) -> None:
    assert dock.classes.layer is viewer.layers["discs 1 classes"]
    assert dock.labels.layer is viewer.layers["discs 1 objects"]
    assert dock.stem.text() == "discs_1"


def test_files_of_the_user_are_not_replaced(
    viewer: Any, open_dock: Callable[[str], Any], finish: Callable[[Any], None], told: list[str], tmp_path: Path
) -> None:
    theirs = tmp_path / "steel_labels.tif"
    theirs.write_bytes(b"painted by hand")
    viewer.add_labels(np.eye(32, dtype=np.int32), name="objects")
    dock = open_dock("Export")
    dock.what["classes"].setChecked(False)
    dock.labels.layer = viewer.layers["objects"]
    dock.folder.folder = tmp_path
    dock.stem.setText("steel")
    dock.run_button.click()
    finish(dock)
    assert "would be replaced" in told[0]
    assert theirs.read_bytes() == b"painted by hand"
    assert list(tmp_path.glob("*.json")) == []


def test_an_edited_databar_is_no_part_of_the_table(
    viewer: Any, dock: ExportDock, finish: Callable[[Any], None], told: list[str], tmp_path: Path
) -> None:
    image = viewer.add_image(np.random.default_rng(0).random((40, 50)).astype(np.float32), name="steel")
    labels = np.zeros((40, 50), np.int32)
    labels[5:9, 5:9], labels[32:36, 5:9] = 1, 2
    viewer.add_labels(labels, name="objects")
    show_databar(viewer, image, ((30, 40, 0, 50),))
    dock.what["classes"].setChecked(False)
    dock.labels.layer = viewer.layers["objects"]
    dock.stem.setText("steel")
    dock.run_button.click()
    finish(dock)
    assert told == []
    assert len((tmp_path / "results" / "steel.csv").read_text().splitlines()) == 2
