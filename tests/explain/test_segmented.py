"""Explanations of segmenters piece by piece against the whole image at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from napari_microcnn.config import ClassInfo, ExplainConfig, UNetConfig
from napari_microcnn.events import Notice, result_of
from napari_microcnn.explain import pieces
from napari_microcnn.explain import sight as sights
from napari_microcnn.explain.activations import activation_map
from napari_microcnn.explain.attribution import integrated_gradients
from napari_microcnn.explain.enlarging import enlarged
from napari_microcnn.explain.explanation import explain_class
from napari_microcnn.explain.gradcam import grad_cam, guided_gradients
from napari_microcnn.explain.layers import maps_of
from napari_microcnn.explain.sight import Sight
from napari_microcnn.explain.target import Target
from napari_microcnn.models import Model
from napari_microcnn.nets import UNet, receptive_fields

CLASSES = (ClassInfo(id=1, name="dark", colour="#000000"), ClassInfo(id=2, name="bright", colour="#ffffff"))
SHAPE = 150, 134
"""No multiples of anything, so that the margins are mirrored."""
METHODS = ("grad-cam", "guided-grad-cam", "integrated-gradients", "occlusion")


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    net = UNet(UNetConfig(width=4, depth=2)).eval()
    for name, values in net.named_buffers():
        if name.endswith("running_var"):
            values.mul_(0.3)  # so that the signal does not fade away
    return Model(net, CLASSES)


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sights, "LARGEST", 64)


def interest(kind: str) -> np.ndarray | None:
    if kind == "whole":
        return None
    region = np.zeros(SHAPE, bool)
    region[40:90, 50:128] = True
    return region


def at_once(model: Model, image: np.ndarray, method: str, layer: str, region: np.ndarray | None) -> np.ndarray:
    """Explain the whole image with the bare methods."""
    sight = Sight(image, model)
    padded = tuple(-(-side // 4) * 4 for side in SHAPE)
    seen = torch.from_numpy(sight.prospect.window(0, 0, *padded))[None]
    where = torch.zeros(padded, dtype=torch.bool)
    where[: SHAPE[0], : SHAPE[1]] = True if region is None else torch.from_numpy(region)
    target = Target(1, where)
    if method == "integrated-gradients":
        found = result_of(integrated_gradients(sight.net, seen, target, 4))[0].sum(dim=0)
    else:
        found = enlarged(
            grad_cam(sight.net, seen, target, layer), receptive_fields(sight.net, (1, *padded))[layer], padded
        )[0]
    if method == "guided-grad-cam":
        found = found * guided_gradients(sight.net, seen, target)[0].abs().sum(dim=0)
    return found[: SHAPE[0], : SHAPE[1]].numpy()


def explained(model: Model, image: np.ndarray, region: np.ndarray | None, **settings: object) -> np.ndarray:
    found = result_of(explain_class(image, model, 2, ExplainConfig(device="cpu", **settings), region))
    whole = np.zeros(SHAPE, np.float32)
    whole[found.region] = found.heat
    return whole


def assert_same(found: np.ndarray, truth: np.ndarray) -> None:
    assert np.abs(truth).max() > 0
    assert np.abs(found - truth).max() < 1e-4 * np.abs(truth).max()


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("kind", ["whole", "region"])
@pytest.mark.parametrize("layer", ["encoder.0.0", "bottleneck.5", "decoder.0.3"])
def test_grad_cam_of_pieces_equals_that_of_the_whole_image(
    model: Model, image: np.ndarray, kind: str, layer: str
) -> None:
    truth = at_once(model, image, "grad-cam", layer, interest(kind))
    found = explained(model, image, interest(kind), layer=layer)
    box = Sight(image, model).image_box(interest(kind))
    inside = np.zeros(SHAPE, bool)
    inside[box] = True
    assert_same(found[inside], truth[inside])


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("kind", ["whole", "region"])
@pytest.mark.parametrize("method", ["guided-grad-cam", "integrated-gradients"])
def test_pixels_add_as_much_in_pieces_as_in_the_whole_image(
    model: Model, image: np.ndarray, kind: str, method: str
) -> None:
    truth = at_once(model, image, method, "bottleneck.5", interest(kind))
    found = explained(model, image, interest(kind), method=method, layer="bottleneck.5", steps=4)
    scale = np.abs(found).max() / np.abs(truth).max()
    assert method == "guided-grad-cam" or scale == pytest.approx(1, abs=1e-3)
    assert_same(found / scale, truth)


@pytest.mark.parametrize("kind", ["whole", "region"])
def test_occlusion_in_pieces_and_many_covers_at_a_time(
    model: Model, image: np.ndarray, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"method": "occlusion", "window": 30, "stride": 20}
    region = interest(kind)
    whole = explained(model, image, region, **settings)
    monkeypatch.setattr(sights, "LARGEST", 64)
    assert_same(explained(model, image, region, **settings), whole)


def test_a_cover_hides_what_it_covers(model: Model, image: np.ndarray) -> None:
    """Covers one by one, by hand, against many covers at a time."""
    region = interest("region")
    sight = Sight(image, model)
    seen = torch.from_numpy(sight.prospect.window(0, 0, 152, 136))[None]
    target = Target(1, torch.from_numpy(np.pad(region, ((0, 2), (0, 2)))))
    with torch.no_grad():
        hidden = seen.clone()
        hidden[..., 60:90, 30:60] = 0
        fall = float(target.scores(sight.net(seen)) - target.scores(sight.net(hidden)))
    found = explained(model, image, region, method="occlusion", window=30, stride=30)
    assert abs(fall) > 1e-4
    assert found[75, 45] == pytest.approx(fall, rel=1e-3)


@pytest.mark.usefixtures("small_pieces")
def test_maps_have_no_seams(model: Model, image: np.ndarray) -> None:
    sight = Sight(image, model)
    seen = torch.from_numpy(sight.prospect.window(0, 0, 152, 136))[None]
    maps = maps_of(sight.net, seen, "encoder.1.3")[:, 2]
    truth = enlarged(maps, receptive_fields(sight.net, (1, 152, 136))["encoder.1.3"], (152, 136))[0, :150, :134]
    assert_same(result_of(activation_map(sight, "encoder.1.3", 2)), truth.numpy())


@pytest.mark.usefixtures("small_pieces")
def test_the_probability_is_that_of_the_pixels_of_interest(model: Model, image: np.ndarray) -> None:
    region = interest("region")
    sight = Sight(image, model)
    with torch.no_grad():
        shares = sight.net(torch.from_numpy(sight.prospect.window(0, 0, 152, 136))[None]).softmax(dim=1)
    truth = shares[0, 1, :150, :134].numpy()[region].mean()
    for method in METHODS:
        config = ExplainConfig(method=method, steps=2, window=40, stride=40, device="cpu")
        assert result_of(explain_class(image, model, 2, config, region)).probability == pytest.approx(truth, abs=1e-5)


def test_very_large_images_are_looked_at_in_parts_with_a_notice(
    model: Model, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def notices(ready: Callable[[], None]) -> list[str]:
        ready()
        job = explain_class(image, model, 2, ExplainConfig(device="cpu"))
        return [event.message for event in job if isinstance(event, Notice)]

    assert notices(lambda: monkeypatch.setattr(sights, "LARGEST", 64)) == []
    said = notices(lambda: monkeypatch.setattr(pieces, "CELLS", 2))
    assert len(said) == 1
    assert "choose a region" in said[0]
