"""Convolution and pooling in numpy against PyTorch's, step by step and at once."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import nn
from torch.nn import functional

from napari_microcnn.config import ClassifierConfig, KernelName, LabConfig
from napari_microcnn.explain.costs import convolution_cost, dense_cost
from napari_microcnn.explain.kernels import convolve, kernel, output_size, pool, step
from napari_microcnn.nets import build_classifier, layers, network_size


def random(*shape: int) -> Any:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("size", ["3 x 3", "5 x 5"])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_feature_map_is_pytorchs(size: str, padding: str, stride: int, channels: int) -> None:
    config = LabConfig(size=size, padding=padding, stride=stride, bias=0.5, relu=stride == 2)
    image, weights = random(channels, 300, 211), random(channels, config.side, config.side)
    theirs = functional.conv2d(
        torch.from_numpy(image)[None],
        torch.from_numpy(weights)[None],
        torch.tensor([0.5]),
        stride=stride,
        padding=config.margin,
    )[0, 0]
    expected = (theirs.relu() if config.relu else theirs).numpy()
    found = convolve(image, weights, config)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert found.shape == tuple(output_size(length, config.side, stride, config.margin) for length in (300, 211))


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_every_step_ends_in_the_number_of_the_map(padding: str) -> None:
    config = LabConfig(size="5 x 5", padding=padding, stride=2, bias=-1, relu=True)
    image, weights = random(2, 9, 12), random(2, 5, 5)
    found = convolve(image, weights, config)
    for row, column in np.ndindex(found.shape):
        one = step(image, weights, config, row, column)
        assert one.result == pytest.approx(found[row, column], abs=1e-4)
        assert one.total == pytest.approx(one.sums.sum() - 1, abs=1e-4)
        np.testing.assert_array_equal(one.products, one.inside * weights)


def test_the_padding_is_zero_and_told_by_the_position() -> None:
    image = np.ones((1, 4, 4), np.float32)
    one = step(image, np.ones((1, 3, 3), np.float32), LabConfig(), 0, 3)
    assert (one.row, one.column) == (-1, 2)
    np.testing.assert_array_equal(one.inside[0], [[0, 0, 0], [1, 1, 0], [1, 1, 0]])


@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize("window", [2, 3])
def test_pooling_is_pytorchs(kind: str, window: int) -> None:
    image = random(31, 44)
    layer = (nn.MaxPool2d if kind == "max" else nn.AvgPool2d)(window)
    expected = layer(torch.from_numpy(image)[None, None])[0, 0].numpy()
    found = pool(image, LabConfig(pooling=kind, window=window))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_without_pooling_the_map_stays() -> None:
    image = random(4, 4)
    assert pool(image, LabConfig()) is image


@pytest.mark.parametrize("side", [3, 5])
def test_kernels_do_what_their_names_say(side: int) -> None:
    kernels = {name: kernel(name, side) for name in get_args(KernelName)}
    assert all(one.shape == (side, side) and one.dtype == np.float32 for one in kernels.values())
    sums = {name: float(one.sum()) for name, one in kernels.items()}
    assert {name for name, total in sums.items() if abs(total) < 1e-6} == set(kernels) - {"identity", "gaussian"}
    assert sums["identity"] == sums["gaussian"] == 1
    for word in ("edges", "sobel"):
        down = kernels["horizontal edges" if word == "edges" else "sobel horizontal"]
        across = kernels["vertical edges" if word == "edges" else "sobel vertical"]
        np.testing.assert_array_equal(down, across.T)
        ramp = np.repeat(np.arange(9, dtype=np.float32), 9).reshape(1, 9, 9)  # brighter downwards
        config = LabConfig(size=f"{side} x {side}", padding="valid")
        assert (convolve(ramp, down[None], config) > 0).all()
        assert (convolve(ramp, across[None], config) == 0).all()


def test_sobel_and_laplacian_are_scipys() -> None:
    image = random(1, 20, 20)
    config = LabConfig()
    inner = (slice(2, -2), slice(2, -2))
    np.testing.assert_allclose(
        convolve(image, kernel("sobel horizontal", 3)[None], config)[inner],
        ndimage.sobel(image[0], axis=0)[inner],
        atol=1e-5,
    )
    np.testing.assert_allclose(
        convolve(image, kernel("laplacian", 3)[None], config)[inner], ndimage.laplace(image[0])[inner], atol=1e-5
    )


def test_integers_do_not_overflow() -> None:
    image = np.full((1, 8, 8), 255, np.uint8)
    assert convolve(image, np.ones((1, 3, 3), np.float32), LabConfig(padding="valid")).max() == 9 * 255


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(ValueError, match="window of 5 pixels does not fit into 4 pixels with 0 zeros"):
        convolve(random(1, 4, 9), random(1, 5, 5), LabConfig(size="5 x 5", padding="valid"))
    with pytest.raises(ValueError, match=r"weights \(C, 3, 3\) were expected"):
        convolve(random(2, 9, 9), random(1, 3, 3), LabConfig())
    with pytest.raises(ValueError, match=r"has no position \(9, 0\)"):
        step(random(1, 9, 9), random(1, 3, 3), LabConfig(), 9, 0)
    with pytest.raises(ValueError, match="There is no kernel 'emboss'"):
        kernel("emboss", 3)
    with pytest.raises(ValueError, match="not of 4 x 4"):
        kernel("identity", 4)
    with pytest.raises(ValueError, match="window of 8 pixels does not fit into 5"):
        pool(random(5, 5), LabConfig(pooling="max", window=8))


@pytest.mark.parametrize("side", [32, 64])
def test_costs_are_those_of_real_networks(side: int) -> None:
    config = ClassifierConfig(architecture="mlp", side=side, channels=3, hidden=100, classes=2)
    size = network_size(layers(build_classifier(config), (3, side, side))[:2])
    assert dense_cost(3, side, side, 100).parameters == size.parameters
    row = layers(nn.Conv2d(3, 64, 3, padding=1), (3, side, side))[0]
    cost = convolution_cost(3, side, side, 64)
    assert (cost.parameters, 4 * cost.results) == (row.parameters, row.memory)
    assert cost.weights == 64 * 27


def test_costs_of_the_lecture() -> None:
    assert dense_cost(1, 64, 64, 512).weights == 2_097_152
    assert dense_cost(1, 1024, 1024, 512).weights == 536_870_912
    assert convolution_cost(1, 1024, 1024, 1).weights == 9
    assert convolution_cost(1, 1024, 1024, 64).weights == 576
    assert dense_cost(1, 1024, 1024, 512).training > 8e9
    assert dense_cost(1, 8, 8, 2).memory == 4 * (64 * 2 + 2 + 2)
