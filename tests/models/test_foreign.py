"""Weights of other programs: names found, other networks refused, nothing unpickled."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from napari_microcnn.config import ClassifierConfig
from napari_microcnn.models import ModelError
from napari_microcnn.models.foreign import read_weights
from napari_microcnn.nets import build_classifier

RESNET18_LAYERS = [(64, 64), (64, 128), (128, 256), (256, 512)]


def torchvision_resnet18(classes: int = 1000, channels: int = 3) -> dict[str, Tensor]:
    """Return a state dict with torchvision's names and shapes, written down and not taken from our net."""
    state: dict[str, Tensor] = OrderedDict()

    def normalisation(name: str, width: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"{name}.{part}"] = torch.rand(width)
        state[f"{name}.num_batches_tracked"] = torch.tensor(7)

    state["conv1.weight"] = torch.rand(64, channels, 7, 7)
    normalisation("bn1", 64)
    for stage, (before, width) in enumerate(RESNET18_LAYERS, 1):
        for block in range(2):
            name = f"layer{stage}.{block}"
            state[f"{name}.conv1.weight"] = torch.rand(width, before if block == 0 else width, 3, 3)
            normalisation(f"{name}.bn1", width)
            state[f"{name}.conv2.weight"] = torch.rand(width, width, 3, 3)
            normalisation(f"{name}.bn2", width)
            if block == 0 and stage > 1:
                state[f"{name}.downsample.0.weight"] = torch.rand(width, before, 1, 1)
                normalisation(f"{name}.downsample.1", width)
    state["fc.weight"], state["fc.bias"] = torch.rand(classes, 512), torch.rand(classes)
    return state


RESNET18 = ClassifierConfig(architecture="resnet18", channels=3, classes=4)


@pytest.mark.parametrize("prefix", ["", "module.", "encoder.", "model.backbone."])
@pytest.mark.parametrize("wrapped", [False, True])
def test_state_dicts_of_torchvision_and_timm_load(tmp_path: Path, prefix: str, wrapped: bool) -> None:
    theirs = torchvision_resnet18()
    content: dict[str, Any] = {prefix + name: tensor for name, tensor in theirs.items()}
    if prefix:
        content["decoder.conv1.weight"] = torch.rand(3)  # the rest of a segmenter is left where it is
    torch.save({"state_dict": content, "epoch": 3} if wrapped else content, tmp_path / "net.pth")
    found = read_weights(tmp_path / "net.pth", RESNET18)
    assert {name: tensor.shape for name, tensor in found.items()} == {n: t.shape for n, t in theirs.items()}
    net = build_classifier(RESNET18.model_copy(update={"classes": 1000}))
    net.load_state_dict(found)
    assert torch.equal(net.get_parameter("layer3.0.downsample.0.weight"), theirs["layer3.0.downsample.0.weight"])


def test_safetensors_and_old_files_without_batch_counts_load(tmp_path: Path) -> None:
    theirs = {name: tensor for name, tensor in torchvision_resnet18().items() if "num_batches" not in name}
    save_file(theirs, tmp_path / "net.safetensors")
    assert read_weights(tmp_path / "net.safetensors", RESNET18).keys() == theirs.keys()


def test_an_encoder_without_a_last_layer_loads(tmp_path: Path) -> None:
    theirs = {name: tensor for name, tensor in torchvision_resnet18().items() if not name.startswith("fc.")}
    torch.save(theirs, tmp_path / "net.pth")
    assert read_weights(tmp_path / "net.pth", RESNET18).keys() == theirs.keys()


def test_other_channels_and_classes_are_left_to_whoever_trains(tmp_path: Path) -> None:
    torch.save(torchvision_resnet18(), tmp_path / "net.pth")
    found = read_weights(tmp_path / "net.pth", RESNET18.model_copy(update={"channels": 1}))
    assert found["conv1.weight"].shape == (64, 3, 7, 7)


def test_alexnet_of_torchvision_loads(tmp_path: Path) -> None:
    shapes = {"features.0": (64, 3, 11, 11), "features.3": (192, 64, 5, 5), "features.6": (384, 192, 3, 3)}
    shapes |= {"features.8": (256, 384, 3, 3), "features.10": (256, 256, 3, 3)}
    shapes |= {"classifier.1": (4096, 9216), "classifier.4": (4096, 4096), "classifier.6": (10, 4096)}
    state = {f"{name}.weight": torch.zeros(shape, dtype=torch.bfloat16) for name, shape in shapes.items()}
    state |= {f"{name}.bias": torch.zeros(shape[0]) for name, shape in shapes.items()}
    save_file(state, tmp_path / "net.safetensors")
    config = ClassifierConfig(architecture="alexnet", channels=3, classes=10)
    assert read_weights(tmp_path / "net.safetensors", config).keys() == state.keys()


@pytest.mark.parametrize(
    ("architecture", "says"),
    [
        ("resnet34", "it has no 'layer1.2.conv1.weight'"),
        ("resnet50", "it has no 'layer1.0.conv3.weight'|'layer1.0.conv1.weight' has the shape"),
        ("alexnet", "its first weights are 'conv1.weight'"),
        ("resnet56", "it has 'layer2.0.downsample|'conv1.weight' has the shape|it has 'layer4.0"),
    ],
)
def test_another_network_is_refused_in_one_sentence(tmp_path: Path, architecture: str, says: str) -> None:
    torch.save(torchvision_resnet18(), tmp_path / "net.pth")
    config = ClassifierConfig(architecture=architecture, channels=3)
    with pytest.raises(ModelError, match=f"(?s)not hold the weights of a network '{architecture}'.*({says})"):
        read_weights(tmp_path / "net.pth", config)


def test_more_blocks_than_ours_are_refused(tmp_path: Path) -> None:
    net = build_classifier(ClassifierConfig(architecture="resnet34", channels=3))
    torch.save(net.state_dict(), tmp_path / "net.pth")
    with pytest.raises(ModelError, match=r"it has 'layer1\.2\.conv1\.weight' as well"):
        read_weights(tmp_path / "net.pth", RESNET18)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("evil"),)


def test_nothing_is_unpickled_but_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"conv1.weight": Evil()}, "evil.pth")
    Path("old.pth").write_bytes(pickle.dumps(Evil(), protocol=2))
    torch.save(nn.Linear(1, 1), "module.pth")
    for name in ("evil.pth", "old.pth", "module.pth"):
        with pytest.raises(ModelError, match="cannot be read as weights"):
            read_weights(name, RESNET18)
    assert not Path("evil").exists()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("net.pth", b"nonsense", "cannot be read as weights"),
        ("net.pth", b"", "cannot be read as weights"),
        ("net.safetensors", b"nonsense", "cannot be read as weights"),
    ],
)
def test_damaged_files_are_told(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=says):
        read_weights(tmp_path / name, RESNET18)


def test_files_without_weights_are_told(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "net.pth")
    with pytest.raises(ModelError, match="holds no weights"):
        read_weights(tmp_path / "net.pth", RESNET18)
    torch.save([torch.zeros(3)], tmp_path / "net.pth")
    with pytest.raises(ModelError, match="it holds a list"):
        read_weights(tmp_path / "net.pth", RESNET18)
    with pytest.raises(ModelError, match="There is no file"):
        read_weights(tmp_path / "nothing.pth", RESNET18)
