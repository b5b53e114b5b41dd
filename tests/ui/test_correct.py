from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from napari.layers import Labels

from napari_microcnn.config import ClassInfo, ObjectRule
from napari_microcnn.measure.editing import delete_objects, merge_objects
from napari_microcnn.measure.feedback import annotation_of_objects
from napari_microcnn.micrograph import Calibration
from napari_microcnn.ui import layers
from napari_microcnn.ui.correct import CorrectDock

NANOMETRES = Calibration((2.0, 2.0), "nm", "set by the user")
CLASSES = (ClassInfo(id=0, name="matrix", colour="#e69f00"), ClassInfo(id=3, name="carbide", colour="#56b4e9"))
RULE = ObjectRule(kind="particles", class_id=3)
GRAIN_CLASSES = (ClassInfo(id=0, name="grain", colour="#e69f00"), ClassInfo(id=1, name="boundary", colour="#56b4e9"))


def result(
    viewer: Any,
    role: str,
    data: np.ndarray,
    classes: Any = CLASSES,
    rule: ObjectRule | None = RULE,
    name: str = "steel",
) -> Labels:
    """Add labels as the Segment dock does, with their image."""
    place = layers.calibrated(NANOMETRES, data.ndim)
    if name not in viewer.layers:
        viewer.add_image(np.zeros(data.shape, np.uint8), name=name, **place)
    about = {"role": role, "source": name, "classes": classes, "rule": rule}
    return viewer.add_labels(data, name=f"{name} {role}", metadata={layers.KEY: about}, **place)


def blobs() -> np.ndarray:
    """Return labels of 12 squares, 4 to 15 pixels wide; three of them touch the border."""
    labels = np.zeros((100, 120), np.uint16)
    for index in range(12):
        row, col = divmod(index, 4)
        top = row * 34
        labels[top : top + 4 + index, col * 30 + 2 : col * 30 + 6 + index] = index + 1
    labels[94:, 2:5] = 9
    return labels


@pytest.fixture
def dock(open_dock: Callable[[str], Any]) -> CorrectDock:
    return open_dock("Correct")


@pytest.fixture
def counted(qtbot: Any) -> Callable[[CorrectDock], None]:
    """Return a function that waits until all is drawn and counted."""

    def wait(dock: CorrectDock) -> None:
        def still() -> bool:
            waiting = dock.editing.busy or dock.highlight.drawing.busy or dock.watched.counting.busy
            return not waiting and not dock.watched._timer.isActive() and dock.watched.objects is not None

        qtbot.waitUntil(still, timeout=60_000)

    return wait


def press(viewer: Any, dock: CorrectDock, row: int, col: int, *modifiers: str, moved: int = 0) -> None:
    """Click in the viewer, at a pixel of the watched labels."""
    world = dock.watched.layer.data_to_world((*dock.watched.plane, row, col))
    event = SimpleNamespace(type="mouse_press", pos=(5, 5), position=world, modifiers=modifiers)
    for callback in [one for one in viewer.mouse_drag_callbacks if getattr(one, "__self__", None) is dock]:
        steps = callback(viewer, event)
        next(steps)
        event.type, event.pos = "mouse_move", (5 + moved, 5)
        if moved:
            next(steps, None)
        event.type = "mouse_release"
        next(steps, None)


def test_a_result_is_chosen_and_its_objects_are_counted(viewer: Any, dock: CorrectDock, counted: Any) -> None:
    layer = result(viewer, "objects", blobs())
    counted(dock)
    assert dock.labels.layer is layer
    assert dock.kind.currentData() == "particles"
    assert dock.count.text() == "0 of 12 objects selected"
    assert not dock.delete_button.isEnabled()
    assert dock.filter.smallest.suffix() == " nm"


def test_clicks_select_and_shift_adds(viewer: Any, dock: CorrectDock, counted: Any) -> None:
    result(viewer, "objects", blobs())
    counted(dock)
    press(viewer, dock, 2, 3)
    assert not len(dock.selected)  # not switched on yet
    dock.pick_button.click()
    press(viewer, dock, 2, 3)
    assert dock.selected.tolist() == [1]
    press(viewer, dock, 2, 35, "Shift")
    assert dock.selected.tolist() == [1, 2]
    press(viewer, dock, 2, 3, "Shift")
    assert dock.selected.tolist() == [2]
    press(viewer, dock, 2, 3, moved=30)
    assert dock.selected.tolist() == [2]
    press(viewer, dock, 90, 110)
    assert dock.selected.tolist() == []
    press(viewer, dock, 2000, -5)
    dock.watched.layer.mode = "paint"
    press(viewer, dock, 2, 3)
    assert dock.selected.tolist() == []


