from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_microcnn.micrograph import Calibration
from napari_microcnn.ui import layers
from napari_microcnn.ui.explain import ExplainDock
from napari_microcnn.ui.picking import PIXEL, REGION

NANOMETRES = Calibration((2.0, 2.0), "nm", "set by the user")


@pytest.fixture
def dock(open_dock: Callable[[str], Any], qtbot: Any, viewer: Any, discs: np.ndarray, model_path: Path) -> ExplainDock:
    viewer.add_image(discs, name="discs", **layers.calibrated(NANOMETRES))
    dock = open_dock("Explain")
    dock.model.open_file(model_path)
    return dock


def surveyed(dock: ExplainDock, qtbot: Any) -> None:
    """Do as if the dock came into sight, and wait for the layers."""
    dock.isVisible = lambda: True
    dock._look_through()
    qtbot.waitUntil(lambda: dock.layer.count() > 1, timeout=60_000)


def choose(dock: ExplainDock, what: str) -> None:
    dock.where.kind.setCurrentText(what)


def test_a_heatmap_lies_on_the_image(
    viewer: Any, dock: ExplainDock, finish: Callable[[Any], None], told: list[str]
) -> None:
    for _ in range(2):
        dock.run_button.click()
        finish(dock)
    assert told == []
    heats = [layer for layer in viewer.layers if layer.name.startswith("discs heat")]
    assert len(heats) == 1
    np.testing.assert_allclose(heats[0].scale, viewer.layers["discs"].scale)
    assert heats[0].data.shape == (96, 128)
    assert heats[0].colorbar.visible
    assert heats[0].metadata[layers.KEY]["layer"] == "bottleneck.5"
    assert "bright: probability" in dock.heat.result.text()
    assert dock.image.layer.name == "discs"


def test_the_heat_of_a_pixel_is_where_the_pixel_is(
    viewer: Any, dock: ExplainDock, finish: Callable[[Any], None], told: list[str]
) -> None:
    choose(dock, PIXEL)
    dock.run_button.click()
    assert told == ["Click a pixel in the image first."]
    dock.heat.form.widget("method").setCurrentText("integrated-gradients")
    dock.heat.advanced.widget("steps").setValue(4)
    dock.where.choose(80, 100)
    dock.run_button.click()
    finish(dock)
    heat = viewer.layers["discs heat"]
    rows, columns = np.nonzero(heat.data)
    centre = heat.data_to_world((rows.mean(), columns.mean()))
    assert np.abs(np.subtract(centre, (160, 200))).max() < 24
    assert heat.metadata[layers.KEY]["settings"]["steps"] == 4
    assert "discs picked pixel" in viewer.layers


def test_clicking_in_the_image_picks_a_pixel(viewer: Any, dock: ExplainDock) -> None:
    choose(dock, PIXEL)
    dock.where.isVisible = lambda: True
    event = type("Event", (), {"position": (2.0 * 30, 2.0 * 41)})()
    dock.where._clicked(viewer, event)
    assert dock.where.pixel == (30, 41)
    outside = type("Event", (), {"position": (-50.0, 0.0)})()
    dock.where._clicked(viewer, outside)
    assert dock.where.pixel == (30, 41)


def test_a_drawn_region_and_a_painted_one(
    viewer: Any, dock: ExplainDock, finish: Callable[[Any], None], told: list[str]
) -> None:
    choose(dock, REGION)
    dock.where.button.click()
    shapes = viewer.layers["discs drawn region"]
    dock.run_button.click()
    assert "Nothing is drawn" in told[-1]
    shapes.add_rectangles(np.array([[10, 20], [10, 40], [30, 40], [30, 20]]))
    found = dock.where.region(())
    assert found[20, 30]
    assert not found[50, 30]
    assert 380 <= found.sum() <= 460
    labels = viewer.add_labels(np.zeros((96, 128), np.uint8), name="painted", **layers.calibrated(NANOMETRES))
    dock.where.layer.layer = labels
    dock.run_button.click()
    assert "Nothing is painted" in told[-1]
    labels.data[60:70, 60:70] = 2
    assert dock.where.region(()).sum() == 100
    dock.run_button.click()
    finish(dock)
    assert len(told) == 2
    assert "discs heat" in viewer.layers


def test_heat_outside_of_the_object(
    viewer: Any, dock: ExplainDock, discs: np.ndarray, finish: Callable[[Any], None], told: list[str]
) -> None:
    dock.heat.outside.click()
    assert "Label the object first" in told[-1]
    viewer.add_labels((discs > 120).astype(np.uint8), name="discs mask", **layers.calibrated(NANOMETRES))
    dock.heat.form.widget("method").setCurrentText("occlusion")
    dock.heat.outside.click()
    finish(dock)
    assert "% of the heat lies outside" in dock.heat.result.text()


