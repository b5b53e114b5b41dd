"""The manifest, the samples, the reader, and the window that the command line opens."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from npe2 import PluginManifest

from napari_microcnn.config import PALETTE
from napari_microcnn.io.samples import sample_path
from napari_microcnn.ui import layers
from napari_microcnn.ui.__main__ import DOCKS, open_window
from napari_microcnn.ui.reader import get_reader

PLUGIN = "napari-microcnn"


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_distribution(PLUGIN)


def test_the_manifest_is_valid_and_every_command_exists(manifest: PluginManifest) -> None:
    manifest.validate_imports()


def test_every_dock_is_offered(manifest: PluginManifest) -> None:
    assert [widget.display_name for widget in manifest.contributions.widgets] == list(DOCKS)


@pytest.mark.parametrize("key", ["nanoporous", "etched", "channelling", "band-contrast", "texture"])
def test_samples_open(viewer: Any, key: str) -> None:
    viewer.open_sample(PLUGIN, key)
    assert len(viewer.layers) >= 2
    shapes = {layer.data.shape for layer in viewer.layers}
    assert len(shapes) == 1


@pytest.mark.parametrize(("key", "counts"), [("ising", {"below": 101, "above": 99}), ("steels", {"ferrite": 10})])
def test_samples_to_classify_tell_their_classes(viewer: Any, key: str, counts: dict[str, int]) -> None:
    (layer,) = viewer.open_sample(PLUGIN, key)
    classes = layer.metadata[layers.KEY]["plane_classes"]
    assert len(classes) == len(layer.data)
    assert {name: classes.count(name) for name in counts} == counts


def test_the_real_sample_is_calibrated_and_annotated(viewer: Any, open_dock: Callable[[str], Any]) -> None:
    dock = open_dock("Annotate & train")
    viewer.open_sample(PLUGIN, "nanoporous")
    image, annotation = viewer.layers
    assert layers.calibration_of(image).to("nm").pixel_size == pytest.approx((0.5429688, 0.5429688))
    assert dock.pairs.pairs == [(image, annotation)]
    assert [info.name for info in dock.classes.classes] == ["pore", "ligament"]
    assert dock.classes.classes[0].colour in PALETTE


def test_the_reader_adds_the_pixel_size(viewer: Any) -> None:
    viewer.open(sample_path("nanoporous/nanoporous.tif"), plugin=PLUGIN)
    assert layers.calibration_of(viewer.layers[0]).unit == "nm"


def test_the_reader_leaves_other_files_to_others(tmp_path: Path) -> None:
    plain, text = tmp_path / "plain.tif", tmp_path / "text.tif"
    tifffile.imwrite(plain, np.zeros((4, 5), np.uint8))
    text.write_text("no picture")
    assert get_reader(str(plain)) is None
    assert get_reader(str(text)) is None
    assert get_reader([str(plain), str(plain)]) is None


def test_docks_open_without_torch() -> None:
    code = """
import sys, napari
from qtpy.QtWidgets import QApplication
from napari_microcnn.ui.__main__ import DOCKS
viewer = napari.Viewer(show=False)
for name in DOCKS:
    viewer.window.add_plugin_dock_widget("napari-microcnn", name, tabify=True)
    QApplication.processEvents()
print("torch" in sys.modules)
viewer.close()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip().splitlines()[-1] == "False"


def test_the_window_opens_on_the_sample(make_napari_viewer: Any, monkeypatch: pytest.MonkeyPatch, qtbot: Any) -> None:
    monkeypatch.setattr("napari.Viewer", lambda **_: make_napari_viewer())
    viewer = open_window([])
    qtbot.waitUntil(lambda: viewer.canvas.overlays.scale_bar.visible)
    assert len(viewer.window.dock_widgets) == len(DOCKS)
    assert len(viewer.layers) == 2
    qtbot.wait(400)


def test_the_window_opens_files(
    make_napari_viewer: Any, monkeypatch: pytest.MonkeyPatch, qtbot: Any, tmp_path: Path
) -> None:
    path = tmp_path / "mine.tif"
    tifffile.imwrite(path, np.zeros((4, 5), np.uint8))
    monkeypatch.setattr("napari.Viewer", lambda **_: make_napari_viewer())
    measured = tmp_path / "measured.tif"
    tifffile.imwrite(measured, np.zeros((4, 5), np.uint8), imagej=True, resolution=(2, 2), metadata={"unit": "um"})
    viewer = open_window([str(path), str(measured)])
    assert [layer.name for layer in viewer.layers] == ["mine", "measured"]
    assert tuple(viewer.layers["measured"].scale) == (0.5, 0.5)
    qtbot.wait(400)


def test_nothing_runs_on_when_the_window_is_gone() -> None:
    code = """
import os, time
from napari_microcnn.ui.process import Process
process = Process()
print(process._child.pid, flush=True)
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    status = Path(f"/proc/{done.stdout.strip()}/stat")
    for _ in range(100):
        if not status.exists() or status.read_text().split()[2] == "Z":
            return
        time.sleep(0.1)
    pytest.fail("The worker process outlives the window.")
