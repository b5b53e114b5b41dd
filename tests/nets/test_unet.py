"""The network itself: shapes, what it refuses, and how far it looks."""

from __future__ import annotations

import pytest
import torch

from napari_microcnn.config import UNetConfig
from napari_microcnn.nets import UNet, folded, halo, least_window, receptive_radius


def positive(config: UNetConfig) -> UNet:
    """Return a network in which every path from input to output counts."""
    net = UNet(config).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(parameter.abs() + 0.01)
    return net


@pytest.mark.parametrize(("channels", "classes", "depth"), [(1, 2, 1), (3, 5, 2), (4, 3, 4)])
def test_every_pixel_gets_a_score_per_class(channels: int, classes: int, depth: int) -> None:
    net = UNet(UNetConfig(channels=channels, classes=classes, width=4, depth=depth))
    assert net(torch.zeros(2, channels, 32, 48)).shape == (2, classes, 32, 48)


def test_default_network_has_the_published_size() -> None:
    assert sum(parameter.numel() for parameter in UNet(UNetConfig()).parameters()) == 1_942_306


def test_only_batch_normalisation() -> None:
    kinds = {type(module).__name__ for module in UNet(UNetConfig(width=4)).modules() if "Norm" in type(module).__name__}
    assert kinds == {"BatchNorm2d"}


def test_a_wrong_side_is_answered_with_the_shape_to_pad_to() -> None:
    net = UNet(UNetConfig(width=4, depth=3))
    with pytest.raises(ValueError, match="multiples of 8, not 30 x 65; pad the image to 32 x 72"):
        net(torch.zeros(1, 1, 30, 65))


def test_wrong_channels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(N, 3, H, W\), not an array of shape \(1, 1, 16, 16\)"):
        UNet(UNetConfig(channels=3, width=4, depth=2))(torch.zeros(1, 1, 16, 16))


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_receptive_radius_is_what_the_gradient_reaches(depth: int) -> None:
    config = UNetConfig(width=2, depth=depth)
    net, radius = positive(config), receptive_radius(UNetConfig(width=2, depth=depth))
    side = 2 ** (depth + 1) * (radius // 2**depth + 2)
    reached = 0
    for place in range(side // 2, side // 2 + 2**depth):  # every position within the coarsest cell
        image = torch.zeros(1, 1, side, side, requires_grad=True)
        net(image)[0, 0, place, place].backward()
        rows = image.grad[0, 0].abs().sum(dim=1).nonzero()
        reached = max(reached, place - int(rows[0]), int(rows[-1]) - place)
    assert reached == radius


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_halo_suffices_for_aligned_tiles_and_is_no_larger_than_needed(depth: int) -> None:
    config = UNetConfig(width=2, depth=depth)
    net, step = positive(config), 2**depth
    start = 2 * halo(config)
    image = torch.zeros(1, 1, 4 * halo(config) + step, 4 * halo(config) + step, requires_grad=True)
    net(image)[0, 0, start : start + step, start : start + step].sum().backward()
    rows = image.grad[0, 0].abs().sum(dim=1).nonzero()
    assert start - halo(config) <= int(rows[0]) < start - halo(config) + step
    assert int(rows[-1]) < start + step + halo(config)


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("start", [0, 32, 96])
def test_a_part_of_the_logits_is_that_of_the_whole_and_costs_less(depth: int, start: int) -> None:
    net, images = positive(UNetConfig(width=2, depth=depth)), torch.rand(1, 1, 128, 160)
    core, seen = (slice(start, start + 32), slice(33, 160)), []
    net.decoder[-1].register_forward_hook(lambda _, inputs, __: seen.append(tuple(inputs[0].shape[2:])))
    with torch.inference_mode():
        whole, part = net(images), net(images, core)
    assert torch.allclose(part, whole[:, :, core[0], core[1]], rtol=1e-4)
    assert seen[0] == (128, 160)
    assert seen[1] == (34 if start in (0, 96) else 36, 160 - 32 + 2)


def test_published_geometry_of_the_default_network() -> None:
    assert (receptive_radius(UNetConfig()), halo(UNetConfig()), least_window(UNetConfig())) == (107, 96, 65536)


def test_folding_keeps_the_function_and_the_original() -> None:
    torch.manual_seed(1)
    net = UNet(UNetConfig(width=4, depth=2))
    for _ in range(3):  # statistics that are not 0 and 1
        net(torch.randn(4, 1, 32, 32) * 3 + 1)
    net.eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    images = torch.randn(1, 1, 32, 32)
    with torch.inference_mode():
        assert torch.allclose(folded(net)(images), net(images), atol=1e-4)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded(net).modules())
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