def test_layers_maps_filters_and_what_excites_them(
    qtbot: Any, viewer: Any, dock: ExplainDock, finish: Callable[[Any], None], told: list[str]
) -> None:
    surveyed(dock, qtbot)
    assert dock.layer.itemText(0) == "automatic: bottleneck.5"
    assert not dock.layer.itemIcon(1).isNull()
    dock.tabs.setCurrentWidget(dock.maps)
    assert dock.run_button.text() == "Show maps"
    dock.layer.setCurrentIndex(dock.layer.findData("encoder.1.0"))
    dock.run_button.click()
    finish(dock)
    assert dock.maps.gallery.count() == 8
    dock.maps.gallery.setCurrentRow(3)
    dock.maps.gallery.picked.emit(3)
    finish(dock)
    layer = viewer.layers["discs encoder.1.0 #3"]
    assert layer.data.shape == (96, 128)
    np.testing.assert_allclose(layer.scale, viewer.layers["discs"].scale)
    dock.maps.gallery.setCurrentRow(2)
    dock.maps.gallery.picked.emit(2)
    finish(dock)
    assert viewer.layers["discs encoder.1.0 #2"].visible
    assert not layer.visible
    dock.maps.excite_button.click()
    finish(dock)
    exciting = viewer.layers["discs what excites encoder.1.0 #2"]
    assert exciting.data.dtype == np.uint8
    assert exciting.extent.world[0, -1] > viewer.layers["discs"].extent.world[1, -1]
    assert viewer.scene.camera.center[-1] > viewer.layers["discs"].extent.world[:, -1].mean()  # both are in sight
    dock.maps.kind.setCurrentIndex(1)
    dock.run_button.click()
    finish(dock)
    assert dock.maps.gallery.count() == 8
    dock.layer.setCurrentIndex(dock.layer.findData("encoder.1.1"))
    assert told == []
    dock.run_button.click()
    finish(dock)
    assert "has no filters; choose a convolution" in told[-1]


def test_the_receptive_field_of_a_clicked_pixel(
    qtbot: Any, viewer: Any, dock: ExplainDock, finish: Callable[[Any], None], told: list[str]
) -> None:
    surveyed(dock, qtbot)
    dock.tabs.setCurrentWidget(dock.field)
    assert dock.field.table.rowCount() == len(dock.rows) > 10
    last = dock.field.table.rowCount() - 1
    pixels, nanometres = (float(dock.field.table.item(5, column).text()) for column in (3, 4))
    assert dock.field.table.horizontalHeaderItem(4).text() == "nm"
    assert nanometres == pytest.approx(pixels * NANOMETRES.pixel_size[1], rel=0.01)
    dock.field.table.cellClicked.emit(last, 0)
    assert dock.layer.currentData() == "head"
    grains = np.arange(1, 3).repeat(64)[None].repeat(96, axis=0)
    known = {layers.KEY: {"role": "grains", "source": "discs"}}
    viewer.add_labels(grains, name="discs grains", metadata=known, **layers.calibrated(NANOMETRES))
    dock.where.choose(50, 60)
    finish(dock)
    assert told == []
    box = viewer.layers["discs receptive field"].data[0]
    assert box[:, 0].min() < 50 < box[:, 0].max()
    assert box[:, 1].min() < 60 < box[:, 1].max()
    influence = viewer.layers["discs influence"]
    assert influence.data.shape == (96, 128)
    assert "nm" in dock.field.result.text()
    assert "smaller than the grains" in dock.field.warning.text()


def test_trust_checks_of_a_classifier(
    qtbot: Any, dock: ExplainDock, classifier_path: Path, finish: Callable[[Any], None], told: list[str]
) -> None:
    dock.model.open_file(classifier_path)
    assert [dock.target.itemText(i) for i in range(dock.target.count())] == ["few", "many"]
    dock.tabs.setCurrentWidget(dock.trust)
    dock.run_button.click()
    finish(dock)
    assert told == []
    assert "rank correlation" in dock.trust.verdict.text()
    assert len(dock.trust.curves.maps.listDataItems()) == 3
    assert "from blocks.0.0 on: " in dock.trust.layers.text()
    assert "1 to 32 px" in dock.trust.told.text()


def test_a_model_for_other_channels_is_refused(dock: ExplainDock, told: list[str], colour_model_path: Path) -> None:
    dock.model.open_file(colour_model_path)
    dock.run_button.click()
    assert len(told) == 1
    assert "5 channel" in told[0]


def test_planes_of_a_stack(viewer: Any, dock: ExplainDock, finish: Callable[[Any], None], told: list[str]) -> None:
    stack = viewer.add_image(np.random.default_rng(0).integers(0, 255, (3, 40, 50)).astype(np.uint8), name="stack")
    dock.image.layer = stack
    viewer.dims.set_current_step(0, 1)
    assert dock.question().plane == (1,)
    dock.run_button.click()
    finish(dock)
    assert told == []
    assert viewer.layers["stack heat"].data.shape == (40, 50)


def test_without_an_image_one_sentence_is_told(open_dock: Callable[[str], Any], told: list[str]) -> None:
    open_dock("Explain").run_button.click()
    assert told == ["Open an image first: File > Open, or File > Open Sample > MicroCNN."]


def test_closing_the_dock_listens_to_no_more_clicks(viewer: Any, dock: ExplainDock) -> None:
    assert dock.where._clicked in viewer.mouse_drag_callbacks
    viewer.window.remove_dock_widget(dock)
    assert dock.where._clicked not in viewer.mouse_drag_callbacks
