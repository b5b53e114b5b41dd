"""Windows of one value: their answer is known from a small one, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from napari_microcnn.config import ObjectRule, SegmentConfig
from napari_microcnn.device import fast_int8
from napari_microcnn.models import Model
from napari_microcnn.nets import halo
from napari_microcnn.predict import network, predict_plane
from napari_microcnn.predict.network import ReadyNetwork
from napari_microcnn.predict.uniform import Shortened, shortened

Noise = Callable[[int, int], np.ndarray]
Pair = tuple[np.ndarray, np.ndarray]
PRECISIONS = ["float32", "bfloat16", *(["int8"] if fast_int8(torch.device("cpu")) else [])]


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Pair]:
    """Predict with and without the short cut, and make sure that so many windows took it."""

    def predict(model: Model, plane: np.ndarray, windows: int, **settings: Any) -> Pair:
        taken, config = list[bool](), SegmentConfig(device="cpu", **settings)

        def noted(*window: Any, **about: int) -> Shortened | None:
            found = shortened(*window, **about)
            taken.append(found is not None)
            return found

        monkeypatch.setattr(network, "shortened", noted)
        found = predict_plane(model, plane, config)
        monkeypatch.setattr(network, "shortened", lambda *_, **__: None)
        assert sum(taken) == windows
        return found, predict_plane(model, plane, config)

    return predict


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("depth", "tile", "edge", "windows"), [(2, 384, 420, 6), (3, 640, 300, 4)])
def test_black_tiles_are_answered_as_the_network_would(
    both: Callable[..., Pair], random_model: Callable[..., Model], noise: Noise,
    precision: str, depth: int, tile: int, edge: int, windows: int,
) -> None:  # fmt: skip
    plane = noise(1300, 1150)
    plane[:, edge:] = 0  # touches three borders of the plane
    found, expected = both(random_model(depth), plane, windows, precision=precision, tile=tile)
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_black_tiles_in_every_orientation(
    both: Callable[..., Pair], random_model: Callable[..., Model], noise: Noise, precision: str
) -> None:
    plane = np.zeros((900, 530), np.uint8)
    plane[:100, :100] = noise(100, 100)
    model = replace(random_model(2), orientations=8)
    found, expected = both(model, plane, 2, precision=precision, tile=404)
    assert np.array_equal(found, expected)


def test_black_tiles_with_cores_of_objects(both: Callable[..., Pair], random_model: Callable[..., Model]) -> None:
    model = random_model(2, ObjectRule(kind="touching", class_id=1))
    plane = np.zeros((900, 900), np.uint8)
    plane[:9, :9] = 200
    found, expected = both(model, plane, 4, tile=452)
    assert np.array_equal(found, expected)


def test_a_blank_plane_is_answered_from_one_small_window(
    both: Callable[..., Pair], random_model: Callable[..., Model]
) -> None:
    found, expected = both(random_model(2), np.full((1201, 1203), 7, np.uint16), 9, tile=404, precision="float32")
    assert np.array_equal(found, expected)


def test_other_values_have_other_answers(both: Callable[..., Pair], random_model: Callable[..., Model]) -> None:
    plane = np.zeros((400, 1600), np.uint8)
    plane[:, 800:] = 255
    found, expected = both(random_model(2), plane, 4, tile=400, precision="float32")
    assert np.array_equal(found, expected)
    assert not np.array_equal(found[:, 200, 200], found[:, 200, 1400])


@pytest.mark.parametrize("spot", [(0, 0), (200, 201), (511, 511)])
def test_one_other_pixel_is_seen(spot: tuple[int, int]) -> None:
    window, core = np.zeros((2, 512, 512), np.float32), (slice(96, 416), slice(96, 416))
    about = {"margin": 96, "step": 16, "least": 2**16}
    short = shortened(window, core, **about)
    assert short is not None
    assert short.rest is None
    window[(1, *spot)] = 1e-6
    short = shortened(window, core, **about)
    assert short is not None
    assert short.rest is not None
    assert short.rest.window.any()
    assert short.rest.window.shape[1] < 512


def test_windows_full_of_other_values_take_no_short_cut() -> None:
    window = np.zeros((1, 512, 512), np.float32)
    window[:, ::200, ::200] = 1
    assert shortened(window, (slice(96, 416),) * 2, margin=96, step=16, least=2**16) is None


@pytest.mark.parametrize("precision", PRECISIONS)
def test_pieces_of_a_mosaic(
    both: Callable[..., Pair], random_model: Callable[..., Model], noise: Noise, precision: str
) -> None:
    plane, pixels = np.zeros((1111, 1222), np.uint8), noise(1111, 1222)
    for top, left, height, width in ((5, 30, 90, 280), (500, 407, 37, 41), (800, 900, 311, 322), (420, 0, 2, 1222)):
        plane[top : top + height, left : left + width] = pixels[top : top + height, left : left + width]
    model = replace(random_model(2), orientations=2)
    found, expected = both(model, plane, 6, precision=precision, tile=404)
    assert np.array_equal(found, expected)


def test_places_keep_their_distance_to_the_border_and_their_cell(random_model: Callable[..., Model]) -> None:
    margin, step = halo(random_model(4).config), 16
    short = shortened(
        np.zeros((1, 1600, 800), np.float32), (slice(0, 1600), slice(96, 700)), margin=margin, step=step, least=2**16
    )
    assert short is not None
    assert short.window.shape == (1, 256, 256)
    rows = np.arange(1600)
    assert (short.rows % step == rows % step).all()
    for near, far in ((rows, short.rows), (1599 - rows, 255 - short.rows)):
        assert (near[near < margin] == far[near < margin]).all()
        assert (far[near >= margin] >= margin).all()


def test_narrow_planes_are_shortened_along_their_length() -> None:
    short = shortened(
        np.zeros((1, 64, 8000), np.float32), (slice(0, 64), slice(0, 8000)), margin=96, step=16, least=2**16
    )
    assert short is not None
    assert short.window.shape == (1, 64, 1024)
    assert shortened(np.zeros((1, 64, 900), np.float32), (slice(0, 64),) * 2, margin=96, step=16, least=2**16) is None


def test_few_answers_are_remembered(random_model: Callable[..., Model]) -> None:
    net = ReadyNetwork(random_model(2), torch.device("cpu"), torch.float32, 1)
    for value in range(20):
        net.see(np.full((1, 400, 400), value / 10, np.float32), (slice(0, 400), slice(0, 400)))
    assert len(net._uniform) <= network._REMEMBERED
