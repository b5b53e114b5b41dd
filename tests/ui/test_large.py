"""The Segment dock and images larger than the memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest

from napari_microcnn import device
from napari_microcnn.events import TileDone
from napari_microcnn.micrograph import Calibration
from napari_microcnn.ui import layers
from napari_microcnn.ui.segment import SegmentDock


@pytest.fixture
def dock(open_dock: Callable[[str], Any], model_path: Path, tmp_path: Path) -> SegmentDock:
    dock = open_dock("Segment")
    dock.model.open_file(model_path)
    dock.large.results.folder = tmp_path / "results"
    return dock


def test_a_lazy_image_is_shown_from_the_disk_and_has_the_result_of_memory(
    viewer: Any, dock: SegmentDock, discs: np.ndarray, finish: Callable, told: list[str], monkeypatch, tmp_path: Path
) -> None:
    image = viewer.add_image(
        da.from_array(discs, chunks=40), name="discs", **layers.calibrated(Calibration.parse("2 nm"))
    )
    dock.run_button.click()
    finish(dock)
    expected = {name: np.array(viewer.layers[f"discs {name}"].data) for name in ("classes", "objects")}
    for name in ("classes", "objects", "outlines"):
        del viewer.layers[f"discs {name}"]
    monkeypatch.setattr(device, "_SHARE", 0.0)
    dock.run_button.click()
    finish(dock)
    assert told == []
    assert [layer.name for layer in viewer.layers] == ["discs", "discs classes", "discs objects"]
    for name, pixels in expected.items():
        layer = viewer.layers[f"discs {name}"]
        assert np.array_equal(np.asarray(layer.data), pixels)
        np.testing.assert_allclose(layer.scale, image.scale)
    assert f"{expected['objects'].max()} objects" in dock.result.text()
    record = json.loads((tmp_path / "results" / "discs.json").read_text(encoding="utf-8"))
    assert record["pixel_size"]["pixel_size"] == [2, 2]
    assert (tmp_path / "results" / "discs.csv").is_file()


def test_a_second_run_does_not_replace_the_first(
    viewer: Any, dock: SegmentDock, discs: np.ndarray, finish: Callable, told: list[str]
) -> None:
    viewer.add_image(discs, name="discs")
    dock.large.always.setChecked(True)
    for _ in range(2):
        dock.run_button.click()
        finish(dock)
    assert len(told) == 1
    assert "is there already; choose another name, or delete it first" in told[0]


def test_the_frame_in_view_comes_first_and_in_it_what_the_window_shows(
    viewer: Any, dock: SegmentDock, finish: Callable, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = da.from_array(np.random.default_rng(0).integers(0, 255, (3, 130, 130)).astype(np.uint8), chunks=(1, 65, 65))
    image = viewer.add_image(stack.map_blocks(lambda block: 255 - block), name="frames")  # a function of this file only
    dock.large.always.setChecked(True)
    dock.form.widget("tile").setValue(64)
    viewer.dims.set_current_step(0, 2)
    image.corner_pixels = np.array([[2, 90, 2], [2, 120, 20]])  # as napari sets it when it draws
    tiles, follow = [], dock.large._follow
    monkeypatch.setattr(dock.large, "_follow", lambda event: (tiles.append(event), follow(event)))
    dock.run_button.click()
    finish(dock)
    assert told == []
    tiles = [event for event in tiles if isinstance(event, TileDone)]
    assert list(dict.fromkeys(tile.plane for tile in tiles)) == [(2,), (1,), (0,)]
    assert [tile.done for tile in tiles] == list(range(1, 28))
    for plane in np.split(np.array(tiles), 3):
        rows, columns = plane[0].region
        assert rows.start <= 105 < rows.stop
        assert columns.start <= 11 < columns.stop
    assert np.asarray(viewer.layers["frames classes"].data).all(axis=(1, 2)).all()
