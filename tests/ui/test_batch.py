"""A folder of images, segmented from the dock."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_microcnn.cli import main
from napari_microcnn.ui.segment import SegmentDock


@pytest.fixture
def dock(open_dock: Callable[[str], Any], model_path: Path) -> SegmentDock:
    dock = open_dock("Segment")
    dock.model.open_file(model_path)
    return dock


@pytest.fixture
def folder(tmp_path: Path, discs: np.ndarray[Any, Any]) -> Path:
    images = tmp_path / "images"
    images.mkdir()
    for number in range(3):
        tifffile.imwrite(images / f"p{number}.tif", np.roll(discs, 5 * number, 1))
    (images / "p1.tif").write_text("not a picture")
    return images


def rows(output: Path) -> list[dict[str, str]]:
    with (output / "batch.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_dock_writes_what_the_command_line_writes(
    dock: SegmentDock, folder: Path, model_path: Path, tmp_path: Path, finish: Callable[[Any], None], told: list[str]
) -> None:
    output = tmp_path / "out"
    dock.batch.images.folder, dock.batch.results.folder = folder, output
    dock.batch.pages["html"].setChecked(True)
    dock.batch.button.click()
    finish(dock)
    assert told == []
    assert dock.noticed == ""  # two hundred remarks would bury the buttons
    assert "2 of 3 images" in dock.status.text()
    assert "p1.tif" in dock.batch.told.text()
    assert dock.batch.open_button.isEnabled()
    assert (output / "p0.html").is_file()
    assert main(["segment", str(folder), "--model", str(model_path), "-o", str(tmp_path / "cli"), "--report"]) == 2
    assert rows(output) == rows(tmp_path / "cli")
    dock.batch.button.click()
    finish(dock)
    assert "2 of them before" in dock.status.text()


def test_mistakes_are_told(dock: SegmentDock, tmp_path: Path, told: list[str]) -> None:
    dock.batch.images.folder = tmp_path / "nowhere"
    dock.batch.button.click()
    assert "There is no folder" in told[-1]
