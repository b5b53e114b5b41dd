"""Networks that classify: their published sizes, shapes, and what they refuse."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch

from napari_microcnn.config import Architecture, ClassifierConfig, UNetConfig
from napari_microcnn.nets import UNet, build_classifier

SMALL = {"filters": 4, "hidden": 8, "blocks": 3}


def count(**settings: Any) -> int:
    with torch.device("meta"):
        return sum(weights.numel() for weights in build_classifier(ClassifierConfig(**settings)).parameters())


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [
        ("alexnet", 61_100_840),
        ("resnet18", 11_689_512),
        ("resnet34", 21_797_672),
        ("resnet50", 25_557_032),
        ("resnet101", 44_549_160),
        ("resnet152", 60_192_808),
    ],
)
def test_published_sizes_for_imagenet(architecture: str, expected: int) -> None:
    assert count(architecture=architecture, channels=3, classes=1000) == expected


def test_published_sizes_for_small_images() -> None:
    assert count(architecture="lenet", side=32, classes=10) == 61_706
    assert count(architecture="resnet56", channels=3, classes=10) == 855_770
    # Without skips the two projections (16 * 32 + 32 * 64, and their normalisations) are gone as well.
    assert count(architecture="resnet56", channels=3, classes=10, skips=False) == 855_770 - 2560 - 192


@pytest.mark.parametrize(("side", "expected"), [(64, 2_097_152), (1024, 536_870_912)])
def test_weights_of_one_hidden_layer(side: int, expected: int) -> None:
    with torch.device("meta"):
        net = build_classifier(ClassifierConfig(architecture="mlp", side=side, hidden=512))
    assert net.get_parameter("hidden.weight").numel() == expected


@pytest.mark.parametrize(("filters", "expected"), [(1, 9), (64, 576)])
def test_weights_of_filters(filters: int, expected: int) -> None:
    net = build_classifier(ClassifierConfig(filters=64))
    assert net.get_parameter("blocks.0.0.weight")[:filters].numel() == expected


def test_filters_double_to_512() -> None:
    net = build_classifier(ClassifierConfig(blocks=5))
    convolutions = [layer for layer in net.modules() if isinstance(layer, torch.nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [64, 128, 256, 512, 512]


@pytest.mark.parametrize("architecture", get_args(Architecture))
@pytest.mark.parametrize("channels", [1, 3, 120])
def test_every_architecture_gives_a_score_per_class(architecture: str, channels: int) -> None:
    config = ClassifierConfig(architecture=architecture, channels=channels, classes=5, side=64, **SMALL)
    with torch.device("meta"):
        net = build_classifier(config)
        assert net(torch.zeros(2, channels, 64, 64)).shape == (2, 5)
    assert net.config == config


@pytest.mark.parametrize("architecture", get_args(Architecture))
def test_every_layer_learns(architecture: str) -> None:
    torch.manual_seed(0)
    settings = SMALL | {"side": 64, "dropout": 0}
    with torch.device("meta" if architecture in ("resnet101", "resnet152") else "cpu"):
        net = build_classifier(ClassifierConfig(architecture=architecture, **settings))
        net(torch.rand(2, 1, 64, 64)).square().sum().backward()
    for name, weights in net.named_parameters():
        assert weights.grad is not None, name


@pytest.mark.parametrize("pooling", ["max", "average", "none"])
@pytest.mark.parametrize("head", ["average", "flatten"])
@pytest.mark.parametrize("side", [40, 43])
def test_networks_with_and_without_pooling_fit_their_images(pooling: str, head: str, side: int) -> None:
    net = build_classifier(ClassifierConfig(pooling=pooling, head=head, side=side, blocks=3, filters=4))
    assert net(torch.zeros(1, 1, side, side)).shape == (1, 2)


@pytest.mark.parametrize("architecture", ["resnet18", "alexnet", "conv-pool", "unet-encoder"])
def test_networks_with_averaging_take_any_size(architecture: str) -> None:
    net = build_classifier(ClassifierConfig(architecture=architecture, **SMALL)).eval()
    assert net(torch.zeros(1, 1, 70, 123)).shape == (1, 2)


def test_other_sizes_and_channels_are_answered_in_one_sentence() -> None:
    lenet = build_classifier(ClassifierConfig(architecture="lenet", side=32))
    with pytest.raises(ValueError, match="made for images of 32 x 32 pixels, not 64 x 48; resample or crop"):
        lenet(torch.zeros(1, 1, 64, 48))
    with pytest.raises(ValueError, match=r"takes images \(N, 1, H, W\), not an array of shape \(1, 3, 32, 32\)"):
        lenet(torch.zeros(1, 3, 32, 32))
    with pytest.raises(ValueError, match="at least 16 x 16 pixels, not 64 x 9"):
        build_classifier(ClassifierConfig(filters=4))(torch.zeros(1, 1, 64, 9))
    with pytest.raises(ValueError, match="at least 16 x 16 pixels, not 8 x 8; choose a larger side"):
        ClassifierConfig(architecture="lenet", side=8)


def test_the_encoder_takes_the_weights_of_a_segmenter() -> None:
    config = ClassifierConfig(architecture="unet-encoder", filters=4, blocks=2)
    learnt = UNet(UNetConfig(width=4, depth=2)).state_dict()
    missing, unexpected = build_classifier(config).load_state_dict(learnt, strict=False)
    assert missing == ["dense.weight", "dense.bias"]
    assert {name.split(".")[0] for name in unexpected} == {"up", "decoder", "head"}
