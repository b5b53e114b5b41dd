from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_microcnn.config import ClassInfo, TrainConfig
from napari_microcnn.micrograph import Calibration
from napari_microcnn.ui import layers
from napari_microcnn.ui.annotate import AnnotateDock
from napari_microcnn.ui.models import MODELS_VARIABLE, kept_model_files, read_model_file

NANOMETRES = Calibration((2.0, 2.0), "nm", "set by the user")


@pytest.fixture
def dock(small_training: Callable[[int], AnnotateDock]) -> AnnotateDock:
    return small_training(2)


@pytest.fixture
def painted(viewer: Any, dock: AnnotateDock, discs: np.ndarray, strokes: np.ndarray) -> Any:
    """Return the annotation layer, with strokes, of the only image."""
    viewer.add_image(discs, name="discs", **layers.calibrated(NANOMETRES))
    dock.pairs.new_button.click()
    layer = viewer.layers["discs annotation"]
    layer.data = strokes
    return layer


def test_training_starts_from_the_shipped_model_unless_told_otherwise(open_dock: Callable[[str], Any]) -> None:
    dock = open_dock("Annotate & train")
    assert dock.init.currentText() == "grain-boundaries"
    assert dock.settings() == TrainConfig()


def test_models_of_another_day_are_offered_again(
    open_dock: Callable[[str], Any], model_path: Path, dock: AnnotateDock
) -> None:
    path = dock.session.new_model_file("a/b: steel")
    assert path.name == "a b steel 1.safetensors"
    path.write_bytes(model_path.read_bytes())
    (path.parent / "broken.safetensors").write_bytes(b"")
    menu = open_dock("Segment").model
    assert [menu.itemText(index) for index in range(3)] == ["grain-boundaries", "nanoparticles", "a b steel 1"]
    assert dock.session.new_model_file("a/b: steel").stem == "a b steel 2"


def test_models_that_cannot_be_kept_are_told(
    monkeypatch: pytest.MonkeyPatch, dock: AnnotateDock, painted: Any, told: list[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path / "file" / "models"))
    dock.run_button.click()
    assert len(told) == 1
    assert "cannot be made" in told[0]


def test_a_new_annotation_lies_on_its_image(viewer: Any, dock: AnnotateDock, discs: np.ndarray) -> None:
    image = viewer.add_image(discs, name="discs", **layers.calibrated(NANOMETRES))
    dock.pairs.new_button.click()
    layer = viewer.layers["discs annotation"]
    assert layer.data.shape == discs.shape
    np.testing.assert_allclose(layer.scale, image.scale)
    assert layer.units == image.units
    assert dock.pairs.pairs == [(image, layer)]
    assert viewer.layers.selection.active is layer


def test_picking_a_class_is_ready_to_paint(dock: AnnotateDock, painted: Any) -> None:
    dock.classes._table.cellClicked.emit(1, 1)
    assert painted.selected_label == 2
    assert painted.mode == "paint"


def test_classes_can_be_added_renamed_recoloured_and_removed(dock: AnnotateDock, painted: Any) -> None:
    dock.classes.add_button.click()
    assert [info.id for info in dock.classes.classes] == [1, 2, 3]
    assert painted.selected_label == 3
    dock.classes._table.item(2, 1).setText("inclusion")
    dock.classes.recolour(2, "#ff0000")
    assert dock.classes.classes[2] == ClassInfo(id=3, name="inclusion", colour="#ff0000")
    np.testing.assert_allclose(painted.get_color(3)[:3], (1, 0, 0))
    dock.classes._table.item(2, 1).setText("  ")
    assert dock.classes.classes[2].name == "inclusion"
    dock.classes.remove_button.click()
    assert [info.id for info in dock.classes.classes] == [1, 2]


def test_training_gives_a_model_for_the_segment_dock(
    viewer: Any,
    dock: AnnotateDock,
    painted: Any,
    open_dock: Callable[[str], Any],
    finish: Callable[[Any], None],
    told: list[str],
    tmp_path: Path,
) -> None:
    segment = open_dock("Segment")
    dock.run_button.click()
    finish(dock)
    assert told == []
    assert "Done; best: epoch" in dock.status.text()
    assert segment.model.model.name == "discs 1"
    assert viewer.layers["discs preview"].data.max() > 0
    assert len(dock.curves._points["iou"][0]) == 2
    assert dock.curves._best_point is not None

    dock.resume_button.click()
    finish(dock)
    assert told == []
    assert [model.name for model in kept_model_files()] == ["discs 2", "discs 1"]
    assert len(dock.curves._points["iou"][0]) == 4

    dock.save_button.save(tmp_path / "mine")
    assert read_model_file(tmp_path / "mine.safetensors").classes == dock.classes.classes

    segment.run_button.click()
    finish(segment)
    assert told == []
    assert "discs objects" in viewer.layers


