from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_microcnn.config import VoronoiConfig
from napari_microcnn.synth import polycrystal
from napari_microcnn.ui.synthesize import SynthesizeDock

NAMES = ["synthetic image", "synthetic grains", "synthetic boundaries", "synthetic triple points"]


@pytest.fixture
def dock(open_dock: Callable[[str], Any]) -> SynthesizeDock:
    return open_dock("Synthesize")


@pytest.fixture
def drawn(dock: SynthesizeDock, qtbot: Any) -> Callable[[], None]:
    return lambda: qtbot.waitUntil(lambda: not dock.drawing, timeout=30_000)


def test_draw_shows_the_picture_and_its_labels(viewer: Any, dock: SynthesizeDock, drawn: Callable[[], None]) -> None:
    dock.size.setCurrentIndex(0)
    dock.draw_button.click()
    drawn()
    assert [layer.name for layer in viewer.layers] == NAMES
    structure, imaging, seed = dock.settings()
    expected = polycrystal(structure, imaging, seed)
    np.testing.assert_array_equal(viewer.layers[0].data, expected.image)
    np.testing.assert_array_equal(viewer.layers[1].data, expected.structure.grains)
    np.testing.assert_array_equal(viewer.layers[2].data, expected.structure.boundaries)
    assert len(viewer.layers[3].data) == len(expected.structure.triple_points)


def test_the_picture_follows_the_sliders_in_place(viewer: Any, dock: SynthesizeDock, drawn: Callable[[], None]) -> None:
    dock.size.setCurrentIndex(0)
    dock.draw_button.click()
    drawn()
    before = viewer.layers[0].data.copy()
    dock.structure.widget("regularity").setValue(0.95)
    drawn()
    assert not np.array_equal(viewer.layers[0].data, before)
    before = viewer.layers[0].data.copy()
    dock.new_seed.click()
    drawn()
    assert not np.array_equal(viewer.layers[0].data, before)
    assert [layer.name for layer in viewer.layers] == NAMES


def test_sliders_do_not_bring_back_removed_layers(viewer: Any, dock: SynthesizeDock, drawn: Callable[[], None]) -> None:
    dock.structure.widget("regularity").setValue(0.95)
    drawn()
    assert len(viewer.layers) == 0


def test_grains_keep_their_size_when_the_picture_grows(dock: SynthesizeDock) -> None:
    dock.size.setCurrentIndex(0)
    small = dock.settings()[0]
    dock.size.setCurrentIndex(2)
    large = dock.settings()[0]
    assert (large.height, large.width) == (1024, 1024)
    assert large.grains == pytest.approx(16 * small.grains, rel=0.01)


def test_every_look_can_be_chosen(dock: SynthesizeDock) -> None:
    for index in range(dock.look.count()):
        dock.look.setCurrentIndex(index)
        structure, _, _ = dock.settings()
        assert isinstance(structure, VoronoiConfig)


def test_training_pictures_are_written(dock: SynthesizeDock, finish: Callable[[Any], None], tmp_path: Path) -> None:
    dock.size.setCurrentIndex(0)
    dock.count.setValue(3)
    dock.seed.setValue(5)
    dock.folder.folder = tmp_path / "made"
    dock.run_button.click()
    assert dock.stop_button.isEnabled()
    finish(dock)
    assert "Wrote 3 pictures" in dock.status.text()
    for name in ("images", "labels", "grains"):
        assert [path.name for path in sorted((tmp_path / "made" / name).iterdir())] == [
            f"voronoi_{n:06d}.tif" for n in (5, 6, 7)
        ]


def test_making_pictures_can_be_stopped(
    qtbot: Any, dock: SynthesizeDock, finish: Callable[[Any], None], tmp_path: Path
) -> None:
    dock.count.setValue(100_000)
    dock.folder.folder = tmp_path
    dock.run_button.click()
    qtbot.waitUntil(lambda: "Picture" in dock.status.text(), timeout=30_000)
    dock.stop_button.click()
    finish(dock)
    assert "Stopped" in dock.status.text()
    assert dock.run_button.isEnabled()


def test_a_folder_that_cannot_be_written_is_told(
    dock: SynthesizeDock, finish: Callable[[Any], None], tmp_path: Path, told: list[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    dock.folder.folder = tmp_path / "file" / "below"
    dock.run_button.click()
    finish(dock)
    assert len(told) == 1
    assert "file" in told[0]
    assert dock.run_button.isEnabled()
