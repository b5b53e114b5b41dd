"""What a user does to layers, docks and the window while jobs run: no traceback, nothing left running, results kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_microcnn.config import ClassInfo, ObjectRule
from napari_microcnn.ui import jobs, layers
from napari_microcnn.ui.annotate import AnnotateDock
from napari_microcnn.ui.process import Pool
from napari_microcnn.ui.segment import SegmentDock

LARGE = (900, 900)


@pytest.fixture
def segmenting(
    qtbot: Any, viewer: Any, open_dock: Callable[[str], Any], model_path: Path, told: list[str]
) -> SegmentDock:
    """Return the Segment dock with the first tiles of an image drawn, and many to come."""
    dock = open_dock("Segment")
    dock.model.open_file(model_path)
    viewer.add_image(np.zeros(LARGE, np.uint8), name="large")
    dock.form.widget("tile").setValue(64)
    dock.run_button.click()
    qtbot.waitUntil(lambda: "large classes" in viewer.layers, timeout=60_000)
    return dock


@pytest.fixture
def painted(viewer: Any, small_training: Callable[[int], Any], discs: np.ndarray, strokes: np.ndarray) -> AnnotateDock:
    """Return the dock Annotate & train with an annotated image, ready for a training without end."""
    dock = small_training(10_000)
    viewer.add_image(discs, name="discs")
    dock.pairs.new_button.click()
    viewer.layers["discs annotation"].data = strokes
    return dock


@pytest.fixture
def training(qtbot: Any, painted: AnnotateDock, told: list[str]) -> AnnotateDock:
    """Return the dock while it trains and has drawn a preview."""
    painted.run_button.click()
    qtbot.waitUntil(lambda: painted.teaching.preview.drawn > 0, timeout=60_000)
    return painted


def stop(qtbot: Any, dock: AnnotateDock) -> None:
    """Stop a training after its first epoch, and see that its model was kept."""
    qtbot.waitUntil(lambda: dock._best is not None, timeout=60_000)
    dock.stop_button.click()
    qtbot.waitUntil(lambda: dock.job is None, timeout=20_000)
    assert dock.model.path.is_file()


def children() -> set[int]:
    """Return the processes that are left, but for what Python keeps once other tests have used multiprocessing."""
    return {
        child.pid
        for child in psutil.Process().children(recursive=True)
        if child.status() != "zombie" and not any("multiprocessing" in word for word in child.cmdline())
    }


def change(viewer: Any) -> None:
    viewer.layers[0].data = np.ones((70, 90), np.uint8)


def remove_image(viewer: Any) -> None:
    viewer.layers.remove(viewer.layers[0])


def remove_annotation(viewer: Any) -> None:
    viewer.layers.remove("discs annotation")


def remove_all(viewer: Any) -> None:
    viewer.layers.clear()


def rename(viewer: Any) -> None:
    viewer.layers[0].name = "another name"


@pytest.mark.parametrize("do", [change, remove_image, remove_all, rename])
def test_while_an_image_is_segmented(
    viewer: Any, segmenting: SegmentDock, finish: Callable[[Any], None], told: list[str], do: Callable[[Any], None]
) -> None:
    do(viewer)
    finish(segmenting)
    assert told == []
    assert "Done" in segmenting.status.text()
    assert viewer.layers["large classes"].data.shape == LARGE


def test_a_training_waits_while_its_model_is_asked_where_it_is_unsure(
    qtbot: Any, viewer: Any, training: AnnotateDock, told: list[str], strokes: np.ndarray
) -> None:
    qtbot.waitUntil(lambda: training._best is not None, timeout=60_000)
    panel = training.guide
    panel.find_button.click()
    assert training.pause_button.isChecked()
    assert not panel.find_button.isEnabled()
    qtbot.waitUntil(lambda: training.beside is None, timeout=60_000)
    assert panel.find_button.isEnabled()
    assert len(panel.places) > 1
    panel.go_button.click()
    place = panel.places[0].region
    shown = viewer.layers["discs preview"]
    assert shown.data.shape == viewer.layers["discs"].data.shape
    qtbot.wait(400)  # no preview comes instead, though the view has moved
    expected = np.where(strokes[place] > 0, strokes[place], shown.data[place])
    panel.accept_button.click()
    qtbot.waitUntil(lambda: not panel._writing.busy)
    assert np.array_equal(viewer.layers["discs annotation"].data[place], expected)
    drawn = training.teaching.preview.drawn
    training.pause_button.click()
    assert not panel.accept_button.isEnabled()
    panel.go_button.click()
    qtbot.waitUntil(lambda: training.teaching.preview.drawn > drawn, timeout=60_000)
    with pytest.raises(ValueError, match="learnt on since"):
        panel.accept()
    assert told == []
    stop(qtbot, training)


def test_what_was_asked_of_a_training_ends_with_its_dock(
    qtbot: Any, viewer: Any, training: AnnotateDock, told: list[str]
) -> None:
    qtbot.waitUntil(lambda: training._best is not None, timeout=60_000)
    training.guide.find_button.click()
    beside = training.beside
    viewer.window.remove_dock_widget(training)
    assert not beside.running
    assert told == []


@pytest.mark.parametrize("do", [change, remove_image, remove_annotation, remove_all, rename])
def test_while_a_model_is_trained(
    qtbot: Any, viewer: Any, training: AnnotateDock, told: list[str], do: Callable[[Any], None]
) -> None:
    do(viewer)
    qtbot.wait(300)
    stop(qtbot, training)
    assert told == []


def test_the_window_is_closed_while_two_jobs_run(
    qtbot: Any, viewer: Any, training: AnnotateDock, open_dock: Callable[[str], Any], model_path: Path
) -> None:
    dock = open_dock("Segment")
    dock.model.open_file(model_path)
    viewer.add_image(np.zeros(LARGE, np.uint8), name="large")
    dock.image.layer = viewer.layers["large"]
    dock.form.widget("tile").setValue(64)
    dock.run_button.click()
    both = [training.job, dock.job]
    working = [job._process._child.pid for job in both]
    assert len(set(working)) == 2
    viewer.close()
    qtbot.waitUntil(lambda: not any(job.running for job in both), timeout=5_000)
    qtbot.waitUntil(lambda: not set(working) & children(), timeout=5_000)


def test_two_jobs_at_once_do_not_disturb_each_other(
    qtbot: Any, viewer: Any, training: AnnotateDock, open_dock: Callable, model_path: Path, finish: Callable, told: list
) -> None:
    dock = open_dock("Segment")
    dock.model.open_file(model_path)
    dock.image.layer = viewer.layers["discs"]
    dock.run_button.click()
    finish(dock)
    assert "Done" in dock.status.text()
    assert training.job is not None
    stop(qtbot, training)
    assert told == []


def test_double_clicks_start_one_job_and_stop_it_once(
    qtbot: Any, viewer: Any, painted: AnnotateDock, own_pool: Pool, told: list[str]
) -> None:
    for _ in range(2):
        QTest.mouseClick(painted.run_button, Qt.MouseButton.LeftButton)
    QTest.mouseDClick(painted.run_button, Qt.MouseButton.LeftButton)
    assert len(own_pool._busy) == 1
    qtbot.waitUntil(lambda: painted._best is not None, timeout=60_000)
    QTest.mouseClick(painted.stop_button, Qt.MouseButton.LeftButton)
    QTest.mouseDClick(painted.stop_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: painted.job is None, timeout=20_000)
    assert told == []
    assert own_pool._busy == []
    assert len(own_pool._idle) == 1


def test_started_and_stopped_at_once_again_and_again(
    qtbot: Any, training: AnnotateDock, finish: Callable[[Any], None], told: list[str]
) -> None:
    stop(qtbot, training)
    for _ in range(5):
        training.run_button.click()
        training.stop_button.click()
        finish(training)
    assert told == []
    assert jobs._pool._busy == []
    assert len(children()) <= Pool.KEEP


def give_result(viewer: Any, discs: np.ndarray) -> None:
    """Add an image with its class map and its objects, as Segment does."""
    from scipy.ndimage import label

    classes = (ClassInfo(id=1, name="dark", colour="#e69f00"), ClassInfo(id=2, name="bright", colour="#56b4e9"))
    rule = ObjectRule(kind="particles", class_id=2)
    viewer.add_image(discs, name="discs")
    for role, data in (("classes", (discs > 120) + np.uint8(1)), ("objects", label(discs > 120)[0])):
        about = {"role": role, "source": "discs", "classes": classes, "rule": rule, "settings": {}}
        viewer.add_labels(data, name=f"discs {role}", metadata={layers.KEY: about})


def train_a_classifier(qtbot: Any, viewer: Any, dock: Any, files: dict[str, Path]) -> None:
    viewer.add_image(np.random.default_rng(0).integers(0, 255, (8, 40, 40)).astype(np.uint8), name="stack")
    dock.form.widget("architecture").setCurrentText("conv-pool")
    dock.advanced.widget("init").setText("")
    for name, value in {"epochs": 10_000, "side": 32, "filters": 4, "blocks": 2, "batch": 4}.items():
        dock.advanced.widget(name).setValue(value)
    dock.sources.kind.setCurrentIndex(1)
    dock.sources.stack.layer = viewer.layers["stack"]
    dock.sources.planes.setText("up*4, down*4")
    dock.run_button.click()
    qtbot.waitUntil(lambda: dock._best is not None or dock.job is None, timeout=20_000)
    assert dock._best is not None, dock.status.text()


def classify(qtbot: Any, viewer: Any, dock: Any, files: dict[str, Path]) -> None:
    dock.tabs.setCurrentIndex(1)
    dock.ask.model.open_file(files["classifier"])
    dock.ask.tiles.setChecked(True)
    dock.run_button.click()


def explain(qtbot: Any, viewer: Any, dock: Any, files: dict[str, Path]) -> None:
    dock.model.open_file(files["model"])
    dock.run_button.click()


def press_run(qtbot: Any, viewer: Any, dock: Any, files: dict[str, Path]) -> None:
    dock.run_button.click()


def make_pictures(qtbot: Any, viewer: Any, dock: Any, files: dict[str, Path]) -> None:
    dock.folder.folder = files["results"]
    dock.count.setValue(dock.count.maximum())
    dock.run_button.click()
    qtbot.waitUntil(lambda: "Picture" in dock.status.text(), timeout=60_000)


def delete_regions(qtbot: Any, viewer: Any, dock: Any, files: dict[str, Path]) -> None:
    dock.labels.layer = viewer.layers["discs classes"]
    qtbot.waitUntil(lambda: dock.watched.objects is not None, timeout=60_000)
    dock.selected = dock.watched.objects.ids[:2]
    dock.delete_button.setEnabled(True)
    dock.delete_button.click()


def learn_from_a_correction(qtbot: Any, viewer: Any, dock: Any, files: dict[str, Path]) -> None:
    dock.labels.layer = viewer.layers["discs objects"]
    qtbot.waitUntil(lambda: dock.watched.objects is not None, timeout=60_000)
    dock.labels.layer.data_setitem((np.array([0, 1]), np.array([0, 1])), 1)
    qtbot.waitUntil(lambda: dock.watched.objects is not None and not dock.watched.counting.busy, timeout=60_000)
    dock.run_button.click()


def export(qtbot: Any, viewer: Any, dock: Any, files: dict[str, Path]) -> None:
    dock.folder.folder = files["results"]
    dock.run_button.click()


def segment_large(qtbot: Any, viewer: Any, dock: Any, files: dict[str, Path]) -> None:
    dock.model.open_file(files["model"])
    viewer.add_image(np.random.default_rng(0).integers(0, 255, LARGE).astype(np.uint8), name="large")
    dock.image.layer = viewer.layers["large"]
    dock.form.widget("tile").setValue(64)
    dock.large.results.folder = files["results"]
    dock.large.always.setChecked(True)
    dock.run_button.click()
    qtbot.waitUntil(lambda: "Tile" in dock.status.text(), timeout=60_000)


ENDLESS = {"a classifier is trained", "pictures are made", "a large image is segmented"}
OTHERS = {
    "a classifier is trained": ("Classify", train_a_classifier),
    "an image is classified": ("Classify", classify),
    "an answer is explained": ("Explain", explain),
    "objects are measured": ("Measure", press_run),
    "pictures are made": ("Synthesize", make_pictures),
    "regions are deleted": ("Correct", delete_regions),
    "a correction becomes annotation": ("Correct", learn_from_a_correction),
    "results are exported": ("Export", export),
    "a large image is segmented": ("Segment", segment_large),
}


@pytest.mark.parametrize("name", OTHERS)
def test_layers_and_then_the_window_are_closed_while(
    qtbot: Any,
    viewer: Any,
    open_dock: Callable[[str], Any],
    discs: np.ndarray,
    model_path: Path,
    classifier_path: Path,
    tmp_path: Path,
    told: list[str],
    name: str,
) -> None:
    files = {"model": model_path, "classifier": classifier_path, "results": tmp_path / "results"}
    title, begin = OTHERS[name]
    give_result(viewer, discs)
    dock = open_dock(title)
    begin(qtbot, viewer, dock, files)
    assert dock.job is not None
    remove_all(viewer)
    if name in ENDLESS:
        qtbot.wait(300)
        dock.stop()
    qtbot.waitUntil(lambda: dock.job is None, timeout=60_000)
    qtbot.waitUntil(lambda: jobs._pool._busy == [], timeout=20_000)
    assert told == []

    give_result(viewer, discs)
    files["results"] = tmp_path / "again"
    begin(qtbot, viewer, dock, files)
    job = dock.job
    working = job._process._child.pid
    viewer.close()
    qtbot.waitUntil(lambda: not job.running, timeout=5_000)
    qtbot.waitUntil(lambda: working not in children(), timeout=5_000)
    assert told == []