def test_stop_keeps_the_best_model(
    qtbot: Any, dock: AnnotateDock, painted: Any, finish: Callable[[Any], None], told: list[str]
) -> None:
    dock.advanced.widget("epochs").setValue(10_000)
    dock.run_button.click()
    qtbot.waitUntil(lambda: dock._best is not None, timeout=60_000)
    dock.stop_button.click()
    finish(dock)
    assert told == []
    assert "Stopped; best" in dock.status.text()
    assert dock.model.path.is_file()
    assert dock.resume_button.isEnabled()


def test_without_anything_one_sentence_is_told(dock: AnnotateDock, told: list[str]) -> None:
    dock.run_button.click()
    assert told == ["Press 'New annotation layer' first, and paint a few strokes of every class."]


def test_without_an_image_no_annotation_is_made(dock: AnnotateDock, told: list[str]) -> None:
    dock.pairs.new_button.click()
    assert len(told) == 1
    assert "Open an image first" in told[0]


def test_an_empty_annotation_is_told(dock: AnnotateDock, painted: Any, told: list[str]) -> None:
    painted.data = np.zeros_like(painted.data)
    dock.run_button.click()
    assert len(told) == 1
    assert "Nothing is annotated yet" in told[0]


def test_an_annotation_of_another_size_is_told(dock: AnnotateDock, painted: Any, told: list[str]) -> None:
    painted.data = np.ones((10, 12), np.uint8)
    dock.run_button.click()
    assert len(told) == 1
    assert "10 × 12" in told[0]
    assert "96 × 128" in told[0]


def test_a_class_without_stroke_is_told_and_the_others_are_learnt(
    dock: AnnotateDock, painted: Any, told: list[str], finish: Callable[[Any], None]
) -> None:
    dock.classes.add_button.click()
    dock.classes.rename(2, "inclusion")
    dock.run_button.click()
    finish(dock)
    assert told == []
    assert "'inclusion' is not learnt yet" in dock.noticed
    assert [info.id for info in dock.model.classes] == [1, 2, 3]
    painted.data = np.minimum(painted.data, 1)
    dock.run_button.click()
    finish(dock)
    assert len(told) == 1
    assert "inclusion" in told[0]


def test_a_model_cannot_be_saved_into_a_file(
    dock: AnnotateDock, painted: Any, told: list[str], model_path: Path, tmp_path: Path
) -> None:
    dock.model = read_model_file(model_path)
    (tmp_path / "file").write_text("in the way")
    dock.save_button.save(tmp_path / "file" / "model.safetensors")
    assert len(told) == 1


def test_removed_layers_leave_the_table(viewer: Any, dock: AnnotateDock, painted: Any) -> None:
    viewer.layers.remove(painted)
    assert dock.pairs.pairs == []
    dock.pairs.new_button.click()
    assert len(dock.pairs.pairs) == 1
    viewer.layers.remove(viewer.layers["discs"])
    assert dock.pairs.pairs == []


def test_labels_that_are_open_can_be_paired(viewer: Any, dock: AnnotateDock, discs: np.ndarray) -> None:
    image = viewer.add_image(discs, name="discs")
    mine = viewer.add_labels(np.zeros(discs.shape, int), name="mine")
    viewer.add_labels(np.zeros((4, 5), int), name="of another size")
    dock.pairs._menu.aboutToShow.emit()
    actions = dock.pairs._menu.actions()
    assert [action.text() for action in actions] == ["mine"]
    actions[0].trigger()
    assert dock.pairs.pairs == [(image, mine)]
    dock.pairs.remove_button.click()
    assert dock.pairs.pairs == []
    assert "mine" in viewer.layers


def test_planes_of_a_stack_are_trained_where_strokes_are(
    viewer: Any,
    dock: AnnotateDock,
    discs: np.ndarray,
    strokes: np.ndarray,
    finish: Callable[[Any], None],
    told: list[str],
) -> None:
    viewer.add_image(np.stack([discs, discs, discs]), name="stack")
    dock.pairs.new_button.click()
    viewer.layers["stack annotation"].data[1] = strokes
    dock.run_button.click()
    finish(dock)
    assert told == []
    preview = viewer.layers["stack preview"]
    assert preview.data.shape == (1, 96, 128)
    assert preview.data.max() > 0
    assert preview.translate.tolist() == [1, 0, 0]


def test_closing_the_viewer_ends_the_training(qtbot: Any, viewer: Any, dock: AnnotateDock, painted: Any) -> None:
    dock.advanced.widget("epochs").setValue(10_000)
    dock.run_button.click()
    job = dock.job
    viewer.close()
    qtbot.waitUntil(lambda: not job.running, timeout=5_000)
