"""How sure numbers are, on the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from napari_microcnn.cli import main


def test_a_table_of_both_images(pictures: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = pictures / "out" / "sure.csv"
    words = ["measure", "sureness", str(pictures / "images"), "--model", str(model), "-o", str(output)]
    assert main([*words, "--draws", "2", "--seed", "3", "--device", "cpu"]) == 0
    assert "area_fraction_bright" in capsys.readouterr().out
    with output.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["file"] for row in rows} == {"p0.tif", "p1.tif"}
    assert {"value", "inwards", "outwards", "lower_threshold", "higher_threshold", "mean", "spread"} <= set(rows[0])
    assert any(row["quantity"].endswith("_um") for row in rows)
    told = json.loads(output.with_suffix(".json").read_text(encoding="utf-8"))
    assert "--seed 3" in told["command"]
    assert [one["file"] for one in told["inputs"]] == ["p0.tif", "p1.tif"]
    assert told["model"]["sha256"]
    assert main([*words, "--draws", "1"]) == 2
