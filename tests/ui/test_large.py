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
from napari_microcnn.micrograph import Calibration
from napari_microcnn.ui import layers
from napari_microcnn.ui.large import in_view
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


def test_what_the_window_shows_is_known(viewer: Any) -> None:
    levels = [np.zeros((4000 >> n, 4000 >> n), np.uint8) for n in range(4)]
    image = viewer.add_image(levels, multiscale=True, contrast_limits=(0, 1))
    image.data_level = 1
    image.corner_pixels = np.array([[1200, 30], [1400, 300]])  # as napari sets it when it draws
    assert in_view(image) == (slice(2400, 2801), slice(60, 601))
    viewer.add_image(np.zeros((3, 50, 60)), name="stack").corner_pixels = np.array([[1, 5, 7], [1, 20, 30]])
    assert in_view(viewer.layers["stack"]) == (slice(5, 21), slice(7, 31))