def test_the_selection_is_highlighted_and_the_layer_stays_active(viewer: Any, dock: CorrectDock, counted: Any) -> None:
    layer = result(viewer, "objects", blobs())
    counted(dock)
    dock.pick_button.click()
    press(viewer, dock, 2, 3)
    press(viewer, dock, 2, 35, "Shift")
    counted(dock)
    shown = viewer.layers["selection"]
    assert np.array_equal(shown.data, np.isin(blobs(), [1, 2]))
    np.testing.assert_allclose(shown.scale, layer.scale)
    assert viewer.layers.selection.active is layer
    dock.clear_button.click()
    counted(dock)
    assert not viewer.layers["selection"].data.any()
    assert "selection" not in [dock.labels.itemText(index) for index in range(dock.labels.count())]


def test_filters_select_in_units_with_a_live_count(
    viewer: Any, dock: CorrectDock, counted: Any, told: list[str]
) -> None:
    result(viewer, "objects", blobs())
    counted(dock)
    width = 2 * np.sqrt(4 / np.pi) * 7  # of the square with sides of 7 pixels
    dock.filter.largest.setValue(width + 0.01)
    assert dock.selected.tolist() == [1, 2, 3, 4]
    assert dock.count.text() == "4 of 12 objects selected"
    dock.filter.where.setCurrentIndex(dock.filter.where.findData("inside"))
    assert dock.selected.tolist() == []
    dock.filter.largest.setValue(0)
    assert dock.selected.tolist() == [5, 6, 7, 8, 10, 11, 12]
    dock.filter.smallest.setValue(900)
    dock.filter.largest.setValue(20)
    assert "change one of them" in told[-1]
    dock.clear_button.click()
    assert dock.selected.tolist() == []


def test_delete_and_undo(viewer: Any, dock: CorrectDock, counted: Any) -> None:
    layer = result(viewer, "objects", blobs())
    counted(dock)
    dock.filter.largest.setValue(2 * 7 * 1.2)
    chosen = dock.selected
    dock.delete_button.click()
    counted(dock)
    assert np.array_equal(layer.data, delete_objects(blobs(), chosen))
    assert dock.count.text() == f"0 of {12 - len(chosen)} objects selected"
    assert "Ctrl+Z" in dock.status.text()
    assert not viewer.layers["selection"].data.any()
    dock.undo_button.click()
    assert np.array_equal(layer.data, blobs())
    counted(dock)
    assert dock.count.text() == "0 of 12 objects selected"
    dock.redo_button.click()
    assert np.array_equal(layer.data, delete_objects(blobs(), chosen))


def test_napari_s_own_undo_is_noticed(viewer: Any, dock: CorrectDock, counted: Any) -> None:
    layer = result(viewer, "objects", blobs())
    counted(dock)
    layer.data_setitem((np.array([50]), np.array([100])), 77)
    counted(dock)
    assert dock.count.text() == "0 of 13 objects selected"
    layer.undo()
    counted(dock)
    assert dock.count.text() == "0 of 12 objects selected"


def test_merge(viewer: Any, dock: CorrectDock, counted: Any) -> None:
    layer = result(viewer, "objects", blobs())
    counted(dock)
    dock.pick_button.click()
    press(viewer, dock, 2, 35)
    assert not dock.merge_button.isEnabled()
    press(viewer, dock, 2, 3, "Shift")
    dock.merge_button.click()
    counted(dock)
    assert np.array_equal(layer.data, merge_objects(blobs(), [1, 2]))
    layer.undo()
    assert np.array_equal(layer.data, blobs())


def test_outlines_follow(viewer: Any, dock: CorrectDock, counted: Any) -> None:
    from napari_microcnn.ui.tasks import outlines

    layer = result(viewer, "objects", blobs())
    lines = viewer.add_labels(
        outlines(blobs()), name="lines", metadata={layers.KEY: {"role": "outlines", "source": "steel"}}
    )
    counted(dock)
    dock.filter.largest.setValue(20)
    dock.delete_button.click()
    counted(dock)
    assert np.array_equal(lines.data, outlines(layer.data))
    dock.undo_button.click()
    counted(dock)
    assert np.array_equal(lines.data, outlines(blobs()))


def test_small_regions_of_a_class_map_go_to_their_surroundings(
    viewer: Any, dock: CorrectDock, counted: Any, finish: Any
) -> None:
    classes = np.ones((80, 90), np.uint8)
    classes[:, 45:] = 2
    classes[10:13, 10:13] = classes[60:63, 80:83] = 3
    layer = result(viewer, "classes", classes.copy())
    counted(dock)
    assert dock.count.text() == "0 of 4 regions selected"
    dock.filter.largest.setValue(10)
    assert len(dock.selected) == 2
    dock.delete_button.click()
    finish(dock)
    counted(dock)
    assert np.array_equal(layer.data, np.where(np.arange(90) < 45, 1, 2)[None].repeat(80, 0))
    assert dock.count.text() == "0 of 2 regions selected"
    layer.undo()
    assert np.array_equal(layer.data, classes)


