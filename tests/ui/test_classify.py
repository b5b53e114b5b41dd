"""The Classify dock, with real workers and a real viewer."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_microcnn.config import ClassInfo
from napari_microcnn.micrograph import Calibration
from napari_microcnn.ui import layers
from napari_microcnn.ui.classify import ClassifyDock
from napari_microcnn.ui.classify_tasks import OnePlace, Planes, Regions
from napari_microcnn.ui.sources import PLANE_CLASSES, plane_classes, shortened

SMALL = {"epochs": 2, "side": 32, "filters": 4, "blocks": 2, "batch": 4}


def wave(scale: float, seed: int, side: int = 40) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    angle = rng.uniform(0, 6.3)
    found = 120 + 60 * np.sin(scale * (x * np.cos(angle) + y * np.sin(angle))) + rng.normal(0, 8, x.shape)
    return found.clip(0, 255).astype(np.uint8)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for name, scale in (("coarse", 0.4), ("fine", 0.5)):  # alike enough for mistakes
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(6):
            tifffile.imwrite(tmp_path / "set" / name / f"{number}.tif", wave(scale, number))
    return tmp_path / "set"


@pytest.fixture
def dock(open_dock: Callable[[str], Any]) -> ClassifyDock:
    dock = open_dock("Classify")
    dock.form.widget("architecture").setCurrentText("conv-pool")
    dock.advanced.widget("init").setText("")
    for name, value in SMALL.items():
        dock.advanced.widget(name).setValue(value)
    return dock


def edges(layer: Any) -> np.ndarray:
    """Return where a layer ends; its extent goes from centre to centre of pixels."""
    return np.asarray(layer.extent.world) + np.array([[-0.5], [0.5]]) * np.asarray(layer.scale)


def test_train_look_at_it_and_classify(
    viewer: Any, dock: ClassifyDock, folders: Path, tmp_path: Path, finish: Callable[[Any], None], told: list[str]
) -> None:
    dock.sources.path.setText(str(folders))
    dock.run_button.click()
    finish(dock)
    assert told == []
    assert "12 images of 12 micrographs" in dock.noticed
    assert dock.trained.kind == "classifier"
    assert "balanced accuracy" in dock.scores.text()
    judged = dock.judged
    shown = [[int(dock.confusion.table.item(row, col).text()) for col in range(2)] for row in range(2)]
    assert shown == judged.predictions.confusion.tolist()
    assert dock.gallery.list.count() == len(judged.predictions.worst())

    dock.save_report(tmp_path / "report")
    assert (tmp_path / "report" / "curves.png").is_file()
    assert len(list(csv.reader((tmp_path / "report" / "predictions.csv").read_text().splitlines()))) == 3

    image = viewer.add_image(wave(0.4, 50, 96), name="steel", **layers.calibrated(Calibration((2, 2), "nm", "set")))
    dock.tabs.setCurrentIndex(1)
    assert dock.run_button.text() == "Classify"
    assert dock.ask.model.model.path == dock.trained.path
    dock.ask.tiles.setChecked(True)
    for _ in range(2):
        dock.run_button.click()
        finish(dock)
    assert told == []
    tiles = [layer for layer in viewer.layers if layer.name == "steel tiles"]
    assert len(tiles) == 1
    np.testing.assert_allclose(edges(tiles[0]), edges(image))
    assert set(np.unique(tiles[0].data)) <= {1, 2}
    assert "steel:" in dock.ask.answer.text()
    dock.ask.save_table(tmp_path / "classes.csv")
    assert (tmp_path / "classes.csv").read_text().startswith("image,class,probability,p(coarse),p(fine)")


def test_mistakes_open_in_one_layer(viewer: Any, dock: ClassifyDock) -> None:
    from napari_microcnn.ui.classify_tasks import Mistake

    grey, colour = np.zeros((20, 30), np.uint8), np.zeros((16, 20, 3), np.uint8)
    shown = [Mistake("a.png", "fine", "coarse", 0.9, grey), Mistake("b.png", "fine", "coarse", 0.6, grey + 9)]
    dock.gallery.show_mistakes([*shown, Mistake("c.png", "coarse", "fine", 0.55, colour)])
    for row, data in enumerate((grey, grey + 9, colour)):
        dock.gallery.list.setCurrentRow(row)
        assert any(np.array_equal(layer.data, data) for layer in viewer.layers)
    assert "c.png: coarse, taken for fine with 55%." in dock.status.text()
    assert len(viewer.layers) == 2  # one for grey, one for colours


def test_cross_validation_and_stopping(
    dock: ClassifyDock, folders: Path, finish: Callable[[Any], None], qtbot: Any, told: list[str]
) -> None:
    dock.sources.path.setText(str(folders))
    dock.advanced.widget("epochs").setValue(1)
    dock.folds.setValue(2)
    dock.cross_button.click()
    finish(dock)
    assert "in 2 folds" in dock.scores.text()
    assert "±" in dock.scores.text()
    dock.advanced.widget("epochs").setValue(5000)
    dock.run_button.click()
    qtbot.waitUntil(lambda: dock._best is not None, timeout=60_000)
    dock.stop_button.click()
    finish(dock)
    assert dock.trained.path.is_file()
    assert "best classifier so far" in dock.status.text()
    assert told == []


def test_planes_of_a_stack_and_regions_of_an_image(viewer: Any, dock: ClassifyDock) -> None:
    names = ["up", "up", "down"]
    viewer.add_image(np.zeros((3, 40, 40), np.uint8), name="spins", metadata={layers.KEY: {PLANE_CLASSES: names}})
    dock.sources.kind.setCurrentIndex(1)
    assert dock.sources.planes.text() == "up*2, down"
    source = dock.sources.source()
    assert isinstance(source, Planes)
    assert source.names == ("up", "up", "down")
    dock.sources.planes.setText("up")
    with pytest.raises(ValueError, match="3 planes, but 1 classes"):
        dock.sources.source()

    image = viewer.add_image(np.zeros((60, 80), np.uint8), name="steel")
    classes = (ClassInfo(id=2, name="ferrite", colour="#000000"),)
    viewer.add_labels(np.full((60, 80), 2), name="regions", metadata={layers.KEY: {"classes": classes}})
    dock.sources.kind.setCurrentIndex(2)
    dock.sources.image.layer = image
    found = dock.sources.source()
    assert isinstance(found, Regions)
    assert found.names == ((2, "ferrite"),)
    shapes = viewer.add_shapes([np.array([[5, 5], [5, 30], [30, 30], [30, 5]])], shape_type="polygon", name="boxes")
    dock.sources.regions.layer = shapes
    with pytest.raises(ValueError, match="feature 'class'"):
        dock.sources.source()
    shapes.features = {"class": ["bainite"]}
    drawn = dock.sources.source()
    assert drawn.names == ((1, "bainite"),)
    assert drawn.labels[10, 10] == 1
    assert drawn.labels[50, 50] == 0


def test_what_is_missing_is_said(
    dock: ClassifyDock, told: list[str], tmp_path: Path, finish: Callable[..., None]
) -> None:
    dock.run_button.click()
    dock.tabs.setCurrentIndex(1)
    dock.run_button.click()
    dock.tabs.setCurrentIndex(0)
    dock.sources.path.setText(str(tmp_path / "nowhere"))
    assert isinstance(dock.sources.source(), OnePlace)
    dock.run_button.click()
    finish(dock)
    assert len(told) == 3
    assert "Choose a folder first" in told[0]
    assert "Open an image first" in told[1]
    assert "There is no folder" in told[2]


def test_segmenters_are_not_offered_here_nor_classifiers_elsewhere(
    dock: ClassifyDock, open_dock: Callable[[str], Any], model_path: Path, told: list[str]
) -> None:
    assert dock.ask.model.model is None
    dock.ask.model.open_file(model_path)
    assert "is a segmenter; open a classifier here" in told[0]
    assert open_dock("Segment").model.model is not None


def test_classes_of_planes_as_text() -> None:
    names = ("a b", "a b", None, "c")
    assert plane_classes(shortened(list(names)), 4) == names
