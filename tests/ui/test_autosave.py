"""Whatever changed an annotation, it is kept, and offered when the image is opened again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_microcnn.config import ClassInfo
from napari_microcnn.io import blocks, sessions
from napari_microcnn.io.blocks import content_key
from napari_microcnn.ui import autosave, keeper, layers
from napari_microcnn.ui.annotate import AnnotateDock
from napari_microcnn.ui.pairing import FilePair

PLUGIN = "napari-microcnn"
NAME = "Annotate & train"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autosave, "INTERVAL", 50)
    monkeypatch.setattr(keeper, "SHORTEST", 0.05)


@pytest.fixture
def image_path(tmp_path: Path, discs: np.ndarray) -> Path:
    path = tmp_path / "pictures" / "discs.tif"
    path.parent.mkdir()
    tifffile.imwrite(path, discs)
    return path


@pytest.fixture
def open_image(make_napari_viewer: Callable[..., Any]) -> Callable[[Path], tuple[Any, AnnotateDock]]:
    """Return a function that opens a window with the dock and an image."""

    def open_one(path: Path) -> tuple[Any, AnnotateDock]:
        viewer = make_napari_viewer()
        dock = viewer.window.add_plugin_dock_widget(PLUGIN, NAME)[1]
        viewer.open(path)
        return viewer, dock

    return open_one


def annotate(dock: AnnotateDock) -> Any:
    dock.pairs.new_button.click()
    return dock.pairs.pairs[-1][1]


def offer_of(image: Path, pixels: np.ndarray) -> sessions.Found | None:
    """Return the newest session as the files have it; the window may still be open."""
    session = None
    for path in sorted(image.parent.glob("*.microcnn")):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sessions, "_is_being_written", lambda *_: False)
            session = sessions.read_session(path, content_key(pixels)) or session
    return session


def kept(image: Path, pixels: np.ndarray) -> np.ndarray | None:
    """Return the newest annotation as the files have it."""
    session = offer_of(image, pixels)
    if session is None:
        return None
    annotation = np.zeros(session.shape, np.uint8)
    for at in session.blocks:
        annotation[blocks.region_of(at, session.shape)] = session.pixels(at)
    return annotation


def leave(qtbot: Any, viewer: Any, dock: AnnotateDock) -> None:
    """Close the window, as its cross does."""
    viewer.close()
    qtbot.waitUntil(lambda: dock.autosave.keeper._thread is None, timeout=10_000)


def offered(qtbot: Any, dock: AnnotateDock) -> str:
    qtbot.waitUntil(lambda: dock.autosave.offer is not None, timeout=10_000)
    assert dock.autosave.isVisibleTo(dock)
    return dock.autosave.text


def _write_into_the_array(layer: Any) -> None:
    layer.data[60:70, 60:70] = 2


def _assign(layer: Any) -> None:
    layer.data = np.full_like(layer.data, 2)


def _undo(layer: Any) -> None:
    layer.undo()


def _undo_and_redo(layer: Any) -> None:
    layer.undo()
    layer.undo()
    layer.redo()


def _undo_while_hidden(layer: Any) -> None:
    layer.visible = False
    layer.undo()


def _half_a_stroke(layer: Any) -> None:
    layer._begin_stroke()
    layer.paint((50, 50), 2)


CHANGES: dict[str, Callable[[Any], None]] = {
    "paint": lambda layer: layer.paint((60, 60), 2),
    "erase": lambda layer: layer.paint((20, 20), 0),
    "fill": lambda layer: layer.fill((90, 90), 2),
    "polygon": lambda layer: layer.paint_polygon([(5, 5), (5, 60), (40, 60)], 2),
    "undo": _undo,
    "undo and redo": _undo_and_redo,
    "undo while hidden": _undo_while_hidden,
    "half a stroke": _half_a_stroke,
    "setting pixels": lambda layer: layer.data_setitem((np.array([3]), np.array([4])), 2),
    "writing into the array": _write_into_the_array,
    "another array": _assign,
}


def test_whatever_changes_an_annotation_is_kept(
    qtbot: Any, open_image: Any, image_path: Path, discs: np.ndarray
) -> None:
    _, dock = open_image(image_path)
    layer = annotate(dock)
    layer.paint((20, 20), 1)
    layer.paint((20, 30), 1)
    for what, change in CHANGES.items():
        before = layer.data.copy()
        change(layer)
        assert not np.array_equal(before, layer.data), what

        def is_kept(layer: Any = layer) -> bool:
            found = kept(image_path, discs)
            return found is not None and np.array_equal(found, layer.data)

        qtbot.waitUntil(is_kept, timeout=5_000)
    assert [path.name for path in image_path.parent.glob("*.microcnn")] == ["discs.tif.microcnn"]


def test_closing_the_window_keeps_the_last_stroke(
    qtbot: Any, monkeypatch: pytest.MonkeyPatch, open_image: Any, image_path: Path, discs: np.ndarray
) -> None:
    monkeypatch.setattr(keeper, "SHORTEST", 1000.0)
    monkeypatch.setattr(keeper, "LONGEST", 1000.0)
    viewer, dock = open_image(image_path)
    layer = annotate(dock)
    layer.paint((20, 20), 1)
    expected = layer.data.copy()
    leave(qtbot, viewer, dock)
    np.testing.assert_array_equal(kept(image_path, discs), expected)


def test_removing_a_layer_keeps_its_strokes(qtbot: Any, open_image: Any, image_path: Path, discs: np.ndarray) -> None:
    viewer, dock = open_image(image_path)
    layer = annotate(dock)
    layer.paint((20, 20), 1)
    expected = layer.data.copy()
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: kept(image_path, discs) is not None, timeout=5_000)
    np.testing.assert_array_equal(kept(image_path, discs), expected)


def test_what_was_done_just_before_a_layer_is_removed_is_kept(
    qtbot: Any, monkeypatch: pytest.MonkeyPatch, open_image: Any, image_path: Path, discs: np.ndarray
) -> None:
    """The thread is busy, and sees the layer only once it is gone: its array and its mark are others by then."""
    monkeypatch.setattr(keeper, "SHORTEST", 1000.0)
    viewer, dock = open_image(image_path)
    layer = annotate(dock)
    layer.paint((20, 20), 1)
    dock.autosave.tick()
    dock.autosave.keeper.flush()
    busy = threading.Event()
    dock.autosave.keeper._tasks.put(busy.wait)
    layer.data = expected = np.full_like(layer.data, 2)
    dock.pairs.set_validation(0, True)
    viewer.layers.remove(layer)
    busy.set()
    dock.autosave.keeper.flush()
    np.testing.assert_array_equal(kept(image_path, discs), expected)
    assert offer_of(image_path, discs).state["validation"] is True


def test_strokes_classes_settings_model_and_pairs_come_back(
    qtbot: Any, open_image: Any, image_path: Path, model_path: Path
) -> None:
    from napari_microcnn.ui.models import read_model_file

    viewer, dock = open_image(image_path)
    layer = annotate(dock)
    dock.classes.rename(1, "pore")
    dock.classes.add()
    dock.form.widget("minutes").setValue(7.0)
    dock.advanced.widget("patch").setValue(64)
    dock.preset.set_value("particles", 2)
    dock.model = read_model_file(model_path)
    gone = FilePair(image_path.with_name("gone.tif"), image_path)
    dock.pairs.add_files([FilePair(image_path, image_path, validation=True), gone])
    layer.paint((20, 20), 3)
    dock.pairs.set_validation(0, True)
    expected, classes, settings = layer.data.copy(), dock.classes.classes, dock.settings()
    leave(qtbot, viewer, dock)

    _, dock = open_image(image_path)
    assert offered(qtbot, dock).startswith("Strokes of ")
    assert "for 'discs' were found" in dock.autosave.text
    dock.autosave.restore_button.click()
    ((_, layer),) = dock.pairs.pairs
    np.testing.assert_array_equal(layer.data, expected)
    assert dock.classes.classes == classes
    assert dock.settings() == settings
    assert dock.model.path == model_path
    assert layers.for_validation(layer)
    assert dock.pairs.files == [FilePair(image_path, image_path, validation=True)]
    assert "1 of their pairs of files are not there any more" in dock.status.text()
    assert dock.resume_button.isEnabled()
    assert dock.autosave.offer is None
    assert not dock.autosave.isVisibleTo(dock)


def test_undo_takes_a_restoring_back_and_goes_on_before_it(qtbot: Any, open_image: Any, image_path: Path) -> None:
    viewer, dock = open_image(image_path)
    layer = annotate(dock)
    layer.paint((20, 20), 1)
    layer.paint((80, 100), 2)
    first = layer.data.copy()
    leave(qtbot, viewer, dock)

    _, dock = open_image(image_path)
    offered(qtbot, dock)
    layer = annotate(dock)
    layer.paint((50, 60), 2)
    own = layer.data.copy()
    dock.autosave.restore_button.click()
    both = layer.data.copy()
    np.testing.assert_array_equal(both, np.maximum(first, own))
    layer.undo()
    np.testing.assert_array_equal(layer.data, own)
    layer.redo()
    np.testing.assert_array_equal(layer.data, both)
    layer.undo()
    layer.undo()
    assert not layer.data.any()


@pytest.mark.parametrize("answer", ["mine", "found"])
def test_what_was_painted_meanwhile_is_not_overwritten_unasked(
    qtbot: Any, open_image: Any, image_path: Path, answer: str
) -> None:
    viewer, dock = open_image(image_path)
    annotate(dock).data[20:30, 20:40] = 1
    leave(qtbot, viewer, dock)

    _, dock = open_image(image_path)
    offered(qtbot, dock)
    layer = annotate(dock)
    layer.data[20:30, 30:50] = 2
    before = layer.data.copy()
    dock.autosave.restore_button.click()
    np.testing.assert_array_equal(layer.data, before)
    assert dock.autosave.text.startswith("100 of these pixels have another class")
    (dock.autosave.restore_button if answer == "mine" else dock.autosave.discard_button).click()
    assert (layer.data[20:30, 20:30] == 1).all()
    assert (layer.data[20:30, 30:40] == (2 if answer == "mine" else 1)).all()
    assert (layer.data[20:30, 40:50] == 2).all()
    assert dock.autosave.offer is None


def test_what_was_restored_is_kept_again_and_offered_once(
    qtbot: Any, open_image: Any, image_path: Path, discs: np.ndarray
) -> None:
    viewer, dock = open_image(image_path)
    annotate(dock).paint((20, 20), 1)
    leave(qtbot, viewer, dock)
    before = kept(image_path, discs)
    for _ in range(2):
        viewer, dock = open_image(image_path)
        offered(qtbot, dock)
        assert len(dock.autosave._offers) == 1
        dock.autosave.restore_button.click()
        leave(qtbot, viewer, dock)
        assert len(list(image_path.parent.glob("*.microcnn"))) == 1
        np.testing.assert_array_equal(kept(image_path, discs), before)


def test_discarded_strokes_are_not_offered_again(qtbot: Any, open_image: Any, image_path: Path, tmp_path: Path) -> None:
    viewer, dock = open_image(image_path)
    annotate(dock).paint((20, 20), 1)
    leave(qtbot, viewer, dock)
    viewer, dock = open_image(image_path)
    offered(qtbot, dock)
    dock.autosave.discard_button.click()
    leave(qtbot, viewer, dock)
    assert not list(image_path.parent.glob("*.microcnn"))
    assert len(list((tmp_path / "sessions" / "discarded").iterdir())) == 1


def test_a_moved_image_is_known_and_one_of_the_same_name_is_not(
    qtbot: Any, open_image: Any, image_path: Path, discs: np.ndarray, tmp_path: Path
) -> None:
    viewer, dock = open_image(image_path)
    annotate(dock).paint((20, 20), 1)
    leave(qtbot, viewer, dock)
    moved = tmp_path / "ferrite.tif"
    image_path.rename(moved)
    tifffile.imwrite(image_path, 255 - discs)
    viewer, dock = open_image(image_path)
    dock.autosave.tick()
    dock.autosave.keeper.flush()
    qtbot.wait(100)
    assert dock.autosave.offer is None
    viewer.open(moved)
    assert "'discs'" in offered(qtbot, dock)
    dock.autosave.restore_button.click()
    ((image, _),) = dock.pairs.pairs
    assert image.name == "ferrite"


def test_an_offer_goes_with_its_image(qtbot: Any, open_image: Any, image_path: Path) -> None:
    viewer, dock = open_image(image_path)
    annotate(dock).paint((20, 20), 1)
    leave(qtbot, viewer, dock)
    viewer, dock = open_image(image_path)
    offered(qtbot, dock)
    viewer.layers.clear()
    qtbot.waitUntil(lambda: dock.autosave.offer is None, timeout=5_000)
    viewer.open(image_path)
    offered(qtbot, dock)


def test_the_strokes_of_a_sample_are_kept_once_they_were_changed(
    qtbot: Any, make_napari_viewer: Callable[..., Any], tmp_path: Path
) -> None:
    def opened() -> tuple[Any, AnnotateDock]:
        viewer = make_napari_viewer()
        dock = viewer.window.add_plugin_dock_widget(PLUGIN, NAME)[1]
        viewer.open_sample(PLUGIN, "nanoporous")
        dock.autosave.keeper.flush()
        return viewer, dock

    viewer, dock = opened()
    leave(qtbot, viewer, dock)
    assert not list((tmp_path / "sessions").glob("*.microcnn"))

    viewer, dock = opened()
    layer = dock.pairs.pairs[0][1]
    layer.data[layer.data == 1] = 0
    layer.refresh()
    expected = layer.data.copy()
    leave(qtbot, viewer, dock)

    viewer, dock = opened()
    offered(qtbot, dock)
    layer = dock.pairs.pairs[0][1]
    layer.data[0, 0] = 2  # meanwhile
    dock.autosave.restore_button.click()
    expected[0, 0] = 2
    np.testing.assert_array_equal(layer.data, expected)


def test_a_model_that_is_gone_is_told(
    qtbot: Any, open_image: Any, image_path: Path, tmp_path: Path, model_path: Path
) -> None:
    from napari_microcnn.ui.models import read_model_file

    viewer, dock = open_image(image_path)
    gone = tmp_path / "steel 1.safetensors"
    gone.write_bytes(model_path.read_bytes())
    dock.model = read_model_file(gone)
    annotate(dock).paint((20, 20), 1)
    leave(qtbot, viewer, dock)
    gone.unlink()
    _, dock = open_image(image_path)
    offered(qtbot, dock)
    dock.autosave.restore_button.click()
    assert dock.pairs.pairs[0][1].data.any()
    assert "Their model 'steel 1' is not there any more." in dock.status.text()
    assert dock.model is None


def test_settings_of_another_version_leave_the_strokes(
    qtbot: Any, monkeypatch: pytest.MonkeyPatch, open_image: Any, image_path: Path
) -> None:
    viewer, dock = open_image(image_path)
    state = {"classes": [{"id": 1, "name": "pore", "colour": "#e69f00"}], "settings": {"magic": 7}, "model": None}
    monkeypatch.setattr(autosave, "state_of", lambda _: state)
    annotate(dock).paint((20, 20), 1)
    leave(qtbot, viewer, dock)
    monkeypatch.undo()
    monkeypatch.setenv(sessions.SESSIONS_VARIABLE, str(image_path.parent))
    _, dock = open_image(image_path)
    offered(qtbot, dock)
    before = dock.settings()
    dock.autosave.restore_button.click()
    assert dock.pairs.pairs[0][1].data.any()
    assert dock.classes.classes[0] == ClassInfo(id=1, name="pore", colour="#e69f00")
    assert "settings are of another version" in dock.status.text()
    assert dock.settings() == before


def test_a_foreign_file_in_the_way_is_told_and_left(qtbot: Any, open_image: Any, image_path: Path) -> None:
    foreign = image_path.with_name("discs.tif.microcnn")
    foreign.write_text("a letter")
    viewer, dock = open_image(image_path)
    qtbot.waitUntil(lambda: "left as it is" in dock.status.text(), timeout=5_000)
    annotate(dock).paint((20, 20), 1)
    leave(qtbot, viewer, dock)
    assert foreign.read_text() == "a letter"
    assert image_path.with_name("discs.tif 2.microcnn").exists()


def test_strokes_that_can_be_kept_nowhere_are_told_once(
    qtbot: Any, monkeypatch: pytest.MonkeyPatch, viewer: Any, open_dock: Callable[[str], Any], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(sessions.SESSIONS_VARIABLE, str(tmp_path / "file"))
    warned: list[str] = []
    monkeypatch.setattr("napari_microcnn.ui.base.show_warning", warned.append)
    dock = open_dock(NAME)
    viewer.add_image(np.zeros((30, 40), np.uint8), name="grey")
    annotate(dock).paint((10, 10), 1)
    qtbot.waitUntil(lambda: bool(warned), timeout=5_000)
    dock.autosave.keeper.flush()
    qtbot.wait(50)
    assert len(warned) == 1
    assert "could not be created" in warned[0]
