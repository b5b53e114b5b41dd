"""Grad-CAM and its relatives against hand-written derivatives and against Captum."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from napari_microcnn.config import ClassifierConfig, UNetConfig
from napari_microcnn.events import result_of
from napari_microcnn.explain.attribution import integrated_gradients, occlusion
from napari_microcnn.explain.gradcam import grad_cam, guided_grad_cam, guided_gradients
from napari_microcnn.explain.layers import default_layer, map_layers
from napari_microcnn.explain.target import Target
from napari_microcnn.nets import UNet, build_classifier

attr = pytest.importorskip("captum.attr")
pytestmark = pytest.mark.filterwarnings("ignore:Setting (forward|backward|gradient):UserWarning:captum")


class Small(nn.Module):
    """Two convolutions and a dense layer, with ReLUs of all kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 5, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(5, 7, 3, stride=2)
        self.head = nn.Linear(7, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(self.relu(self.first(x)))
        return self.head(torch.relu(x).mean(dim=(2, 3)))


def images(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def small() -> nn.Module:
    torch.manual_seed(0)
    return Small().eval()


def test_grad_cam_equals_the_derivative_by_hand() -> None:
    net, x = small(), images(4, 2, 16, 20)
    maps = net.second(torch.relu(net.first(x))).detach().requires_grad_()
    score = net.head(torch.relu(maps).mean(dim=(2, 3)))[:, 1].sum()
    weights = torch.autograd.grad(score, maps)[0].mean(dim=(2, 3))
    by_hand = torch.relu(torch.einsum("nf,nfhw->nhw", weights, maps))
    found = grad_cam(net, x, Target(1), "second")
    assert found.max() > 0
    torch.testing.assert_close(found, by_hand.detach(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("architecture", ["lenet", "conv-pool", "resnet18", "unet-encoder"])
def test_grad_cam_equals_captum_for_classifiers(architecture: str) -> None:
    torch.manual_seed(0)
    config = ClassifierConfig(architecture=architecture, side=32, filters=4, blocks=2, classes=3)
    net = build_classifier(config).eval()
    x = images(2, 1, 32, 32)
    for layer in [one.name for one in map_layers(net, (1, 32, 32)) if "relu" not in one.kind.lower()][:6]:
        truth = attr.LayerGradCam(net, net.get_submodule(layer)).attribute(x, target=2, relu_attributions=True)
        torch.testing.assert_close(grad_cam(net, x, Target(2), layer), truth[:, 0], rtol=1e-5, atol=1e-5)


def test_grad_cam_equals_captum_for_a_region_of_a_segmentation() -> None:
    torch.manual_seed(0)
    net = UNet(UNetConfig(width=4, depth=2)).eval().requires_grad_(False)
    x = images(1, 1, 32, 48)
    where = torch.zeros(32, 48, dtype=torch.bool)
    where[10:14, 20:30] = True
    target = Target(1, where)

    class Scored(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, values: Tensor) -> Tensor:
            return self.net(values)[:, 1, where].mean(dim=1)

    layer = "bottleneck.3"  # a convolution: what follows in place would spoil Captum's maps
    truth = attr.LayerGradCam(Scored(), net.get_submodule(layer)).attribute(
        x.clone().requires_grad_(), relu_attributions=True
    )
    found = grad_cam(net, x, target, layer)
    assert found.max() > 0
    torch.testing.assert_close(found, truth[:, 0], rtol=1e-5, atol=1e-5)


def out_of_place(net: nn.Module) -> nn.Module:
    for module in net.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    return net


def test_guided_gradients_equal_captum() -> None:
    torch.manual_seed(0)
    net = build_classifier(ClassifierConfig(architecture="resnet18", classes=3)).eval()
    x = images(1, 1, 32, 32)
    truth = attr.GuidedBackprop(net).attribute(x.clone().requires_grad_(), target=1)
    torch.testing.assert_close(guided_gradients(net, x, Target(1)), truth, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(guided_gradients(net, x, Target(1)), guided_gradients(net, x, Target(2)))


def test_guided_gradients_reach_through_relus_in_place() -> None:
    torch.manual_seed(0)
    net = UNet(UNetConfig(width=4, depth=1)).eval()
    x = images(1, 1, 16, 16)
    found = guided_gradients(net, x, Target(1))
    torch.testing.assert_close(found, guided_gradients(out_of_place(net), x, Target(1)))
    assert found.abs().max() > 0


def test_guided_grad_cam_is_their_product() -> None:
    net, x = small(), images(1, 2, 17, 17)
    heat = grad_cam(net, x, Target(0), "first")
    found = guided_grad_cam(net, x, Target(0), "first", lambda maps: maps)
    torch.testing.assert_close(found, guided_gradients(net, x, Target(0)) * heat[:, None])


def test_integrated_gradients_add_up_and_equal_captum() -> None:
    net, x = small(), images(1, 2, 16, 16)
    found = result_of(integrated_gradients(net, x, Target(1), steps=64))
    difference = net(x)[0, 1] - net(torch.zeros_like(x))[0, 1]
    assert found.sum().item() == pytest.approx(difference.item(), abs=1e-3)
    truth = attr.IntegratedGradients(net).attribute(x, target=1, n_steps=64)
    torch.testing.assert_close(found, truth.float(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("window", "stride"), [(4, 4), (8, 8), (99, 99)])
def test_occlusion_equals_captum(window: int, stride: int) -> None:
    net, x = small(), images(1, 2, 16, 16)
    sides = min(window, 16)
    truth = attr.Occlusion(net).attribute(x, (2, sides, sides), (2, stride, stride), target=2)
    found = result_of(occlusion(net, x, Target(2), window, stride))
    torch.testing.assert_close(found, truth[:, 0], rtol=1e-4, atol=1e-5)


def test_overlapping_covers_are_hottest_in_the_middle_of_an_object() -> None:
    """All covers that hide the pixel count, and those that it is the middle of count most."""

    class Spot(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[:, 0, 9, 12][:, None]

    found = result_of(occlusion(Spot(), torch.ones(1, 1, 20, 20), Target(0), 6, 1))[0]
    rows, columns = torch.nonzero(found == found.max(), as_tuple=True)
    assert rows.tolist() == [9]
    assert columns.tolist() == [12]
    assert found[9, 12] > 1.5 * found[9, 9] > 0
    assert not found[:3].any()


def test_covers_must_not_leave_gaps() -> None:
    with pytest.raises(ValueError, match="leave gaps"):
        next(occlusion(small(), images(1, 2, 16, 16), Target(0), 4, 8))


def test_a_layer_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match=r"no layer 'secnd'; its layers are called second"):
        grad_cam(small(), images(1, 2, 16, 16), Target(0), "secnd")


def test_a_layer_without_maps() -> None:
    with pytest.raises(ValueError, match="gives 3 numbers and no maps"):
        grad_cam(small(), images(1, 2, 16, 16), Target(0), "head")


def test_an_output_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="has 3 outputs"):
        grad_cam(small(), images(1, 2, 16, 16), Target(3), "second")


def test_the_default_layer_has_the_coarsest_maps() -> None:
    assert default_layer(UNet(UNetConfig(width=4, depth=2)), (1, 32, 32)) == "bottleneck.5"
    net = build_classifier(ClassifierConfig(architecture="conv-pool", filters=4, blocks=2))
    assert default_layer(net, (1, 32, 32)) == "blocks.1.3"
    with pytest.raises(ValueError, match="integrated gradients or occlusion"):
        default_layer(build_classifier(ClassifierConfig(architecture="mlp", side=16, hidden=4)), (1, 16, 16))
