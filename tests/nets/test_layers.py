"""Tables of layers and receptive fields, held against published figures and the measured support of gradients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_microcnn.config import ClassifierConfig, UNetConfig
from napari_microcnn.nets import (
    UNet,
    build_classifier,
    layers,
    network_size,
    receptive_fields,
    receptive_radius,
)
from napari_microcnn.nets.fields import Field


def classifier(**settings: Any) -> nn.Module:
    return build_classifier(ClassifierConfig(**settings))


def open_everywhere(net: nn.Module) -> nn.Module:
    """Return the network in double precision with every path open, so that the gradient misses no pixel in sight.

    Weights are positive and of unit sum, so that nothing overflows; every maximum becomes a mean,
    because a maximum has a gradient for one pixel only, and no tanh saturates.
    """
    net = net.double().eval()
    with torch.no_grad():
        for layer in net.modules():
            for name, weights in layer.named_parameters(recurse=False):
                weights.fill_(0 if name == "bias" else 1 / max(1, weights[0].numel()))
            if isinstance(layer, nn.BatchNorm2d):
                layer.weight.fill_(1)
    for name, layer in list(net.named_modules()):
        if isinstance(layer, nn.MaxPool2d):
            parent, _, last = name.rpartition(".")
            average = nn.AvgPool2d(layer.kernel_size, layer.stride, layer.padding)
            setattr(net.get_submodule(parent), last, average)
    return net


@contextmanager
def means_for_maxima(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(functional, "max_pool2d", functional.avg_pool2d)
        yield


def support(values: Tensor, image: Tensor, position: tuple[int, int]) -> tuple[slice, slice]:
    """Return the box of pixels on which one position of a map depends."""
    (gradient,) = torch.autograd.grad(values[0, :, position[0], position[1]].sum(), image, retain_graph=True)
    rows, columns = torch.nonzero(gradient.abs().sum(dim=(0, 1)), as_tuple=True)
    return slice(int(rows.min()), int(rows.max()) + 1), slice(int(columns.min()), int(columns.max()) + 1)


def compare(net: nn.Module, shape: tuple[int, int, int], positions: int = 3) -> int:
    """Compare fields with measured support at corners or in the middle of every layer; return how many."""
    fields = receptive_fields(net, shape)
    image = torch.rand((1, *shape), dtype=torch.double).requires_grad_()
    kept: dict[str, Tensor] = {}
    for name, layer in net.named_modules():
        layer.register_forward_hook(lambda _, __, made, name=name: kept.update({name: made}))
    net(image)
    compared = 0
    for index, (name, made) in enumerate(kept.items()):
        if made.ndim != 4:
            continue
        height, width = made.shape[2:]
        places = [(0, 0), (height // 2, width // 2), (height - 1, width // 3)]
        for position in {places[(index + turn) % 3] for turn in range(positions)}:
            assert fields[name].box(*position) == support(made, image, position), (name, position)
            compared += 1
    return compared


@pytest.mark.parametrize(
    ("settings", "shape"),
    [
        ({"architecture": "lenet", "side": 32}, (1, 32, 32)),
        ({"architecture": "alexnet"}, (1, 100, 127)),
        ({"architecture": "resnet18"}, (1, 97, 70)),
        ({"architecture": "resnet50"}, (1, 32, 33)),
        ({"architecture": "resnet56"}, (1, 37, 30)),
        ({"architecture": "resnet56", "skips": False}, (1, 37, 30)),
        ({"filters": 2, "blocks": 3}, (2, 41, 57)),
        ({"filters": 2, "blocks": 3, "pooling": "average"}, (1, 41, 57)),
        ({"filters": 2, "blocks": 3, "pooling": "none"}, (1, 41, 57)),
        ({"architecture": "unet-encoder", "filters": 2, "blocks": 3}, (1, 50, 64)),
    ],
)
def test_the_field_is_the_support_of_the_gradient_in_every_layer(settings: dict, shape: tuple[int, int, int]) -> None:
    net = open_everywhere(classifier(channels=shape[0], **settings))
    assert compare(net, shape, positions=1 if "net" in settings.get("architecture", "") else 3) > 5


def test_the_field_of_a_segmenter_depends_on_the_position_and_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    net = open_everywhere(UNet(UNetConfig(width=2, depth=3)))
    with means_for_maxima(monkeypatch):
        assert compare(net, (1, 136, 160)) > 30
    rows = receptive_fields(net, (1, 512, 512))["head"].rows
    places = np.arange(512)
    assert max((places - rows.first).max(), (rows.last - places).max()) == receptive_radius(net.config)


@pytest.mark.parametrize(
    ("architecture", "name", "size", "jump"),
    [
        # Araujo, Norris and Sim, Distill 2019, and https://fomoro.com/research/article/receptive-field-calculator
        ("alexnet", "features.12", 195, 32),
        ("resnet18", "layer4", 435, 32),
        ("resnet34", "layer4", 899, 32),
    ],
)
def test_published_receptive_fields(architecture: str, name: str, size: int, jump: int) -> None:
    field = receptive_fields(classifier(architecture=architecture), (1, 2048, 2048))[name]
    assert field.size == (size, size)
    assert field.jump == (jump, jump)


def test_the_centre_of_the_first_field_is_where_the_first_box_would_be() -> None:
    for row in layers(classifier(filters=2, blocks=4), (1, 256, 256)):
        if row.size is not None:
            field = receptive_fields(classifier(filters=2, blocks=4), (1, 256, 256))[row.name]
            middle = len(field.rows.first) // 2
            box = field.box(middle, middle)[0]
            assert (box.start + box.stop - 1) / 2 == row.start[0] + middle * row.jump[0], row


def test_the_table_of_lenet() -> None:
    rows = layers(classifier(architecture="lenet", side=32, classes=10), (1, 32, 32))
    assert [(row.kind, row.made, row.parameters) for row in rows if row.parameters or "pool" in row.kind] == [
        ("convolution", (6, 28, 28), 156),
        ("average pooling", (6, 14, 14), 0),
        ("convolution", (16, 10, 10), 2416),
        ("average pooling", (16, 5, 5), 0),
        ("dense", (120,), 48_120),
        ("dense", (84,), 10_164),
        ("dense", (10,), 850),
    ]
    convolution = rows[0]
    assert (convolution.kernel, convolution.stride, convolution.padding) == ((5, 5), (1, 1), (0, 0))
    assert [row.size for row in rows if row.kind == "average pooling"] == [(6, 6), (16, 16)]
    assert network_size(rows).parameters == 61_706


def test_skip_connections_are_in_the_table() -> None:
    kinds = [row.kind for row in layers(classifier(architecture="resnet18"), (1, 64, 64))]
    assert kinds.count("sum") == 8
    kinds = [row.kind for row in layers(UNet(UNetConfig(width=2, depth=3)), (1, 64, 64))]
    assert (kinds.count("concatenation"), kinds.count("max pooling")) == (3, 3)


def test_a_global_average_sees_all_of_the_image() -> None:
    rows = layers(classifier(filters=2), (1, 64, 64))
    assert rows[-1].size is None
    assert next(row for row in rows if row.kind == "max pooling").size == (4, 4)


def test_after_adaptive_pooling_the_field_is_that_on_this_image() -> None:
    net = classifier(architecture="alexnet")
    for side in (224, 448):
        pooled = next(row for row in layers(net, (1, side, side)) if "adaptive" in row.kind)
        assert pooled.size == receptive_fields(net, (1, side, side))["avgpool"].size
    assert layers(net, (1, 224, 224))[-1].size is None


def test_a_dense_layer_sees_all_of_a_fixed_image() -> None:
    rows = layers(classifier(architecture="lenet", side=32), (1, 32, 32))
    assert [row.size for row in rows if row.kind == "dense"] == [None] * 3


def test_memory_and_parameters_of_a_network_too_large_to_build() -> None:
    with torch.device("meta"):
        net = classifier(architecture="mlp", side=1024, hidden=512)
    size = network_size(layers(net, (1, 1024, 1024)))
    assert size.parameters == 536_870_912 + 512 + 2 * 512 + 2
    assert size.weights == 4 * size.parameters
    assert size.training > 4 * size.weights


def test_what_is_counted_does_not_change_the_network() -> None:
    net = classifier(filters=2).train()
    before = {name: weights.clone() for name, weights in net.state_dict().items()}
    layers(net, (1, 64, 64))
    assert net.training
    assert all(torch.equal(weights, before[name]) for name, weights in net.state_dict().items())
    assert not net._forward_hooks


def test_a_repeated_layer_is_counted_once() -> None:
    layer = nn.Conv2d(1, 1, 3, padding=1)
    rows = layers(nn.Sequential(layer, nn.ReLU(), layer), (1, 16, 16))
    assert [row.parameters for row in rows] == [10, 0, 0]
    assert rows[-1].size == (5, 5)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(1, 2, 3, stride=2, padding=2, dilation=2),
        nn.Conv2d(1, 2, (1, 5), padding="same"),
        nn.ConvTranspose2d(1, 2, 3, stride=2, padding=1, output_padding=1),
        nn.AvgPool2d(3, 2, 1, ceil_mode=True),
        nn.AdaptiveAvgPool2d((5, 3)),
        nn.ZeroPad2d((-1, 2, -1, 0)),
    ],
)
def test_other_layers_are_followed_too(layer: nn.Module) -> None:
    net = open_everywhere(nn.Sequential(nn.Conv2d(1, 1, 3), layer, nn.Conv2d(getattr(layer, "out_channels", 1), 1, 2)))
    assert compare(net, (1, 21, 24)) >= 9


def test_the_unknown_is_named() -> None:
    with pytest.raises(ValueError, match="operation 'upsample_bicubic2d' is not known"):
        layers(nn.Upsample(scale_factor=2, mode="bicubic"), (1, 16, 16))


def test_a_field_without_pixels_has_no_size() -> None:
    field = Field.of_image(4, 4)
    assert field.rows.shifted(1, 3).size == 0