def test_merged_regions_of_a_class_map_get_the_class_of_the_largest(
    viewer: Any, dock: CorrectDock, counted: Any
) -> None:
    classes = np.ones((80, 90), np.uint8)
    classes[:, 60:] = 2
    classes[10:13, 10:13] = 3
    layer = result(viewer, "classes", classes.copy())
    counted(dock)
    dock.pick(np.array([11, 11]), add=False)
    assert not dock.merge_button.isEnabled()
    dock.pick(np.array([40, 80]), add=True)
    dock.merge_button.click()
    counted(dock)
    expected = classes.copy()
    expected[10:13, 10:13] = 2
    assert np.array_equal(layer.data, expected)
    layer.undo()
    assert np.array_equal(layer.data, classes)


def test_only_the_shown_plane_of_a_stack_is_changed(viewer: Any, dock: CorrectDock, counted: Any) -> None:
    layer = result(viewer, "objects", np.stack([blobs(), blobs()]))
    viewer.dims.set_current_step(0, 1)
    counted(dock)
    dock.pick_button.click()
    press(viewer, dock, 2, 3)
    counted(dock)
    assert viewer.layers["selection"].data[1].any()
    assert not viewer.layers["selection"].data[0].any()
    dock.delete_button.click()
    counted(dock)
    assert np.array_equal(layer.data, np.stack([blobs(), delete_objects(blobs(), [1])]))


def annotated(viewer: Any, dock: CorrectDock, finish: Any, qtbot: Any, what: int) -> np.ndarray:
    dock.returning.what.setCurrentIndex(what)
    dock.run_button.click()
    finish(dock)
    qtbot.waitUntil(lambda: not dock.returning.writing.busy)
    return viewer.layers["steel annotation"].data


def class_ids(viewer: Any) -> dict[str, int]:
    annotate = viewer.window.dock_widgets["Annotate & train (napari-microcnn)"]
    return {info.name: info.id for info in annotate.classes.classes}


def test_particles_become_annotation(viewer: Any, dock: CorrectDock, counted: Any, finish: Any, qtbot: Any) -> None:
    result(viewer, "objects", blobs())
    counted(dock)
    found = annotated(viewer, dock, finish, qtbot, 1)
    ids = class_ids(viewer)
    assert set(ids) == {"matrix", "carbide"}
    assert 0 not in ids.values()
    assert np.array_equal(found, np.where(blobs() > 0, ids["carbide"], ids["matrix"]))
    annotate = viewer.window.dock_widgets["Annotate & train (napari-microcnn)"]
    assert annotate.pairs.pairs == [(viewer.layers["steel"], viewer.layers["steel annotation"])]
    viewer.layers["steel annotation"].undo()
    assert not found.any()


def test_only_what_was_changed_replaces_strokes(
    viewer: Any, dock: CorrectDock, counted: Any, finish: Any, qtbot: Any, told: list[str]
) -> None:
    layer = result(viewer, "objects", blobs())
    counted(dock)
    dock.returning.what.setCurrentIndex(0)
    dock.run_button.click()
    finish(dock)
    assert "changed nothing" in told[-1]
    dock.pick_button.click()
    press(viewer, dock, 2, 3)
    dock.delete_button.click()
    counted(dock)
    layer.data_setitem((np.array([90]), np.array([100])), 5)  # as the brush does
    found = annotated(viewer, dock, finish, qtbot, 0)
    ids = class_ids(viewer)
    expected = np.where(blobs() == 1, ids["matrix"], 0)
    expected[90, 100] = ids["carbide"]
    assert np.array_equal(found, expected)


def test_a_merge_tells_only_that_there_is_no_boundary(
    viewer: Any, dock: CorrectDock, counted: Any, finish: Any, qtbot: Any
) -> None:
    grains = np.kron(np.arange(1, 10).reshape(3, 3), np.ones((20, 20), np.uint16))
    layer = result(viewer, "grains", grains.copy(), GRAIN_CLASSES, ObjectRule(kind="grains", class_id=1))
    counted(dock)
    dock.pick_button.click()
    press(viewer, dock, 30, 30)
    press(viewer, dock, 30, 50, "Shift")
    dock.merge_button.click()
    counted(dock)
    found = annotated(viewer, dock, finish, qtbot, 0)
    ids = class_ids(viewer)
    before, after = (
        annotation_of_objects(one, "grains", ids["boundary"], ids["grain"]) for one in (grains, layer.data)
    )
    assert np.array_equal(found, np.where(before == after, 0, after))
    assert (found[25:35, 38:42] == ids["grain"]).all()
    assert not (found == ids["boundary"]).any()


