"""Checks that tell whether a heatmap, and a network, can be trusted."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from napari_microcnn.config import ClassifierConfig, ClassInfo, UNetConfig
from napari_microcnn.events import Event, result_of
from napari_microcnn.explain.gradcam import grad_cam
from napari_microcnn.explain.poolings import Poolings
from napari_microcnn.explain.sight import Sight
from napari_microcnn.explain.target import Target
from napari_microcnn.explain.translation import translation_test
from napari_microcnn.explain.trust import heat_outside, rank_correlation, same_shift, sanity_check
from napari_microcnn.models import Classifier, Model
from napari_microcnn.nets import UNet, build_classifier

CLASSES = (ClassInfo(id=0, name="a", colour="#000000"), ClassInfo(id=1, name="b", colour="#ffffff"))


def classifier(pooling: str = "max", side: int = 64) -> Classifier:
    torch.manual_seed(0)
    config = ClassifierConfig(filters=4, blocks=3, pooling=pooling)
    return Classifier(build_classifier(config).eval(), CLASSES, side)


def test_heat_outside_of_the_object() -> None:
    heat = np.zeros((10, 10), np.float32)
    heat[2:4, 2:4], heat[8, 8], heat[0, 0] = 1, 1, -50
    inside = np.zeros((10, 10), bool)
    inside[2:4, 2:4] = True
    assert heat_outside(heat, inside) == pytest.approx(0.2)
    assert np.isnan(heat_outside(np.zeros_like(heat), inside))
    with pytest.raises(ValueError, match="label the same image"):
        heat_outside(heat, inside[1:])
    with pytest.raises(ValueError, match="Nothing is labelled"):
        heat_outside(heat, np.zeros_like(inside))


def test_random_weights_change_a_map_that_tells_of_them() -> None:
    net = classifier().net
    image = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))

    def heat(one: nn.Module) -> Generator[Event, None, np.ndarray]:
        yield from ()
        return grad_cam(one, image, Target(1), "blocks.1.0")[0].numpy()

    before = {name: value.clone() for name, value in net.state_dict().items()}
    found = result_of(sanity_check(net, heat, seed=1))
    assert found.passed
    assert "tells of what was learnt" in found.verdict
    assert found.layers[-1] == "blocks.0.0"
    assert len(found.repeats) == 5
    assert len(set(found.repeats)) == 5
    assert found.similarity[-1] == pytest.approx(np.mean(found.repeats))
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in before.items())
    assert found == result_of(sanity_check(net, heat, seed=1))


def test_a_map_that_only_shows_the_image_does_not_pass() -> None:
    image = np.random.default_rng(0).random((64, 64)).astype(np.float32)

    def edges(_: nn.Module) -> Generator[Event, None, np.ndarray]:
        yield from ()
        return np.abs(np.diff(image, axis=0))

    found = result_of(sanity_check(classifier().net, edges))
    assert not found.passed
    assert "Do not trust it" in found.verdict


def test_heat_of_the_other_sign_is_the_same_map() -> None:
    """Integrated gradients of random weights may be those of the image with the opposite sign."""
    image = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    signs = iter([1, *(np.random.default_rng(1).integers(0, 2, 99) * 2 - 1)])

    def signed(_: nn.Module) -> Generator[Event, None, np.ndarray]:
        yield from ()
        return np.float32(next(signs)) * image

    assert result_of(sanity_check(classifier().net, signed)).similarity[-1] == pytest.approx(1)


def test_without_heat_there_is_nothing_to_check() -> None:
    def nothing(_: nn.Module) -> Generator[Event, None, np.ndarray]:
        yield from ()
        return np.zeros((64, 64), np.float32)

    found = result_of(sanity_check(classifier().net, nothing))
    assert not found.passed
    assert "nothing to check" in found.verdict


def test_random_weights_are_tried_on_a_part_around_the_region() -> None:
    image = np.random.default_rng(0).normal(size=(700, 500)).astype(np.float32)
    region = np.zeros(image.shape, bool)
    region[600:650, 30:40] = True
    net = UNet(UNetConfig(width=4, depth=2)).eval()
    sight = Sight(image, Model(net, CLASSES))
    part, inside = sight.part(320, region)
    assert part.shape == (320, 320)
    np.testing.assert_array_equal(part.prospect.window(0, 0, 320, 320), sight.prospect.window(380, 0, 320, 320))
    assert inside is not None
    assert inside.sum() == region.sum()
    np.testing.assert_array_equal(inside, region[380:700, :320])
    assert sight.shape == image.shape


def test_rank_correlation() -> None:
    rising = np.arange(100, dtype=np.float32).reshape(10, 10)
    assert rank_correlation(rising, rising**3) == pytest.approx(1)
    assert rank_correlation(rising, -rising) == pytest.approx(-1)
    assert rank_correlation(rising, np.zeros_like(rising)) == 0


@pytest.mark.parametrize("positions", [1, 2.5])
def test_shifted_maps_are_recognised(positions: float) -> None:
    x = torch.arange(30, dtype=torch.float64)
    maps = torch.sin(torch.stack([x, 2 * x])[:, None] / 8)
    moved = torch.sin(torch.stack([x - positions, 2 * (x - positions)])[:, None] / 8)
    assert same_shift(maps, moved, positions) > 0.995
    assert same_shift(maps, maps.flip(-1), positions) < 0.9


def test_poolings_are_replaced_wherever_they_are() -> None:
    values: Tensor = torch.arange(16.0).reshape(1, 1, 4, 4)
    layers = (nn.MaxPool2d(2), nn.AvgPool2d(2), lambda x: nn.functional.max_pool2d(x, 2))
    for layer in layers:
        for kind, first in (("max", 5.0), ("average", 2.5), ("none", 0.0)):
            with Poolings(kind):
                assert layer(values)[0, 0, 0, 0] == first
    with Poolings() as poolings:
        assert layers[1](values)[0, 0, 0, 0] == 2.5
    assert poolings.first == "average"


@pytest.mark.parametrize(("kernel", "stride", "padding", "side"), [(3, 2, 1, 9), (3, 2, 0, 10), (2, 2, 0, 7)])
def test_all_poolings_give_maps_of_one_size(kernel: int, stride: int, padding: int, side: int) -> None:
    layer = nn.MaxPool2d(kernel, stride, padding)
    values = torch.randn(1, 2, side, side)
    with Poolings("none"):
        assert layer(values).shape == nn.MaxPool2d(kernel, stride, padding)(values).shape
    with Poolings("average"):
        averaged = layer(values)
    assert averaged.shape == layer(values).shape


@pytest.mark.filterwarnings("error")
def test_translation_of_all_poolings() -> None:
    model = classifier("max")
    image = np.random.default_rng(0).normal(size=(64, 160)).astype(np.float32)
    found = result_of(translation_test(Sight(image, model), 1, "blocks.0.3", shifts=(1, 2, 8)))
    assert [one.pooling for one in found] == ["max", "average", "none"]
    assert [one.own for one in found] == [True, False, False]
    for one in found:
        assert len(one.probability) == 4
        assert all(0 < value < 1 for value in one.probability)
        assert one.equivariance[1] > 0.85  # a shift by one position; only the edges differ
    largest, average, none = (one.equivariance[0] for one in found)  # by half a position
    assert none < largest < average
    again = result_of(translation_test(Sight(image, model), 1, "blocks.0.3", shifts=(1, 2, 8)))
    assert again == found


def test_translation_without_pooling() -> None:
    found = result_of(translation_test(Sight(np.eye(64), classifier("none")), 0, "blocks.0.0", shifts=(2,)))
    assert [(one.pooling, one.own) for one in found] == [("none", True)]


def test_translation_needs_maps() -> None:
    with pytest.raises(ValueError, match="no maps"):
        result_of(translation_test(Sight(np.eye(64), classifier()), 0, "head", shifts=(2,)))
