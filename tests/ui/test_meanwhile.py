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

from napari_microcnn.ui import jobs
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