def test_everything_leaves_strokes_alone(
    viewer: Any, dock: CorrectDock, counted: Any, finish: Any, qtbot: Any, open_dock: Any
) -> None:
    annotate = open_dock("Annotate & train")
    result(viewer, "objects", blobs())
    annotate.classes.set_classes((CLASSES[1].model_copy(update={"id": 1}), CLASSES[0].model_copy(update={"id": 2})))
    annotate.pairs.new_button.click()
    viewer.layers["steel annotation"].data[2, 3] = 2
    counted(dock)
    found = annotated(viewer, dock, finish, qtbot, 1)
    expected = np.where(blobs() > 0, 1, 2)
    expected[2, 3] = 2
    assert np.array_equal(found, expected)


def test_grains_become_boundaries_and_insides(
    viewer: Any, dock: CorrectDock, counted: Any, finish: Any, qtbot: Any
) -> None:
    grains = np.kron(np.arange(1, 7).reshape(2, 3), np.ones((20, 20), np.uint16))
    result(viewer, "grains", grains.copy(), GRAIN_CLASSES, ObjectRule(kind="grains", class_id=1))
    counted(dock)
    assert dock.kind.currentData() == "grains"
    found = annotated(viewer, dock, finish, qtbot, 1)
    ids = class_ids(viewer)
    assert np.array_equal(found, annotation_of_objects(grains, "grains", ids["boundary"], ids["grain"]))


def test_a_corrected_class_map_becomes_annotation(
    viewer: Any, dock: CorrectDock, counted: Any, finish: Any, qtbot: Any
) -> None:
    classes = np.zeros((40, 50), np.uint8)
    classes[10:20, 10:20] = 3
    layer = result(viewer, "classes", classes)
    counted(dock)
    layer.data_setitem((np.array([30, 31]), np.array([30, 30])), 3)
    found = annotated(viewer, dock, finish, qtbot, 0)
    ids = class_ids(viewer)
    assert np.argwhere(found).tolist() == [[30, 30], [31, 30]]
    assert found[30, 30] == ids["carbide"]
    found = annotated(viewer, dock, finish, qtbot, 1)
    assert (found[:5] == ids["matrix"]).all()


def test_labels_of_other_programs_can_be_corrected_too(
    viewer: Any, dock: CorrectDock, counted: Any, finish: Any, qtbot: Any
) -> None:
    viewer.add_image(np.zeros((100, 120), np.uint8), name="steel")
    viewer.add_labels(blobs().astype(np.int32))
    counted(dock)
    assert dock.count.text() == "0 of 12 objects selected"
    found = annotated(viewer, dock, finish, qtbot, 1)
    assert class_ids(viewer) == {"background": 1, "particle": 2}
    assert np.array_equal(found, np.where(blobs() > 0, 2, 1))


def test_what_is_missing_is_told(viewer: Any, dock: CorrectDock, counted: Any, told: list[str]) -> None:
    assert not dock.run_button.isEnabled()
    viewer.add_labels(blobs())
    counted(dock)
    dock.run_button.click()
    assert "No open image fits" in told[-1]
    dock.attempt(dock.delete)
    assert "Select something first" in told[-1]


def test_a_layer_may_be_removed_and_a_result_replaced(viewer: Any, dock: CorrectDock, counted: Any) -> None:
    layer = result(viewer, "objects", blobs())
    counted(dock)
    dock.filter.largest.setValue(20)
    layer.data = np.where(blobs() > 10, blobs(), 0)
    counted(dock)
    assert dock.count.text() == "0 of 2 objects selected"
    assert np.array_equal(dock.watched.original, layer.data)
    viewer.layers.remove(layer)
    assert dock.watched.layer is None
    assert dock.count.text() == ""


def test_a_closed_dock_leaves_the_mouse_alone(viewer: Any, dock: CorrectDock) -> None:
    assert dock._clicked in viewer.mouse_drag_callbacks
    viewer.window.remove_dock_widget(dock.parent())
    assert not [one for one in viewer.mouse_drag_callbacks if getattr(one, "__name__", "") == "_clicked"]


def test_the_segment_dock_tells_what_its_objects_are(
    viewer: Any, dock: CorrectDock, open_dock: Any, discs: np.ndarray, model_path: Path, finish: Any, counted: Any
) -> None:
    segment = open_dock("Segment")
    segment.model.open_file(model_path)
    viewer.add_image(discs, name="steel")
    segment.run_button.click()
    finish(segment)
    counted(dock)
    assert dock.labels.layer is viewer.layers["steel objects"]
    assert dock.labels.layer.metadata[layers.KEY]["rule"] == ObjectRule(kind="particles", class_id=1)
