from pathlib import Path

import pytest

from napari_microcnn.ui.models import read_model_file, shipped_model_files


def test_a_model_file_is_described_without_torch(model_path: Path) -> None:
    model = read_model_file(model_path)
    assert model.name == "tiny"
    assert model.channels == 1
    assert [info.name for info in model.classes] == ["dark", "bright"]
    assert model.objects.class_id == 1
    assert model.line.startswith("dark / bright · grey images")


@pytest.mark.parametrize("content", [b"", b"text", b"\x10\0\0\0\0\0\0\0{}", b"\xff" * 40, b"\x02\0\0\0\0\0\0\0{}"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"other\.safetensors is not a model"):
        read_model_file(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be opened"):
        read_model_file(tmp_path / "none.safetensors")


def test_shipped_models_can_be_described() -> None:
    assert all(model.line for model in shipped_model_files())
