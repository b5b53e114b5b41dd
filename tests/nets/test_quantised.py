"""A U-Net that computes with bytes."""

from __future__ import annotations

import pytest
import torch

from napari_microcnn.config import UNetConfig
from napari_microcnn.data.normalisation import intensity_limits, normalise
from napari_microcnn.device import fast_int8
from napari_microcnn.models import load_model
from napari_microcnn.nets import QuantisedUNet, UNet, prepared
from napari_microcnn.synth import LOOKS, polycrystal

CPU = torch.device("cpu")
pytestmark = pytest.mark.skipif(not fast_int8(CPU), reason="this processor has no VNNI")


@pytest.mark.parametrize("look", ["etched", "channelling"])
def test_few_pixels_of_the_shipped_model_change(look: str) -> None:
    structure, imaging = LOOKS[look]
    image = polycrystal(structure.model_copy(update={"height": 256, "width": 320, "grains": 40}), imaging, 3).image
    images = torch.from_numpy(normalise(image, intensity_limits(image)))[None]
    net = load_model("grain-boundaries").net
    with torch.inference_mode():
        exact, found = net(images).softmax(1), QuantisedUNet(net)(images).float().softmax(1)
    assert (exact.argmax(1) != found.argmax(1)).float().mean() < 0.004
    assert (exact - found).abs().mean() < 0.004


@pytest.mark.parametrize("config", [UNetConfig(channels=1, classes=2), UNetConfig(channels=3, classes=4, depth=2)])
def test_a_network_that_knows_its_statistics_is_followed_closely(config: UNetConfig) -> None:
    torch.manual_seed(0)
    net = UNet(config)
    images = torch.randn(4, config.channels, 96, 80)
    for _ in range(60):
        net(images)  # the batch normalisation learns the statistics
    net.eval()
    with torch.inference_mode():
        exact, found = net(images), QuantisedUNet(net)(images).float()
    assert (exact - found).abs().mean() < 0.05 * exact.std()


def test_a_part_is_that_of_the_whole_bit_for_bit() -> None:
    net = QuantisedUNet(load_model("grain-boundaries").net)
    images = torch.randn(1, 1, 320, 352, generator=torch.Generator().manual_seed(0))
    core = slice(64, 240), slice(0, 256)
    with torch.inference_mode():
        assert torch.equal(net(images, core), net(images)[:, :, core[0], core[1]])


def test_the_borders_are_padded_with_zeros_like_those_of_the_network() -> None:
    net = load_model("grain-boundaries").net
    images = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        exact, found = net(images).softmax(1)[0, 1], QuantisedUNet(net)(images).float().softmax(1)[0, 1]
    edge = torch.ones(64, 64, dtype=torch.bool)
    edge[2:-2, 2:-2] = False
    assert (exact - found)[edge].abs().mean() < 0.01


def test_the_network_stays_as_it_is() -> None:
    net = UNet(UNetConfig(width=4, depth=2)).eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    prepared(net, CPU, torch.int8)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
