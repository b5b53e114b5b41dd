"""Live teaching in a real viewer with a real worker: what the user does reaches the running training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from napari_microcnn.events import AnnotationChanged, ClassesChanged, ViewChanged
from napari_microcnn.ui.annotate import AnnotateDock
from napari_microcnn.ui.models import read_model_file
from napari_microcnn.ui.pairing import PaintedImage
from napari_microcnn.ui.teaching import changed_region


@pytest.fixture
def dock(small_training: Callable[[int], AnnotateDock]) -> AnnotateDock:
    return small_training(10_000)


@pytest.fixture
def painted(viewer: Any, dock: AnnotateDock, discs: np.ndarray, strokes: np.ndarray) -> Any:
    """Return the annotation layer, with strokes, of the only image."""
    viewer.add_image(discs, name="discs")
    dock.pairs.new_button.click()
    layer = viewer.layers["discs annotation"]
    layer.data = strokes
    return layer


@pytest.fixture
def learning(qtbot: Any, dock: AnnotateDock, painted: Any) -> AnnotateDock:
    """Return the dock while it trains and has drawn a preview."""
    dock.run_button.click()
    qtbot.waitUntil(lambda: dock.teaching.preview.drawn > 0, timeout=60_000)
    return dock


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, learning: AnnotateDock) -> list[Any]:
    """Collect what the training is told, and tell it too."""
    heard: list[Any] = []
    tell = learning.job.tell

    def overheard(change: Any) -> None:
        heard.append(change)
        tell(change)

    monkeypatch.setattr(learning.teaching, "_tell", overheard)
    monkeypatch.setattr(learning.job, "tell", overheard)
    return heard


def stop(qtbot: Any, dock: AnnotateDock) -> None:
    qtbot.waitUntil(lambda: dock._best is not None, timeout=60_000)
    dock.stop_button.click()
    qtbot.waitUntil(lambda: dock.job is None, timeout=20_000)


def test_strokes_and_their_undo_are_learnt_while_it_runs(
    qtbot: Any, learning: AnnotateDock, painted: Any, told: list[Any]
) -> None:
    preview = learning.teaching.preview
    painted.data_setitem((np.full(20, 50), np.arange(30, 50)), 1)
    qtbot.waitUntil(lambda: preview.changes == 1, timeout=30_000)
    (change,) = [one for one in told if isinstance(one, AnnotationChanged)]
    assert change.region == (slice(50, 51), slice(30, 50))
    assert (change.annotation == 1).all()
    painted.undo()
    qtbot.waitUntil(lambda: preview.changes == 2, timeout=30_000)
    assert not told[-1].annotation.any()
    stop(qtbot, learning)
    assert read_model_file(learning.model.path).classes == learning.classes.classes
    assert learning.teaching is None


def test_classes_come_and_go_while_it_runs(
    qtbot: Any, learning: AnnotateDock, painted: Any, told: list[Any], viewer: Any
) -> None:
    learning.classes.add_button.click()
    learning.classes.rename(2, "crack")
    painted.data_setitem((np.full(20, 50), np.arange(30, 50)), 3)
    qtbot.waitUntil(lambda: learning.teaching.preview.changes == 1, timeout=30_000)
    assert [len(one.classes) for one in told if isinstance(one, ClassesChanged)] == [3, 3]
    best = learning._best
    qtbot.waitUntil(lambda: learning._best is not best and learning._best is not None, timeout=60_000)
    stop(qtbot, learning)
    assert [info.name for info in learning.model.classes] == ["class 1", "class 2", "crack"]


def test_the_probability_of_a_class_is_shown_as_strongly_as_wanted(
    qtbot: Any, viewer: Any, learning: AnnotateDock, told: list[Any]
) -> None:
    assert viewer.layers["discs preview"].visible
    learning.preview.what.setCurrentIndex(2)
    assert told[-1].shown == 2
    qtbot.waitUntil(lambda: "discs probability" in viewer.layers, timeout=30_000)
    shown = viewer.layers["discs probability"]
    qtbot.waitUntil(lambda: shown.visible, timeout=30_000)
    assert not viewer.layers["discs preview"].visible
    assert shown.data.dtype == np.uint8
    learning.preview.slider.setValue(70)
    assert shown.opacity == pytest.approx(0.7)
    learning.preview.what.setCurrentIndex(0)
    qtbot.waitUntil(lambda: viewer.layers["discs preview"].visible, timeout=30_000)
    assert not shown.visible


def test_the_preview_follows_the_view(qtbot: Any, viewer: Any, learning: AnnotateDock, told: list[Any]) -> None:
    viewer.layers["discs"].corner_pixels = np.array([[10, 20], [40, 60]])  # as drawing does in a window that is shown
    viewer.scene.camera.zoom *= 3
    qtbot.waitUntil(lambda: any(isinstance(one, ViewChanged) for one in told), timeout=10_000)
    region = next(one for one in reversed(told) if isinstance(one, ViewChanged)).region
    assert region == (slice(10, 41), slice(20, 61))
    layer = viewer.layers["discs preview"]
    qtbot.waitUntil(lambda: layer.data.shape == tuple(part.stop - part.start for part in region), timeout=30_000)
    assert layer.translate.tolist() == [region[0].start, region[1].start]


def test_it_waits_and_goes_on(qtbot: Any, learning: AnnotateDock, painted: Any, told: list[Any]) -> None:
    qtbot.waitUntil(lambda: learning._last is not None, timeout=60_000)
    learning.pause_button.click()
    qtbot.wait(1500)
    epochs = learning._last.epoch
    qtbot.wait(1000)
    assert learning._last.epoch == epochs
    assert "Paused" in learning.status.text()
    learning.pause_button.click()
    qtbot.waitUntil(lambda: learning._last.epoch > epochs, timeout=30_000)
    stop(qtbot, learning)
    assert not learning.pause_button.isChecked()


def test_images_join_while_it_runs(
    qtbot: Any, viewer: Any, learning: AnnotateDock, told: list[Any], discs: np.ndarray, strokes: np.ndarray
) -> None:
    viewer.add_image(discs[::-1], name="second")
    learning.pairs.image.layer = viewer.layers["second"]
    learning.pairs.new_button.click()
    second = viewer.layers["second annotation"]
    second.data_setitem(np.nonzero(strokes[::-1]), strokes[::-1][np.nonzero(strokes[::-1])])
    qtbot.waitUntil(lambda: learning.teaching.preview.changes == 1, timeout=30_000)
    assert [type(one) for one in told].count(PaintedImage) == 1
    second.data_setitem((np.full(20, 50), np.arange(30, 50)), 1)
    qtbot.waitUntil(lambda: learning.teaching.preview.changes == 2, timeout=30_000)
    assert told[-1].image == 1 or any(getattr(one, "image", 0) == 1 for one in told)


def test_a_removed_preview_is_not_brought_back(qtbot: Any, viewer: Any, learning: AnnotateDock) -> None:
    viewer.layers.remove("discs preview")
    last = learning._last.epoch if learning._last else 0
    qtbot.waitUntil(lambda: learning._last is not None and learning._last.epoch > last + 3, timeout=60_000)
    assert "discs preview" not in viewer.layers


def test_only_what_differs_is_told() -> None:
    before = np.zeros((50, 60), np.uint8)
    now = before.copy()
    assert changed_region(before, now) is None
    now[7, 9] = now[20, 40] = 1
    assert changed_region(before, now) == (slice(7, 21), slice(9, 41))
