"""Models: what they hold, and that files come back or are refused in one sentence."""

from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import torch
from safetensors.torch import save_file

from napari_microcnn.config import ClassInfo, ObjectRule, UNetConfig
from napari_microcnn.micrograph import Calibration
from napari_microcnn.models import Model, ModelError, load_model, save_model, shipped, shipped_models
from napari_microcnn.nets import UNet

CLASSES = (ClassInfo(id=1, name="pore", colour="#0072b2"), ClassInfo(id=2, name="ligament", colour="#e69f00"))


def make_model(**fields: Any) -> Model:
    torch.manual_seed(0)
    net = UNet(UNetConfig(width=4, depth=2)).eval()
    return Model(net, CLASSES, **fields)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return save_model(make_model(), tmp_path / "pores")


def rewritten(path: Path, **changes: Any) -> Path:
    """Change entries of the card inside a model file."""
    with safetensors.safe_open(path, framework="pt") as file:
        card = json.loads(file.metadata()["napari-microcnn"])
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    card.update(changes)
    save_file(tensors, path, metadata={"napari-microcnn": json.dumps(card)})
    return path


def test_everything_comes_back(tmp_path: Path) -> None:
    model = make_model(
        objects=ObjectRule(kind="particles", class_id=1),
        pixel_size=Calibration((0.5, 0.25), "nm", "Zeiss"),
        typical_intercept=30.5,
        orientations=4,
        overview=True,
        provenance={"seed": 3, "images": ["größe.tif"]},
        name="pores of gold",
    )
    path = save_model(model, tmp_path / "pores")
    assert path.name == "pores.safetensors"
    again = load_model(path)
    assert again.info() == model.info()
    assert again.pixel_size == model.pixel_size
    assert not again.net.training
    assert not any(parameter.requires_grad for parameter in again.net.parameters())
    image = torch.randn(1, 1, 16, 16)
    assert torch.equal(again.net(image), model.net(image))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["pores.safetensors"]


def test_file_size_is_that_of_the_weights(saved: Path) -> None:
    weights = sum(value.numel() * value.itemsize for value in make_model().net.state_dict().values())
    assert weights < saved.stat().st_size < weights + 10_000


def test_info_is_json_and_names_the_essentials() -> None:
    info = json.loads(json.dumps(make_model().info()))
    assert info["architecture"] == {"name": "unet", "channels": 1, "classes": 2, "width": 4, "depth": 2}
    assert [entry["name"] for entry in info["classes"]] == ["pore", "ligament"]
    assert len(info["sha256"]) == 64


def test_fingerprint_follows_the_weights() -> None:
    model, same = make_model(), make_model()
    assert model.sha256 == same.sha256
    with torch.no_grad():
        same.net.head.bias[0] += 1
    assert model.sha256 != same.sha256


def test_a_snapshot_shares_nothing() -> None:
    model = make_model()
    snapshot = model.snapshot()
    before = snapshot.sha256
    with torch.no_grad():
        for parameter in model.net.parameters():
            parameter.zero_()
    assert snapshot.sha256 == before
    assert snapshot.device.type == "cpu"


def test_classes_must_fit_the_network() -> None:
    net = UNet(UNetConfig(width=4, depth=2))
    with pytest.raises(ModelError, match=r"2 outputs needs as many different classes, not \[1\]"):
        Model(net, CLASSES[:1])
    with pytest.raises(ModelError, match=r"not \[1, 1\]"):
        Model(net, (CLASSES[0], CLASSES[0]))
    with pytest.raises(ModelError, match=r"class 7, but the classes are \[1, 2\]"):
        Model(net, CLASSES, ObjectRule(kind="grains", class_id=7))


def test_wrong_channels_are_named() -> None:
    with pytest.raises(ModelError, match=r"'model' takes images with 1 channel\(s\), this image has 3"):
        make_model().check_channels(3)


def test_shipped_models_are_found_by_name(monkeypatch: pytest.MonkeyPatch, saved: Path) -> None:
    monkeypatch.setattr(shipped, "WEIGHTS", saved.parent)
    assert shipped_models() == {"pores": saved}
    assert load_model("pores").classes == CLASSES
    with pytest.raises(ModelError, match=r"no model 'steel'.*the shipped models are: pores"):
        load_model("steel")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"This is a text file.\n" * 50,
        pickle.dumps({"weights": np.zeros(3)}),
        struct.pack("<Q", 2**62) + b"{}",
        struct.pack("<Q", 2) + b"{}",
    ],
    ids=["empty", "text", "pickle", "huge header", "no weights"],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"other\.safetensors (is not a model file|holds weights, but not)"):
        load_model(path)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_truncated_files_are_refused(saved: Path, share: float) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelError, match="not a model file, or is damaged"):
        load_model(saved)


def test_foreign_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(3)}, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match="holds weights, but not those of a model of this package"):
        load_model(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 99}, "newer version of napari-microcnn; update"),
        ({"format_version": "one"}, "damaged at format_version"),
        ({"classes": []}, "as many different classes"),
        ({"classes": [{"id": 1}]}, r"damaged at classes\.0\.name"),
        ({"architecture": {"width": 4, "depth": 3}}, "do not fit its description"),
        ({"architecture": {"width": 256, "depth": 6}}, "do not fit its description"),
        ({"architecture": {"name": "resnet"}}, r"damaged at architecture\.name"),
        ({"normalisation": "none"}, "needs another normalisation"),
        ({"pixel_size": {"y": 1, "x": 1, "unit": "parsec", "source": ""}}, "parsec"),
        ({"surprise": 1}, "damaged at surprise"),
    ],
)
def test_cards_that_do_not_fit_are_refused(saved: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_model(rewritten(saved, **changes))


def test_a_card_that_is_no_json_is_refused(saved: Path) -> None:
    tensors = {"weight": torch.zeros(1)}
    save_file(tensors, saved, metadata={"napari-microcnn": "{not json"})
    with pytest.raises(ModelError, match=r"description inside the model .* is damaged"):
        load_model(saved)


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is a folder"):
        load_model(tmp_path)
    with pytest.raises(ModelError, match="no such file"):
        load_model(tmp_path / "missing.safetensors")


def test_saving_where_nothing_can_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ValueError, match="file"):
        save_model(make_model(), tmp_path / "file" / "pores.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
