"""Boxes and windows."""

from __future__ import annotations

import numpy as np
import pytest

from napari_microcnn.data import intensity_limits
from napari_microcnn.data.normalisation import IntensityLimits
from napari_microcnn.data.windows import Box, ReadAhead, read_window, split

PLAIN = IntensityLimits(np.zeros(1), np.ones(1))


class Spy:
    """An array that remembers what was read of it."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels, self.shape, self.ndim, self.read = pixels, pixels.shape, pixels.ndim, []
        self.dtype = pixels.dtype

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
        self.read.append(key)
        return self.pixels[key]


@pytest.mark.parametrize(("height", "width", "side"), [(1, 1, 32), (100, 70, 32), (64, 64, 64), (5, 200, 48)])
def test_boxes_cover_everything_once(height: int, width: int, side: int) -> None:
    count = np.zeros((height, width), int)
    for box in split(Box(0, height, 0, width), side):
        assert max(box.shape) <= side
        count[box.slices] += 1
    assert (count == 1).all()


def test_window_holds_the_box_and_its_margin_and_nothing_else_is_read() -> None:
    plane = Spy(np.arange(100 * 120, dtype=np.float32).reshape(100, 120) / 1e4)
    window, core = read_window(plane, Box(32, 48, 64, 80), margin=16, step=8, limits=PLAIN)
    assert plane.read == [(slice(16, 64), slice(48, 96))]
    assert np.array_equal(window[0], plane.pixels[16:64, 48:96])
    assert np.array_equal(window[0][core], plane.pixels[32:48, 64:80])


def test_far_sides_are_mirrored_to_the_next_multiple() -> None:
    plane = np.arange(6, dtype=np.float32).reshape(2, 3)
    window, core = read_window(plane, Box(0, 2, 0, 3), margin=8, step=4, limits=PLAIN)
    assert window[0].tolist() == [[0, 1, 2, 2], [3, 4, 5, 5], [3, 4, 5, 5], [0, 1, 2, 2]]
    assert core == (slice(0, 2), slice(0, 3))


def test_one_pixel_becomes_one_cell() -> None:
    window, core = read_window(np.array([[2.0]]), Box(0, 1, 0, 1), margin=96, step=16, limits=PLAIN)
    assert window.shape == (1, 16, 16)
    assert (window == 2).all()
    assert core == (slice(0, 1), slice(0, 1))


def test_unaligned_boxes_grow_to_multiples() -> None:
    plane = np.random.default_rng(0).random((64, 64))
    window, core = read_window(plane, Box(13, 21, 30, 31), margin=8, step=8, limits=PLAIN)
    assert window.shape == (1, 32, 24)
    assert np.array_equal(window[0][core], plane[13:21, 30:31].astype(np.float32))


def test_small_windows_grow_to_the_least_size_or_the_whole_plane() -> None:
    plane = np.zeros((64, 200))
    window, _ = read_window(plane, Box(0, 8, 0, 8), margin=8, step=8, limits=PLAIN, least=5000)
    assert window.size >= 5000
    window, _ = read_window(plane, Box(0, 8, 0, 8), margin=8, step=8, limits=PLAIN, least=10**6)
    assert window.shape == (1, 64, 200)


def test_channels_come_first() -> None:
    plane = np.random.default_rng(0).random((20, 30, 3))
    window, _ = read_window(plane, Box(0, 20, 0, 30), margin=8, step=2, limits=intensity_limits(plane))
    assert window.shape == (3, 20, 30)


def test_boxes_are_read_before_their_turn_and_once() -> None:
    plane = Spy(np.arange(80 * 90).reshape(80, 90))
    boxes = [Box(0, 40, 0, 50), Box(30, 80, 40, 90)]
    with ReadAhead(plane, boxes) as held:
        held.turn()
        assert np.array_equal(held[5:40, 0:50], plane.pixels[5:40, 0:50])
        assert np.array_equal(held[30:41, 0:50], plane.pixels[30:41, 0:50])
        held.turn()
        assert np.array_equal(held[30:80, 41:42], plane.pixels[30:80, 41:42])
    read = [Box(rows.start, rows.stop, cols.start, cols.stop) for rows, cols in plane.read]
    assert sorted(read) == sorted([*boxes, Box(30, 41, 0, 50)])


def test_an_error_in_reading_comes_at_the_turn_of_the_box() -> None:
    class Broken(Spy):
        def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
            if key[0].start:
                raise OSError("gone")
            return super().__getitem__(key)

    with ReadAhead(Broken(np.zeros((8, 8))), [Box(0, 4, 0, 8), Box(4, 8, 0, 8)]) as held:
        held.turn()
        assert not held[0:4, 0:8].any()
        with pytest.raises(OSError, match="gone"):
            held.turn()
