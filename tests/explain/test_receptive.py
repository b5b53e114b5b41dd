"""Receptive fields on images: boxes, influence, warnings, and maps brought to the right place."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from napari_microcnn.config import ClassifierConfig, ClassInfo, UNetConfig
from napari_microcnn.explain.enlarging import enlarged
from napari_microcnn.explain.receptive import effective_field, field_of_view, field_warnings, side_holding
from napari_microcnn.explain.sight import Sight
from napari_microcnn.micrograph import Calibration
from napari_microcnn.models import Classifier, Model, ModelError
from napari_microcnn.nets import UNet, build_classifier, receptive_fields

CLASSES = (ClassInfo(id=1, name="dark", colour="#000000"), ClassInfo(id=2, name="bright", colour="#ffffff"))


def segmenter(depth: int = 2) -> Model:
    torch.manual_seed(0)
    return Model(UNet(UNetConfig(width=4, depth=depth)).eval(), CLASSES)


def classifier(architecture: str = "conv-pool", side: int = 32, **more: object) -> Classifier:
    torch.manual_seed(0)
    config = ClassifierConfig(architecture=architecture, side=side, filters=4, blocks=2, **more)
    return Classifier(build_classifier(config).eval(), CLASSES, side)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("layer", ["encoder.0.0", "bottleneck.3", "decoder.1.3", "head"])
def test_pixels_outside_of_the_box_change_nothing(layer: str) -> None:
    sight = Sight(noise(90, 75), segmenter())
    found = field_of_view(sight, (40, 31), layer)
    outside = np.ones((90, 75), bool)
    outside[found.box] = False
    assert found.influence.max() == 1
    assert not found.influence[outside].any()
    inside = np.argwhere(found.influence > 0)
    assert np.abs(inside - [40, 31]).max() <= max(found.size)
    assert 0 < found.effective <= max(found.size)
    assert found.box[0].start <= 40 < found.box[0].stop


def test_the_box_is_in_pixels_of_the_image_when_it_is_resampled() -> None:
    plain = field_of_view(Sight(noise(80, 80), classifier(side=80)), (40, 40), "blocks.1.0")
    doubled = field_of_view(Sight(noise(80, 80), classifier(side=80), magnification=2), (40, 40), "blocks.1.0")
    assert doubled.size[0] == plain.size[0] / 2
    assert doubled.influence.shape == (80, 80)
    rows, columns = np.nonzero(doubled.influence > 0.01)
    assert abs(rows.mean() - 40) < 3
    assert abs(columns.mean() - 40) < 3


def test_a_pixel_outside_of_the_image() -> None:
    with pytest.raises(ValueError, match="outside of the image of 50 x 60"):
        field_of_view(Sight(noise(50, 60), segmenter()), (50, 3), "head")


def test_a_model_for_other_channels() -> None:
    with pytest.raises(ModelError, match="1 channel"):
        Sight(noise(50, 60, 5), segmenter())


def test_a_region_that_does_not_fit() -> None:
    sight = Sight(noise(50, 60), segmenter())
    with pytest.raises(ValueError, match="draw it on this image"):
        next(sight.windows(np.ones((50, 61), bool)))
    with pytest.raises(ValueError, match="is empty"):
        next(sight.windows(np.zeros((50, 60), bool)))


def test_the_effective_field_of_one_convolution_is_its_window() -> None:
    net = nn.Conv2d(1, 3, 3, padding=1)
    whole = nn.Sequential(net)
    found = effective_field(whole, torch.zeros(1, 1, 9, 9), "0", (4, 4)).numpy()
    assert (found > 0).sum() == 9
    assert (found[3:6, 3:6] > 0).all()


def test_influence_is_deeper_in_the_middle() -> None:
    """Ten convolutions of equal weights: a binomial, far narrower than 21 pixels (Luo et al., 2016)."""
    net = nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=1, bias=False) for _ in range(10)))
    for layer in net:
        nn.init.constant_(layer.weight, 1 / 9)
    found = effective_field(net, torch.zeros(1, 1, 41, 41), "9", (20, 20)).numpy()
    assert np.count_nonzero(found) == 21 * 21
    assert 7 <= side_holding(found, (20, 20)) <= 15


@pytest.mark.parametrize("architecture", ["resnet18", "conv-pool", "alexnet"])
def test_an_enlarged_map_is_hot_where_the_image_is(architecture: str) -> None:
    """A position that sees a pixel only through the middle of its field must be drawn over that pixel."""
    net = build_classifier(ClassifierConfig(architecture=architecture, filters=4, blocks=3)).eval()
    shape = (1, 192, 192)
    layer = {"resnet18": "layer2", "conv-pool": "blocks.2", "alexnet": "features.5"}[architecture]
    field = receptive_fields(net, shape)[layer]
    count = len(field.rows.first)
    maps = torch.zeros(1, count, count)
    at = count // 2
    maps[0, at, at] = 1
    found = enlarged(maps, field, (192, 192))[0].numpy()
    rows, columns = field.box(at, at)
    peak = np.argwhere(found > 0.999 * found.max()).mean(axis=0)
    assert peak[0] == pytest.approx((rows.start + rows.stop - 1) / 2, abs=1)
    assert peak[1] == pytest.approx((columns.start + columns.stop - 1) / 2, abs=1)


def test_an_even_map_stays_even() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 3, stride=2, padding=1))
    maps: Tensor = torch.ones(1, 10, 10)
    assert torch.allclose(enlarged(maps, receptive_fields(net, (1, 20, 20))["0"], (20, 20)), torch.ones(1, 20, 20))


def test_the_design_rule() -> None:
    nm = Calibration((5.0, 5.0), "nm", "test")
    assert field_warnings(100, grain=50) == []
    assert field_warnings(None, grain=5000) == []
    told = field_warnings(100, grain=150, calibration=nm)
    assert len(told) == 1
    assert "receptive field of 100 px (500 nm) is smaller than the grains of 150 px" in told[0]


def test_another_magnification_than_in_training() -> None:
    here, trained = Calibration((1.0, 1.0), "µm", "test"), Calibration((250.0, 250.0), "nm", "test")
    told = field_warnings(100, calibration=here, trained=trained)
    assert len(told) == 1
    assert "4.0 times too small" in told[0]
    assert "magnification to 4" in told[0]
    assert field_warnings(100, calibration=here, trained=trained, magnification=4.0) == []
