from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_microcnn.config import ClassInfo
from napari_microcnn.micrograph import Calibration
from napari_microcnn.ui import layers
from napari_microcnn.ui.annotate import AnnotateDock
from napari_microcnn.ui.feedback import adopt_classes, match_classes
from napari_microcnn.ui.guide import GuidePanel

DARK = ClassInfo(id=1, name="dark", colour="#e69f00")
BRIGHT = ClassInfo(id=2, name="bright", colour="#56b4e9")


@pytest.fixture
def dock(open_dock: Callable[[str], Any], model_path: Path) -> AnnotateDock:
    dock = open_dock("Annotate & train")
    dock.guide.model.open_file(model_path)
    return dock


@pytest.fixture
def panel(dock: AnnotateDock) -> GuidePanel:
    return dock.guide


@pytest.fixture
def image(viewer: Any, dock: AnnotateDock) -> Image:
    """Return an image layer that is calibrated and noisy enough to be unsure about."""
    pixels = np.random.default_rng(0).integers(0, 255, (300, 400)).astype(np.uint8)
    layer = viewer.add_image(pixels, name="steel", **layers.calibrated(Calibration((2.0, 2.0), "nm", "test")))
    dock.pairs.image.layer = layer
    return layer


@pytest.fixture
def guided(dock: AnnotateDock, panel: GuidePanel, image: Image, finish: Callable[[Any], None]) -> GuidePanel:
    """Return the panel after it has looked for places."""
    panel.find_button.click()
    finish(dock)
    return panel


def test_the_map_lies_on_the_image_and_leaves_the_brush_alone(
    viewer: Any, dock: AnnotateDock, panel: GuidePanel, image: Image, finish: Callable[[Any], None], told: list[str]
) -> None:
    dock.pairs.new_button.click()
    active = viewer.layers.selection.active
    panel.find_button.click()
    assert not panel.go_button.isEnabled()
    finish(dock)
    assert told == []
    shown = viewer.layers["steel uncertainty"]
    np.testing.assert_allclose(shown.scale, image.scale)
    assert shown.data.shape == image.data.shape
    assert shown.data.dtype == np.uint8
    assert shown.data.max() > 100
    assert viewer.layers.selection.active is active
    assert [layer.name for layer in viewer.layers][:3] == ["steel", "steel uncertainty", "steel annotation"]
    assert len(panel.places) > 2
    assert "places" in panel.told.text()
    assert panel.go_button.isEnabled()
    assert not panel.accept_button.isEnabled()


def test_looking_again_adds_no_layers_and_nobody_segments_the_map(
    viewer: Any, dock: AnnotateDock, guided: GuidePanel, finish: Callable[[Any], None]
) -> None:
    guided.go_button.click()
    count = len(viewer.layers)
    guided.find_button.click()
    finish(dock)
    guided.go_button.click()
    assert len(viewer.layers) == count
    offered = [dock.pairs.image.itemText(index) for index in range(dock.pairs.image.count())]
    assert offered == ["steel"]


def test_take_me_there_moves_the_view_and_outlines_the_place(viewer: Any, guided: GuidePanel) -> None:
    guided.go_button.click()
    rows, cols = guided.places[0].region
    centre = [2 * ((part.start + part.stop) / 2 - 0.5) for part in (rows, cols)]
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], centre, atol=1)
    (frame,) = viewer.layers["steel region"].data
    assert frame.min(0).tolist() == [rows.start - 0.5, cols.start - 0.5]
    assert frame.max(0).tolist() == [rows.stop - 0.5, cols.stop - 0.5]
    assert viewer.layers["steel preview"].visible
    assert not viewer.layers["steel uncertainty"].visible
    zoom = viewer.scene.camera.zoom
    guided.next_button.click()
    assert len([layer for layer in viewer.layers if layer.name.endswith("region")]) == 1
    rows, cols = guided.places[1].region
    assert viewer.layers["steel region"].data[0].min(0).tolist() == [rows.start - 0.5, cols.start - 0.5]
    assert viewer.scene.camera.zoom == pytest.approx(zoom, rel=0.05)


def test_this_is_right_annotates_what_was_not_painted_and_can_be_undone(
    qtbot: Any, viewer: Any, dock: AnnotateDock, guided: GuidePanel
) -> None:
    dock.pairs.new_button.click()
    annotation = viewer.layers["steel annotation"]
    place = guided.places[0].region
    annotation.data[place[0].start + 3, place[1]] = 2
    before, predicted = annotation.data.copy(), guided._maps.classes.copy()
    count = len(guided.places)
    guided.go_button.click()
    guided.accept_button.click()
    qtbot.waitUntil(lambda: not guided._writing.busy)
    expected = before.copy()
    expected[place] = np.where(before[place] == 0, predicted[place], before[place])
    assert np.array_equal(annotation.data, expected)
    assert viewer.layers.selection.active is annotation
    assert len(guided.places) == count - 1
    annotation.undo()
    assert np.array_equal(annotation.data, before)
    annotation.redo()
    assert np.array_equal(annotation.data, expected)


