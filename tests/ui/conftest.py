"""Tiny models, viewers with docks, and waiting for real workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("napari")

from napari_microcnn.config import ClassInfo, ObjectRule, UNetConfig
from napari_microcnn.io.sessions import SESSIONS_VARIABLE
from napari_microcnn.ui import jobs
from napari_microcnn.ui.base import Dock
from napari_microcnn.ui.models import MODELS_VARIABLE
from napari_microcnn.ui.process import Pool

PLUGIN = "napari-microcnn"
CLASSES = (ClassInfo(id=1, name="dark", colour="#e69f00"), ClassInfo(id=2, name="bright", colour="#56b4e9"))


def _save_model(path: Path, channels: int = 1, objects: ObjectRule | None = None) -> Path:
    import torch

    from napari_microcnn.models import Model, save_model
    from napari_microcnn.nets import UNet

    torch.manual_seed(0)
    net = UNet(UNetConfig(channels=channels, classes=2, width=4, depth=2))
    return save_model(Model(net, CLASSES, objects), path)


@pytest.fixture(scope="session")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model file for grey images that numbers the regions of class 1."""
    return _save_model(
        tmp_path_factory.mktemp("model") / "tiny.safetensors", 1, ObjectRule(kind="particles", class_id=1)
    )


@pytest.fixture(scope="session")
def colour_model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model file for images with five channels."""
    return _save_model(tmp_path_factory.mktemp("model") / "five.safetensors", 5)


@pytest.fixture(scope="session")
def classifier_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a classifier with two classes."""
    import torch

    from napari_microcnn.config import ClassifierConfig
    from napari_microcnn.models import Classifier, save_classifier
    from napari_microcnn.nets import build_classifier

    torch.manual_seed(0)
    classes = tuple(ClassInfo(id=i, name=name, colour="#e69f00") for i, name in enumerate(("few", "many")))
    net = build_classifier(ClassifierConfig(filters=4, blocks=2)).eval()
    path = tmp_path_factory.mktemp("model") / "tiny-classifier.safetensors"
    return save_classifier(Classifier(net, classes, 64), path)


@pytest.fixture(scope="session", autouse=True)
def _processes() -> Iterator[None]:
    """Leave no worker process behind; they are shared by all tests because starting torch takes seconds."""
    yield
    jobs._pool.close()


@pytest.fixture(autouse=True)
def _kept_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep models that are trained here, and strokes that are painted, out of the user's folder."""
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path / "models"))
    monkeypatch.setenv(SESSIONS_VARIABLE, str(tmp_path / "sessions"))


@pytest.fixture
def own_pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    """Let workers import the modules beside this file."""
    folder = str(Path(__file__).parent)
    monkeypatch.setenv("PYTHONPATH", folder)
    monkeypatch.syspath_prepend(folder)
    pool = Pool()
    monkeypatch.setattr(jobs, "_pool", pool)
    yield pool
    pool.close()


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Any]) -> Any:
    """Return a viewer."""
    return make_napari_viewer()


@pytest.fixture
def open_dock(viewer: Any) -> Callable[[str], Dock]:
    """Return a function that opens a dock as the Plugins menu does."""

    def open_one(name: str) -> Dock:
        return viewer.window.add_plugin_dock_widget(PLUGIN, name, tabify=True)[1]

    return open_one


@pytest.fixture
def small_training(open_dock: Callable[[str], Any]) -> Callable[[int], Any]:
    """Open the dock Annotate & train, set to a tiny network from scratch and so many epochs."""

    def opened(epochs: int) -> Any:
        dock = open_dock("Annotate & train")
        small = {"epochs": epochs, "patch": 32, "batch": 2, "width": 4, "depth": 2, "patience": 10_000}
        for name, value in small.items():
            dock.advanced.widget(name).setValue(value)
        dock.form.widget("minutes").setValue(0)  # no limit
        dock.init.setCurrentIndex(dock.init.findText("from scratch"))
        return dock

    return opened


@pytest.fixture
def finish(qtbot: Any) -> Callable[[Dock], None]:
    """Return a function that waits until a dock's job is over."""

    def wait(dock: Dock) -> None:
        qtbot.waitUntil(lambda: dock.job is None, timeout=90_000)

    return wait


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect what is shown to the user as an error."""
    sentences: list[str] = []
    monkeypatch.setattr("napari_microcnn.ui.base.show_error", sentences.append)
    return sentences


@pytest.fixture
def discs() -> np.ndarray[Any, Any]:
    """Return an image, (96, 128) uint8, of bright discs on dark."""
    y, x = np.mgrid[:96, :128]
    bright = (((y % 32) - 16) ** 2 + ((x % 32) - 16) ** 2) < 100
    noise = np.random.default_rng(0).normal(0, 8, bright.shape)
    return np.clip(np.where(bright, 190, 60) + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def strokes(discs: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return an annotation of `discs`: a few rows, 1 = dark, 2 = bright."""
    annotation = np.zeros(discs.shape, np.uint8)
    for rows in (slice(14, 18), slice(78, 82)):
        annotation[rows] = np.where(discs[rows] > 120, 2, 1)
    return annotation
