"""Tiles: exact, for any image, within the memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import dask.array as da
import numpy as np
import pytest
import torch

from napari_microcnn.config import ClassInfo, SegmentConfig, UNetConfig
from napari_microcnn.data import IntensityLimits, intensity_limits, normalise
from napari_microcnn.device import fast_int8
from napari_microcnn.events import Notice
from napari_microcnn.models import Model, ModelError
from napari_microcnn.nets import UNet
from napari_microcnn.predict import Tile, TilePredictor, network, predict_plane, predict_tiles, tiles

CLASSES = tuple(ClassInfo(id=number, name=f"class {number}", colour="#0072b2") for number in (1, 2))
EXACT = {"precision": "float32", "device": "cpu"}
PRECISIONS = ["float32", "bfloat16", *(["int8"] if fast_int8(torch.device("cpu")) else [])]


def make_model(depth: int = 2, width: int = 4, channels: int = 1) -> Model:
    """Return a random network whose statistics are not the initial ones."""
    torch.manual_seed(depth)
    net = UNet(UNetConfig(width=width, depth=depth, channels=channels))
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 2)
                module.bias.normal_(0, 0.5)
    return Model(net.eval(), CLASSES)


def picture(*shape: int, dtype: Any = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, shape).astype(dtype)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    ("depth", "shape", "tile"),
    [
        (2, (300, 217), 64),
        (3, (150, 401), 96),
        (4, (333, 340), 128),
        (4, (17, 650), 208),
        (2, (40, 35), 32),
        (2, (600, 333), 256),  # large enough for the decoder to see less than the window
        (4, (1040, 530), 512),
    ],
)
def test_tiled_equals_untiled_bit_for_bit(depth: int, shape: tuple[int, int], tile: int, precision: Any) -> None:
    model, plane = make_model(depth), picture(*shape)
    whole = predict_plane(model, plane, SegmentConfig(tile=8192, precision=precision, device="cpu"))
    tiled = predict_plane(model, plane, SegmentConfig(tile=tile, precision=precision, device="cpu"))
    assert np.array_equal(tiled, whole)


@pytest.mark.parametrize(("orientations", "shape"), [(2, (150, 97)), (4, (60, 333)), (8, (70, 41))])
def test_tiled_equals_untiled_in_every_orientation(orientations: int, shape: tuple[int, int]) -> None:
    model, plane = replace(make_model(3), orientations=orientations), picture(*shape)
    whole = predict_plane(model, plane, SegmentConfig(tile=8192, device="cpu"))
    assert np.array_equal(predict_plane(model, plane, SegmentConfig(tile=48, device="cpu")), whole)


def test_large_tiles_in_every_orientation() -> None:
    model, plane = replace(make_model(2), orientations=8), picture(530, 280)
    whole = predict_plane(model, plane, SegmentConfig(tile=8192, device="cpu"))
    assert np.array_equal(predict_plane(model, plane, SegmentConfig(tile=264, device="cpu")), whole)


@pytest.mark.parametrize("shape", [(150, 97), (333, 70), (64, 64)])
def test_tiled_equals_untiled_with_the_overview(shape: tuple[int, int]) -> None:
    model, plane = replace(make_model(2), overview=True, orientations=2), picture(*shape)
    whole = predict_plane(model, plane, SegmentConfig(tile=8192, device="cpu"))
    assert np.array_equal(predict_plane(model, plane, SegmentConfig(tile=36, device="cpu")), whole)
    assert not np.allclose(whole, predict_plane(replace(model, overview=False), plane, SegmentConfig(device="cpu")))
    assert np.allclose(whole.sum(axis=0), 1, atol=1e-5)


def test_the_overview_sees_farther() -> None:
    model, plane = make_model(2), picture(256, 256)
    other = plane.copy()
    other[:, 200:] = 0
    limits = intensity_limits(plane)

    def change(model: Model) -> np.ndarray:
        answers = []
        for one in (plane, other):
            answer = np.empty((2, 256, 256), np.float32)
            for tile in TilePredictor(model, SegmentConfig(**EXACT)).tiles(one, limits):
                answer[:, tile.region[0], tile.region[1]] = tile.probabilities
            answers.append(answer)
        return abs(answers[0] - answers[1])[:, :, 150:160].max()

    assert change(model) == 0
    assert change(replace(model, overview=True)) > 0


def test_all_orientations_make_the_answer_turn_with_the_image() -> None:
    model, plane = make_model(), picture(64, 96)
    config = SegmentConfig(orientations=8, **EXACT)
    upright = predict_plane(model, plane, config)
    for turned, back in (
        (plane[::-1], lambda answer: answer[:, ::-1]),
        (plane.T, lambda answer: answer.transpose(0, 2, 1)),
        (np.rot90(plane), lambda answer: np.rot90(answer, -1, (1, 2))),
    ):
        assert np.allclose(back(predict_plane(model, np.ascontiguousarray(turned), config)), upright, atol=1e-5)
    assert not np.allclose(predict_plane(model, plane, SegmentConfig(**EXACT)), upright, atol=1e-3)


def test_untiled_is_what_the_network_says() -> None:
    model, plane = make_model(), picture(64, 96)
    images = torch.from_numpy(normalise(plane, intensity_limits(plane)))[None]
    with torch.inference_mode():
        expected = model.net(images).softmax(dim=1)[0].numpy()
    assert np.allclose(predict_plane(model, plane, SegmentConfig(**EXACT)), expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (1, 100), (3, 2), (16, 16), (33, 65)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float16, np.float64, bool])
def test_any_size_and_type(shape: tuple[int, int], dtype: Any) -> None:
    result = predict_plane(make_model(), picture(*shape, dtype=dtype), SegmentConfig(tile=32, **EXACT))
    assert result.shape == (2, *shape)
    assert result.dtype == np.float32
    assert np.allclose(result.sum(axis=0), 1, atol=1e-5)


def test_many_channels() -> None:
    result = predict_plane(make_model(channels=5), picture(40, 50, 5), SegmentConfig(**EXACT))
    assert result.shape == (2, 40, 50)


def test_another_number_of_channels_is_refused() -> None:
    with pytest.raises(ModelError, match=r"takes images with 1 channel\(s\), this image has 3"):
        predict_plane(make_model(), picture(40, 50, 3))


def test_pixels_that_are_no_numbers_stay_local() -> None:
    plane = picture(64, 200, dtype=np.float32)
    spoilt = plane.copy()
    spoilt[:4, :4] = np.nan
    limits = intensity_limits(plane)
    first, second = (
        np.concatenate([event.probabilities for event in predict_tiles(make_model(), one, limits=limits)], axis=2)
        for one in (plane, spoilt)
    )
    assert np.isfinite(second).all()
    assert np.array_equal(first[..., 60:], second[..., 60:])


def test_lazy_planes_are_read_window_by_window() -> None:
    plane = picture(700, 700)
    largest = 0

    def watched(block: np.ndarray) -> np.ndarray:
        return block

    class Spy:
        shape, ndim, dtype = plane.shape, 2, plane.dtype

        def __getitem__(self, key: Any) -> np.ndarray:
            nonlocal largest
            result = plane[key]
            largest = max(largest, result.size)
            return result

    config = SegmentConfig(tile=128, **EXACT)
    limits = intensity_limits(plane)
    regions = [event.region for event in predict_tiles(make_model(), Spy(), config, limits)]  # type: ignore[arg-type]
    assert len(regions) == 36
    assert largest <= (128 + 160) ** 2
    lazy = da.from_array(plane, chunks=200).map_blocks(watched)
    assert np.array_equal(predict_plane(make_model(), lazy, config), predict_plane(make_model(), plane, config))


def test_progress_counts_every_tile() -> None:
    events = list(predict_tiles(make_model(), picture(100, 100), SegmentConfig(tile=32, **EXACT)))
    assert [(event.done, event.total) for event in events if isinstance(event, Tile)] == [
        (number, 16) for number in range(1, 17)
    ]


def test_closing_stops_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    forward = UNet.forward
    monkeypatch.setattr(UNet, "forward", lambda net, x, *core: (calls.append(1), forward(net, x, *core))[1])
    job = predict_tiles(make_model(), picture(100, 100), SegmentConfig(tile=32, **EXACT))
    next(job)
    job.close()
    assert len(calls) == 1


def test_the_model_stays_as_it_is() -> None:
    model = make_model()
    before = model.sha256
    predict_plane(model, picture(40, 40), SegmentConfig(precision="bfloat16"))
    assert model.sha256 == before


def limited(monkeypatch: pytest.MonkeyPatch, most: int, error: Exception) -> None:
    """Let the network fail for windows of more than `most` pixels."""
    forward = UNet.forward

    def failing(net: UNet, x: torch.Tensor, *core: Any) -> torch.Tensor:
        if x.shape[-1] * x.shape[-2] > most:
            raise error
        return forward(net, x, *core)

    monkeypatch.setattr(UNet, "forward", failing)
    monkeypatch.setattr(network, "least_window", lambda _: 0)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
        SystemError("error return without exception set"),
    ],
    ids=["cuda", "numpy", "cpu", "mps", "extension"],
)
def test_out_of_memory_halves_the_tile_and_goes_on(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    model, plane = make_model(), picture(300, 260)
    expected = predict_plane(model, plane, SegmentConfig(**EXACT))
    limited(monkeypatch, 150 * 150, error)
    events = list(predict_tiles(model, plane, SegmentConfig(tile=256, **EXACT)))
    notices = [event.message for event in events if isinstance(event, Notice)]
    assert notices == [
        "The memory is too small for such tiles; going on with tiles of 128 pixels.",
        "The memory is too small for such tiles; going on with tiles of 64 pixels.",
    ]
    count, result = np.zeros(plane.shape, int), np.zeros((2, *plane.shape), np.float32)
    for event in events:
        if isinstance(event, Tile):
            count[event.region] += 1
            result[:, event.region[0], event.region[1]] = event.probabilities
    assert (count == 1).all()
    assert np.allclose(result, expected, atol=1e-5)
    last = [event for event in events if isinstance(event, Tile)][-1]
    assert last.done == last.total


def test_no_memory_at_all_is_one_clear_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, 0, MemoryError())
    with pytest.raises(ValueError, match="too small even for a tile of 32 pixels"):
        list(predict_tiles(make_model(), picture(100, 100), SegmentConfig(tile=64, **EXACT)))


def test_other_errors_are_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, 0, RuntimeError("something else"))
    with pytest.raises(RuntimeError, match="something else"):
        list(predict_tiles(make_model(), picture(40, 40), SegmentConfig(**EXACT)))


def test_tile_size_follows_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    for memory in (1 << 40, 200 << 20, 1 << 20):
        monkeypatch.setattr(tiles, "available_memory", lambda _, memory=memory: memory)
        lazy = da.zeros((4096, 4096), chunks=512, dtype=np.uint8)
        job = TilePredictor(make_model(depth=4), SegmentConfig(**EXACT)).tiles(
            lazy, IntensityLimits(np.zeros(1), np.ones(1))
        )
        monkeypatch.setattr(TilePredictor, "_predict", lambda *_: np.zeros((2, 1, 1), np.float32))
        sizes.append(next(job).region[0].stop)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] >= 512
    assert sizes[-1] == 32
    assert all(size % 16 == 0 for size in sizes)