def test_an_annotation_is_made_where_there_is_none_with_the_classes_of_the_model(
    qtbot: Any, viewer: Any, dock: AnnotateDock, guided: GuidePanel
) -> None:
    guided.go_button.click()
    guided.accept_button.click()
    qtbot.waitUntil(lambda: not guided._writing.busy)
    assert [one.name for one in dock.classes.classes] == ["dark", "bright"]
    assert set(np.unique(viewer.layers["steel annotation"].data)) <= {0, 1, 2}
    assert viewer.layers["steel annotation"].data.any()
    assert dock.pairs.pairs == [(viewer.layers["steel"], viewer.layers["steel annotation"])]


def test_after_the_last_place_it_says_what_to_do(qtbot: Any, guided: GuidePanel) -> None:
    del guided._places[1:]
    guided.go_button.click()
    guided.accept_button.click()
    qtbot.waitUntil(lambda: not guided._writing.busy)
    assert "Train, and look again" in guided.told.text()
    assert not guided.go_button.isEnabled()
    assert not guided.accept_button.isEnabled()


def test_stacks_are_looked_at_plane_by_plane(
    qtbot: Any, viewer: Any, dock: AnnotateDock, panel: GuidePanel, finish: Callable[[Any], None], told: list[str]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (3, 100, 120)).astype(np.uint8)
    dock.pairs.image.layer = viewer.add_image(pixels, name="stack")
    viewer.dims.set_current_step(0, 2)
    panel.find_button.click()
    finish(dock)
    viewer.dims.set_current_step(0, 0)
    panel.go_button.click()
    assert viewer.dims.current_step[0] == 2
    panel.accept_button.click()
    qtbot.waitUntil(lambda: not panel._writing.busy)
    assert told == []
    annotation = viewer.layers["stack annotation"].data
    assert annotation[2].any()
    assert not annotation[:2].any()
    assert not viewer.layers["stack uncertainty"].data[:2].any()


def test_what_is_missing_is_told(dock: AnnotateDock, panel: GuidePanel, told: list[str]) -> None:
    panel.find_button.click()
    assert told == ["Open an image first."]
    assert dock.job is None


def test_the_image_may_be_gone(viewer: Any, guided: GuidePanel, image: Image, told: list[str]) -> None:
    viewer.layers.remove(image)
    guided.go_button.click()
    assert "The image is gone" in told[0]


def test_a_model_for_other_channels_is_refused(
    dock: AnnotateDock, panel: GuidePanel, image: Image, finish: Any, colour_model_path: Path, told: list[str]
) -> None:
    panel.model.open_file(colour_model_path)
    panel.find_button.click()
    finish(dock)
    assert "5 channel" in told[0]
    assert not panel.go_button.isEnabled()


def test_classes_match_by_name_then_by_number_and_colour() -> None:
    own = (BRIGHT.model_copy(update={"id": 1, "colour": "#111111"}), DARK.model_copy(update={"id": 2}))
    assert match_classes([DARK, BRIGHT], own).ids == ((1, 2), (2, 1))
    renamed = DARK.model_copy(update={"name": "pore"})
    assert match_classes([DARK], [renamed]).classes == (renamed,)
    other = ClassInfo(id=1, name="steel", colour="#009e73")
    found = match_classes([DARK], [other])
    assert found.ids == ((1, 2),)
    assert [one.name for one in found.classes] == ["steel", "dark"]
    assert found.id_of(1) == 2
    assert found.id_of(9) == 0


def test_class_0_gets_a_number_that_can_be_painted() -> None:
    shipped = [ClassInfo(id=0, name="grain", colour="#e69f00"), ClassInfo(id=1, name="boundary", colour="#e69f00")]
    found = match_classes(shipped, ())
    assert found.ids == ((0, 2), (1, 1))
    assert len({one.colour for one in found.classes}) == 2


def test_classes_that_were_named_or_painted_stay(viewer: Any, dock: AnnotateDock, image: Image) -> None:
    dock.pairs.new_button.click()
    viewer.layers["steel annotation"].data[3, 3] = 1
    adopt_classes(dock, [ClassInfo(id=1, name="pore", colour="#009e73")])
    assert [one.name for one in dock.classes.classes] == ["class 1", "class 2", "pore"]


def test_several_edits_of_bands_are_one_step_of_undo(qtbot: Any, viewer: Any) -> None:
    from napari_microcnn.ui.gradual import Gradually, edit

    layer: Labels = viewer.add_labels(np.arange(1000 * 1000).reshape(1000, 1000) % 7)
    before, gradually = layer.data.copy(), Gradually(viewer.window._qt_window)
    gradually.start(edit(layer, (), lambda rows: (layer.data[rows] == 3, 6)), lambda: None)
    qtbot.waitUntil(lambda: not gradually.busy)
    assert np.array_equal(layer.data, np.where(before == 3, 6, before))
    layer.undo()
    assert np.array_equal(layer.data, before)
