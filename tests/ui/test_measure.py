"""The Measure dock, clicked through."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from qtpy.QtCore import Qt

from napari_microcnn.cli import main
from napari_microcnn.config import ClassInfo, VoronoiConfig
from napari_microcnn.io.multiscale import create_multiscale, open_multiscale
from napari_microcnn.io.ome_zarr import OURS
from napari_microcnn.micrograph import Calibration
from napari_microcnn.synth.voronoi import voronoi
from napari_microcnn.ui import layers
from napari_microcnn.ui.measure import MeasureDock
from napari_microcnn.ui.measure_table import ObjectModel

MICRON = Calibration((0.5, 0.5), "um", "set by the user")


@pytest.fixture
def dock(open_dock: Callable[[str], Any]) -> MeasureDock:
    return open_dock("Measure")


@pytest.fixture
def measured(viewer: Any, dock: MeasureDock, finish: Callable[[Any], None]) -> MeasureDock:
    grains = voronoi(VoronoiConfig(height=240, width=300, grains=80), 1).grains
    viewer.add_labels(grains, name="steel", **layers.calibrated(MICRON))
    dock.run_button.click()
    finish(dock)
    return dock


def test_without_labels_it_says_what_to_do(dock: MeasureDock, told: list[str]) -> None:
    dock.run_button.click()
    assert told == ["There is nothing to measure: run Segment first, or open a label image."]


def test_grains_come_with_what_was_counted(viewer: Any, measured: MeasureDock, told: list[str]) -> None:
    assert told == []
    assert "ASTM grain size number planimetric" in measured.result.text()
    assert "Only 1 field" in measured.objections.text()
    points = viewer.layers["steel intersections"]
    assert len(points.data) == len(measured.measured.points) > 50
    assert set(points.features["kind"]) <= {"crossing", "tangent", "triple point", "end of a line"}
    assert tuple(points.scale) == (0.5, 0.5)
    assert len(viewer.layers["steel test lines"].data) == len(measured.measured.lines)
    features = viewer.layers["steel"].features
    assert len(features) == len(measured.measured.table["label"])
    assert "area_um2" in features


def test_measuring_again_piles_up_no_layers(viewer: Any, measured: MeasureDock, finish: Callable[[Any], None]) -> None:
    names = sorted(layer.name for layer in viewer.layers)
    measured.options.form.widget("figure").setCurrentIndex(1)
    measured.run_button.click()
    finish(measured)
    assert sorted(layer.name for layer in viewer.layers) == names
    assert all(len(line) > 10 for line in measured.measured.lines)


def test_a_row_leads_to_its_object_and_back(viewer: Any, measured: MeasureDock) -> None:
    measured.table.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    measured.table.selectRow(0)
    largest = int(np.argmax(measured.measured.table["area_um2"]))
    label = int(measured.measured.table["label"][largest])
    assert viewer.layers["steel"].selected_label == label
    inside = np.argwhere(viewer.layers["steel"].data == label)
    centre = np.asarray(viewer.scene.camera.center)[-2:] / 0.5
    assert (inside.min(0) <= centre).all()
    assert (centre <= inside.max(0)).all()
    other = inside = np.argwhere(viewer.layers["steel"].data == 5)[0]
    measured.find_row(other)
    row = measured.table.currentIndex().row()
    assert measured.measured.table["label"][measured.table.objects.order[row]] == 5


def test_a_small_object_is_enlarged(viewer: Any, measured: MeasureDock) -> None:
    viewer.scene.camera.zoom = 0.1
    measured.fly_to(3)
    box = [measured.measured.table[f"bbox_{side}"][3] for side in ("top", "left", "bottom", "right")]
    assert viewer.scene.camera.zoom * 0.5 * max(box[2] - box[0], box[3] - box[1]) == pytest.approx(40)
    viewer.scene.camera.zoom = 100
    measured.fly_to(4)
    assert viewer.scene.camera.zoom == 100


def test_very_many_intersections_are_there_but_hidden(
    viewer: Any, measured: MeasureDock, monkeypatch: pytest.MonkeyPatch, finish: Callable[[Any], None]
) -> None:
    assert viewer.layers["steel intersections"].visible
    for module in ("measure", "measure_layers"):
        monkeypatch.setattr(f"napari_microcnn.ui.{module}.MANY", 10)
    measured.run_button.click()
    finish(measured)
    assert not viewer.layers["steel intersections"].visible
    assert "hidden layer" in measured.status.text()


def test_filter_and_colour(viewer: Any, measured: MeasureDock) -> None:
    measured.property.setCurrentText("area, µm²")
    areas = measured.measured.table["area_um2"]
    measured.low.setValue(float(np.median(areas)))
    assert measured.table.objects.rowCount() == int((areas >= measured.low.value()).sum()) < len(areas)
    measured.colour_button.click()
    picture = viewer.layers["steel area_um2"]
    label = measured.measured.table["label"][3]
    assert picture.data[viewer.layers["steel"].data == label] == pytest.approx(areas[3])


def test_table_is_saved_as_shown(measured: MeasureDock, finish: Callable[[Any], None], tmp_path: Path) -> None:
    measured.table.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    measured.save(tmp_path / "t.csv")
    finish(measured)
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        areas = [float(row["area_um2"]) for row in csv.DictReader(file)]
    assert areas == sorted(areas)
    assert (tmp_path / "t_summary.json").is_file()
    measured.save(tmp_path / "t.pdf")
    finish(measured)
    assert (tmp_path / "t.pdf").read_bytes().startswith(b"%PDF")


def test_what_was_saved_can_be_measured_again(
    measured: MeasureDock, finish: Callable[[Any], None], tmp_path: Path, told: list[str], capsys: Any
) -> None:
    measured.save(tmp_path / "t.csv")
    finish(measured)
    record = tmp_path / "t_summary.json"
    assert main(["replay", str(record)]) == 0
    assert "the same, number for number" in capsys.readouterr().out
    content = json.loads(record.read_text(encoding="utf-8"))
    content["results"]["grains_per_um2"] *= 1.01
    record.write_text(json.dumps(content), encoding="utf-8")
    assert main(["replay", str(record)]) == 2
    assert "grains_per_um2: " in capsys.readouterr().out
    (tmp_path / "other_field1.tif").write_bytes(b"mine")
    measured.save(tmp_path / "other.csv")
    finish(measured)
    assert "other_field1.tif is there already" in told.pop()


def test_phases_and_grains_with_twins_can_be_measured_again(
    viewer: Any, measured: MeasureDock, finish: Callable[[Any], None], tmp_path: Path, told: list[str]
) -> None:
    marks = np.zeros_like(viewer.layers["steel"].data)
    marks[100:140] = 1
    viewer.add_labels(marks, name="twins", **layers.calibrated(MICRON))
    measured.options.twins.setCurrentIndex(1)
    measured.options.marks.layer = viewer.layers["twins"]
    measured.run_button.click()
    finish(measured)
    measured.save(tmp_path / "grains.csv")
    finish(measured)
    names = (ClassInfo(id=1, name="pearlite", colour="#0000ff"),)
    classes = (viewer.layers["steel"].data % 3).astype(np.uint8)
    layers.put_labels(viewer, "classes", classes, None, source="brass", about={"classes": names})
    measured.options.labels.layer = viewer.layers["brass classes"]
    measured.options.tortuosity.setChecked(True)
    measured.run_button.click()
    finish(measured)
    measured.save(tmp_path / "phases.csv")
    finish(measured)
    assert told == []
    moved = tmp_path / "moved"
    moved.mkdir()
    for file in list(tmp_path.glob("*.*")):
        file.rename(moved / file.name)
    for name in ("grains", "phases"):
        assert main(["replay", str(moved / f"{name}_summary.json")]) == 0


def test_particles_of_a_stack_are_those_in_view(viewer: Any, dock: MeasureDock, finish: Callable[[Any], None]) -> None:
    stack = np.zeros((2, 60, 60), int)
    stack[0, 5:15, 5:15] = 1
    stack[1, 5:15, 5:15], stack[1, 30:50, 30:50] = 1, 2
    viewer.add_labels(stack, name="powder")
    viewer.dims.set_current_step(0, 1)
    dock.options.kind.setCurrentIndex(1)
    dock.run_button.click()
    finish(dock)
    assert dock.measured.table["area_px"].tolist() == [100, 400]
    assert len(viewer.layers) == 1
    assert dock.options.counting.isHidden()


def test_fields_like_it_are_pooled(viewer: Any, measured: MeasureDock, finish: Callable[[Any], None]) -> None:
    alone = measured.measured.summary
    other = voronoi(VoronoiConfig(height=240, width=300, grains=80), 2).grains
    viewer.add_labels(other, name="other field", **layers.calibrated(MICRON))
    measured.options.labels.layer = viewer.layers["steel"]
    measured.options.fields.setCurrentIndex(1)
    measured.run_button.click()
    finish(measured)
    assert measured.measured.summary["fields"] == 2
    assert measured.measured.summary["grains"] > 1.5 * alone["grains"]
    assert len(measured.measured.table["label"]) == len(np.unique(viewer.layers["steel"].data))
    assert "2 fields together" in measured.status.text()


def test_a_large_result_is_measured_at_its_finest_magnification_by_the_worker(
    viewer: Any, dock: MeasureDock, finish: Callable[[Any], None], told: list[str], tmp_path: Path, monkeypatch: Any
) -> None:
    about = {"classes": [{"id": 1, "name": "powder", "colour": "#0072b2"}], "kind": "particles"}
    path = tmp_path / "powder.ome.zarr"
    create_multiscale(path, (2, 600, 60), 64, "TYX", MICRON, name="powder", labels=["objects"], about={OURS: about})
    written = open_multiscale(path, "r+")[1]["objects"]
    for plane, ends in enumerate(((9, 13), (13, 22))):
        labels = np.zeros((600, 60), np.int32)
        for number, end in enumerate(ends, 1):
            labels[20 * number : 20 * number + end, 5:15] = number
        written[plane, 0:600, 0:60] = labels
    viewer.open(str(path), plugin="napari-microcnn")
    viewer.dims.set_current_step(0, 1)
    assert dock.options.labels.layer is viewer.layers["powder objects"]
    assert dock.options.kind.currentText() == "Particles or pores"
    dock.options.fields.setCurrentIndex(1)
    with monkeypatch.context() as patch:
        patch.setattr(zarr.Array, "__getitem__", None)
        order, *_ = dock.options.order()
    assert [field.shape for field in order.fields] == [(600, 60)] * 2
    dock.run_button.click()
    finish(dock)
    assert told == []
    assert dock.measured.summary["particles"] == 4
    assert dock.measured.table["area_um2"].tolist() == [13 * 10 * 0.25, 22 * 10 * 0.25]
    dock.save(tmp_path / "powder.csv")
    finish(dock)
    assert told == []
    assert (tmp_path / "powder_field2.tif").is_file()


def test_twins_are_joined_or_counted(
    viewer: Any, dock: MeasureDock, finish: Callable[[Any], None], told: list[str]
) -> None:
    labels = np.repeat(np.repeat(np.arange(1, 17).reshape(4, 4), 20, 0), 20, 1)
    viewer.add_labels(labels, name="steel")
    marks = viewer.add_labels(np.zeros_like(labels), name="twins")
    dock.options.labels.layer, dock.options.marks.layer = viewer.layers["steel"], marks
    dock.options.twins.setCurrentIndex(1)
    marks.data[20:40, 19] = 1  # the border between grains 5 and 6
    dock.run_button.click()
    finish(dock)
    assert len(dock.measured.table["label"]) == 15
    marks.data[:] = 0
    marks.data[5:10, :20] = 1  # a band through grain 1
    dock.options.twins.setCurrentIndex(2)
    dock.run_button.click()
    finish(dock)
    assert len(dock.measured.table["label"]) == 18
    dock.options.fields.setCurrentIndex(1)
    dock.run_button.click()
    finish(dock)
    assert told == []  # the layer of marks is no field
    dock.options.marks.layer = viewer.layers["steel"]
    dock.run_button.click()
    assert "labels layer of their own" in told[-1]


def test_phases_of_a_class_map(
    viewer: Any, dock: MeasureDock, finish: Callable[[Any], None], told: list[str], tmp_path: Path
) -> None:
    classes = np.ones((60, 80), np.uint8)
    classes[:, 40:60] = 2
    names = (ClassInfo(id=1, name="ferrite", colour="#ff0000"), ClassInfo(id=2, name="pearlite", colour="#0000ff"))
    layers.put_labels(viewer, "classes", classes, None, source="steel", about={"classes": names})
    assert dock.options.kind.currentText() == "Phases (class map)"
    dock.options.thickness.setChecked(True)
    dock.run_button.click()
    finish(dock)
    assert "pearlite area fraction: 0.25" in dock.result.text()
    assert "pearlite mean local thickness" in dock.result.text()
    assert dock.measured.table["class"].tolist() == ["ferrite", "pearlite"]
    assert dock.one_by_one.isHidden()
    dock.table.selectRow(1)
    assert viewer.layers["steel classes"].selected_label == 2
    dock.save(tmp_path / "page.html")
    finish(dock)
    assert told == []
    assert "pearlite area fraction" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_how_sure_the_numbers_are(
    viewer: Any,
    open_dock: Callable[[str], Any],
    dock: MeasureDock,
    discs: np.ndarray,
    model_path: Path,
    finish: Callable[[Any], None],
    told: list[str],
    tmp_path: Path,
) -> None:
    dock.sure.button.click()
    assert "run Segment first" in told.pop()
    segment = open_dock("Segment")
    segment.model.open_file(model_path)
    viewer.add_image(discs, name="discs")
    segment.run_button.click()
    finish(segment)
    assert dock.options.labels.layer is viewer.layers["discs objects"]
    assert dock.options.labels.findText("discs outlines") < 0
    assert dock.options.kind.currentText() == "Particles or pores"
    dock.sure.draws.setValue(2)
    dock.sure.button.click()
    finish(dock)
    assert told == []
    found = dock.sure.table.objects.columns
    assert {"value", "mean", "spread", "inwards", "lower_threshold"} <= set(found)
    assert "area fraction dark" in found["quantity"]
    dock.run_button.click()
    finish(dock)
    dock.save(tmp_path / "t.csv")
    finish(dock)
    record = json.loads((tmp_path / "t_summary.json").read_text(encoding="utf-8"))
    assert record["model"]["sha256"]
    assert record["settings"]["measuring"]["kind"] == "particles"
    assert record["input"]["name"] == "discs"


def test_twenty_thousand_rows_are_sorted_and_filtered() -> None:
    model = ObjectModel()
    rng = np.random.default_rng(0)
    model.set_columns({"label": np.arange(20_000), "area": rng.random(20_000)})
    model.sort(1, Qt.SortOrder.DescendingOrder)
    model.keep(model.columns["area"] > 0.5)
    shown = model.columns["area"][model.order]
    assert (np.diff(shown) <= 0).all()
    assert shown.min() > 0.5
    assert model.data(model.index(0, 0)) == str(int(np.argmax(model.columns["area"])))
