"""Pictures and tables about a classifier."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from napari_microcnn.io.charts import draw_confusion, draw_curves
from napari_microcnn.io.errors import WriteError
from napari_microcnn.io.read import read_micrograph
from napari_microcnn.io.report import prediction_columns, write_report

COUNTS = np.array([[9, 1, 0], [0, 4, 4], [0, 0, 7]])
NAMES = ["martensite", "bainite", "ferrite with a very long name indeed"]


def test_cells_of_a_confusion_matrix_are_shaded_by_their_share() -> None:
    picture = draw_confusion(COUNTS, NAMES)
    assert picture.dtype == np.uint8
    side = 74
    left = picture.shape[1] - 20 - 3 * side
    top = picture.shape[0] - 20 - 3 * side
    shade = [
        [int(picture[top + row * side + 8, left + column * side + 8, 0]) for column in range(3)] for row in range(3)
    ]
    assert shade[0][0] < shade[1][1] < shade[0][1] < shade[0][2] == 255
    assert shade[1][1] == shade[1][2]


def test_curves_are_drawn_in_their_panels() -> None:
    curve = ([1.0, 2.0, 3.0], [1.0, 0.5, 0.2])
    picture = draw_curves({"loss": {"training": curve, "held out": curve}, "score": {"held out": ([], [])}})
    assert picture.shape == (480, 640, 3)
    coloured = (picture.astype(int).max(axis=2) - picture.min(axis=2)) > 60
    assert coloured[:240].sum() > 300


def test_a_report_is_written_as_a_whole(tmp_path: Path) -> None:
    shares = np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]], np.float32)
    table = prediction_columns(["a.png", "b.png"], NAMES, shares, ["martensite", "bainite"], ["m1", "m2"])
    curves = {"loss": {"training": ([0.0, 1.0], [1.0, 0.5])}}
    paths = write_report(tmp_path / "new", table=table, about={"seed": 3}, confusion=COUNTS, names=NAMES, curves=curves)
    assert sorted(path.name for path in paths) == sorted(path.name for path in (tmp_path / "new").iterdir())
    rows = list(csv.DictReader((tmp_path / "new" / "predictions.csv").read_text().splitlines()))
    assert [row["class"] for row in rows] == ["martensite", NAMES[2]]
    assert rows[0]["p(bainite)"] == "0.2"
    assert json.loads((tmp_path / "new" / "report.json").read_text())["seed"] == 3
    counts = list(csv.reader((tmp_path / "new" / "confusion.csv").read_text().splitlines()))
    assert counts[2] == ["bainite", "0", "4", "4"]
    assert read_micrograph(tmp_path / "new" / "confusion.png").channels == 3
    (tmp_path / "file").write_text("x")
    with pytest.raises(WriteError):
        write_report(tmp_path / "file" / "new", table=table, about={})
