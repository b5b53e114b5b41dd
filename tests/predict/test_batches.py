"""What a GPU does: many windows at a time, while others are read. Here the processor plays the card."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_microcnn.config import ObjectRule, SegmentConfig
from napari_microcnn.data import IntensityLimits, intensity_limits
from napari_microcnn.data.windows import Box
from napari_microcnn.events import Notice
from napari_microcnn.models import Model
from napari_microcnn.predict import Tile, TilePredictor, predict_plane, predict_tiles, tiles
from napari_microcnn.predict.batches import alike, in_batches
from napari_microcnn.predict.network import ReadyNetwork

CPU = torch.device("cpu")
EXACT = {"precision": "float32", "device": "cpu"}
Form = tuple[int, ...]
Noise = Callable[[int, int], np.ndarray]


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[Form]:
    """Let the processor compute many windows at a time; returns the shapes of the batches."""
    shapes: list[Form] = []
    compute = ReadyNetwork.compute

    def noted(net: ReadyNetwork, images: Tensor, core: tuple[slice, slice]) -> Tensor:
        shapes.append(tuple(images.shape))
        return compute(net, images, core)

    monkeypatch.setattr(tiles, "BATCHED", ("cpu",))
    monkeypatch.setattr(ReadyNetwork, "compute", noted)
    return shapes


def one_by_one(model: Model, plane: np.ndarray, **settings: Any) -> np.ndarray:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "BATCHED", ())
        return predict_plane(model, plane, SegmentConfig(**EXACT, **settings))


@pytest.mark.parametrize(
    "change", [{}, {"orientations": 2}, {"overview": True}, {"overview": True, "orientations": 2}], ids=str
)
def test_many_windows_at_a_time_give_the_same(
    random_model: Callable[..., Model], noise: Noise, batches: list[Form], change: dict[str, Any]
) -> None:
    model, plane = replace(random_model(2), **change), noise(400, 640)
    expected = one_by_one(model, plane, tile=96)
    batches.clear()
    assert np.allclose(predict_plane(model, plane, SegmentConfig(tile=96, **EXACT)), expected, atol=1e-5)
    assert max(shape[0] for shape in batches) > 4


def test_cores_of_objects_come_in_batches_too(
    random_model: Callable[..., Model], noise: Noise, batches: list[Form]
) -> None:
    model, plane = random_model(2, ObjectRule(kind="touching", class_id=1)), noise(300, 900)
    first, second = (list(predict_tiles(model, plane, SegmentConfig(tile=side, **EXACT))) for side in (128, 8192))
    assert max(shape[0] for shape in batches) > 1
    [whole] = [tile for tile in second if isinstance(tile, Tile)]
    assert whole.cores is not None
    for tile in first:
        assert isinstance(tile, Tile)
        assert tile.cores is not None
        assert np.allclose(tile.cores, whole.cores[tile.region], atol=1e-5)


def test_every_tile_comes_once_and_is_counted(
    random_model: Callable[..., Model], noise: Noise, batches: list[Form]
) -> None:
    plane = noise(450, 500)
    events = list(predict_tiles(random_model(), plane, SegmentConfig(tile=96, **EXACT)))
    found = [event for event in events if isinstance(event, Tile)]
    count = np.zeros(plane.shape, int)
    for tile in found:
        count[tile.region] += 1
    assert (count == 1).all()
    assert [(tile.done, tile.total) for tile in found] == [(number, 30) for number in range(1, 31)]
    assert len(batches) < 30


def test_what_is_looked_at_first_comes_first(
    random_model: Callable[..., Model], noise: Noise, batches: list[Form]
) -> None:
    predictor, plane = TilePredictor(random_model(), SegmentConfig(tile=96, **EXACT)), noise(450, 500)
    boxes = {7: Box(192, 288, 192, 288), 3: Box(0, 192, 0, 192), 5: Box(288, 450, 192, 500)}
    limits = intensity_limits(plane)
    found = dict(predictor.boxes(plane, limits, boxes))
    assert next(iter(found)) == 7
    assert max(shape[0] for shape in batches) > 1
    expected = one_by_one(random_model(), plane, tile=96)
    for number, box in boxes.items():
        pixels = 0
        for tile in found[number]:
            assert isinstance(tile, Tile)
            pixels += tile.probabilities[0].size
            assert np.allclose(tile.probabilities, expected[:, tile.region[0], tile.region[1]], atol=1e-5)
        assert pixels == box.shape[0] * box.shape[1]


def limited(monkeypatch: pytest.MonkeyPatch, most: int) -> list[Form]:
    """Let the memory be too small for batches of more than so many pixels."""
    compute, done = ReadyNetwork.compute, list[Form]()

    def failing(net: ReadyNetwork, images: Tensor, core: tuple[slice, slice]) -> Tensor:
        if images.numel() > most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        done.append(tuple(images.shape))
        return compute(net, images, core)

    monkeypatch.setattr(ReadyNetwork, "compute", failing)
    return done


def test_too_little_memory_means_fewer_windows_at_a_time(
    random_model: Callable[..., Model], noise: Noise, batches: list[Form], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, plane = random_model(2), noise(700, 900)
    expected = one_by_one(model, plane, tile=128)
    done = limited(monkeypatch, 4 * 300 * 300)
    events = list(predict_tiles(model, plane, SegmentConfig(tile=128, **EXACT)))
    assert not [event for event in events if isinstance(event, Notice)]
    assert 1 < max(shape[0] for shape in done) <= 5
    found = np.zeros_like(expected)
    for tile in events:
        assert isinstance(tile, Tile)
        found[:, tile.region[0], tile.region[1]] = tile.probabilities
    assert np.allclose(found, expected, atol=1e-5)


def test_then_it_means_smaller_tiles(
    random_model: Callable[..., Model], noise: Noise, batches: list[Form], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, plane = random_model(2), noise(1100, 1100)
    done = limited(monkeypatch, 310 * 310)
    events = list(predict_tiles(model, plane, SegmentConfig(tile=512, **EXACT)))
    assert [event.message for event in events if isinstance(event, Notice)] == [
        "The memory is too small for such tiles; going on with tiles of 256 pixels."
    ]
    assert {shape[0] for shape in done} == {1}
    last = events[-1]
    assert isinstance(last, Tile)
    assert last.done == last.total


def test_the_next_windows_are_read_while_one_batch_is_computed() -> None:
    """The first batch is not done before the second has been read."""
    second = threading.Event()

    def read(number: int) -> tuple[np.ndarray, tuple[slice, slice]]:
        if number >= 2:
            second.set()
        return np.full((1, 4, 4), number, np.float32), (slice(0, 4), slice(0, 4))

    def compute(images: Tensor, core: tuple[slice, slice]) -> Tensor:
        assert second.wait(10)
        return images * 2

    found = list(in_batches([[0, 1], [2, 3], [4]], read, compute, CPU))
    assert [(number, float(answer.max())) for number, answer in found] == [(n, 2.0 * n) for n in range(5)]


def test_one_batch_is_launched_before_the_last_is_waited_for() -> None:
    launched = list[int]()

    def compute(images: Tensor, core: tuple[slice, slice]) -> Tensor:
        launched.append(int(images.max()))
        return images

    job = in_batches([[1], [2], [3]], lambda n: (np.full((1, 2, 2), n, np.float32), (slice(0, 2),) * 2), compute, CPU)
    assert next(job)[0] == 1
    assert launched == [1, 2]


@pytest.mark.parametrize("how", ["closed", "broken"])
def test_readers_end_with_the_job(how: str) -> None:
    def read(number: int) -> tuple[np.ndarray, tuple[slice, slice]]:
        if number == 9:
            raise OSError("the file has vanished")
        return np.zeros((1, 2, 2), np.float32), (slice(0, 2), slice(0, 2))

    job = in_batches([[number] for number in range(20)], read, lambda images, _: images, CPU)
    next(job)
    if how == "closed":
        job.close()  # type: ignore[attr-defined]
    else:
        with pytest.raises(OSError, match="vanished"):
            list(job)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("reader")]


def test_groups_keep_the_order_of_what_comes_first() -> None:
    assert alike([5, 15, 6, 25, 7, 16], lambda n: n // 10, lambda n: 2) == [[5, 6], [15, 16], [25], [7]]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU of NVIDIA")
def test_a_card_says_the_same_as_the_processor(random_model: Callable[..., Model], noise: Noise) -> None:
    model, plane = replace(random_model(3), orientations=2), noise(1500, 1700)
    limits = IntensityLimits(np.array([127.0]), np.array([64.0]))
    found, expected = (
        np.concatenate(
            [
                tile.probabilities.ravel()
                for tile in sorted(
                    (event for event in predict_tiles(model, plane, config, limits) if isinstance(event, Tile)),
                    key=lambda tile: (tile.region[0].start, tile.region[1].start),
                )
            ]
        )
        for config in (SegmentConfig(device=device, precision="float32", tile=256) for device in ("cuda", "cpu"))
    )
    assert np.allclose(found, expected, atol=1e-2)
