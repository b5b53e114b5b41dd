from __future__ import annotations

import json
from pathlib import Path

from napari_microcnn.cli import main


def test_the_shipped_models_are_listed(capsys) -> None:
    assert main(["models", "list"]) == 0
    assert "grain-boundaries: 0 = grain, 1 = boundary" in capsys.readouterr().out


def test_a_model_tells_about_itself(model: Path, capsys) -> None:
    assert main(["models", "info", str(model)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in told["classes"]] == ["dark", "bright"]
    assert told["architecture"]["depth"] == 1


def test_an_unknown_model_is_told(capsys) -> None:
    assert main(["models", "info", "steel"]) == 2
    assert "no model 'steel'" in capsys.readouterr().err
