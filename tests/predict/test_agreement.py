"""Whether a network finds the same again in the mirrored and the shrunk image."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_microcnn.config import ClassInfo, ImagingConfig, ObjectRule, UNetConfig, VoronoiConfig
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.models import Model, load_model
from napari_microcnn.nets import UNet
from napari_microcnn.predict.agreement import disagreement
from napari_microcnn.predict.gap import domain_gap
from napari_microcnn.synth import polycrystal


class Fixed(torch.nn.Module):
    """A network whose answer to the pixels is known."""

    def __init__(self, answer):
        super().__init__()
        self.config, self._answer = UNetConfig(width=2, depth=2), answer
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, image):
        return torch.cat([torch.zeros_like(image), self._answer(image)], 1)


def model_of(answer, kind=None):
    classes = tuple(ClassInfo(id=i, name=name, colour="#e69f00") for i, name in enumerate(("one", "other")))
    return Model(Fixed(answer).eval(), classes, None if kind is None else ObjectRule(kind=kind, class_id=1))


def discs():
    rows, columns = np.mgrid[:128, :128]
    return np.where(np.hypot(rows % 64 - 30, columns % 64 - 36) < 18, 1, -1).astype(np.float32)[None]


def test_what_hangs_on_the_pixels_alone_is_found_again():
    assert disagreement(model_of(lambda image: image), [discs()]) < 0.02


@pytest.mark.parametrize("kind", [None, "grains"])
def test_what_hangs_on_the_side_is_not(kind):
    place = torch.linspace(-1, 1, 128)
    model = model_of(lambda image: torch.zeros_like(image) + place[: image.shape[3]], kind)
    assert disagreement(model, [discs()]) > 0.4


def test_no_boundary_at_all_is_no_agreement():
    assert disagreement(model_of(lambda image: torch.full_like(image, -1), "grains"), [discs()]) == 1


def test_windows_of_any_size_will_do():
    torch.manual_seed(0)
    net = UNet(UNetConfig(width=2, depth=3)).eval()
    model = Model(net, model_of(lambda image: image).classes)
    for shape in ((1, 5, 40), (1, 33, 17)):
        assert 0 <= disagreement(model, [np.zeros(shape, np.float32)]) <= 1


def test_the_shipped_model_trusts_grains_and_not_noise():
    model = load_model("grain-boundaries")
    structure = VoronoiConfig(height=256, width=256, grains=80)
    grains = domain_gap(Micrograph(polycrystal(structure, ImagingConfig(), 3).image), model)
    noise = domain_gap(Micrograph(np.random.default_rng(0).integers(0, 255, (256, 256)).astype(np.uint8)), model)
    assert grains.light == "green"
    assert "finds 100% again" in grains.sentence
    assert noise.light == "red"
    assert "do not trust" in noise.sentence
    assert noise.info()["disagreement"] > 0.5
