from __future__ import annotations

import json
from pathlib import Path

import pytest

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


def test_a_model_goes_to_onnx_and_comes_back(model: Path, tmp_path: Path, capsys) -> None:
    pytest.importorskip("onnxruntime")
    assert main(["models", "export", str(model), "-o", str(tmp_path / "tiny.onnx")]) == 0
    assert "as PyTorch does" in capsys.readouterr().out
    assert main(["models", "import", str(tmp_path / "tiny.onnx"), "-o", str(tmp_path / "back.safetensors")]) == 0
    assert (tmp_path / "back.safetensors").read_bytes() == model.read_bytes()


def test_other_endings_are_refused(model: Path, tmp_path: Path, capsys) -> None:
    assert main(["models", "export", str(model), "-o", str(tmp_path / "tiny.h5")]) == 2
    assert ".onnx" in capsys.readouterr().err
