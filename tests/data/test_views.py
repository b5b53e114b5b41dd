"""What a classifier sees of an image."""

from __future__ import annotations

import dask.array as da
import numpy as np

from napari_microcnn.data.views import View, common_limits, spread_windows

RNG = np.random.default_rng(0)


def test_windows_are_parts_of_the_whole_and_mirrored_beyond_it() -> None:
    pixels = RNG.integers(0, 4000, (50, 70), np.uint16)
    prospect = View(32, 1).of(pixels)
    whole = prospect.whole()
    assert whole.shape == (1, 50, 70)
    np.testing.assert_array_equal(prospect.window(5, 7, 32, 32), whole[:, 5:37, 7:39])
    padded = np.pad(whole, ((0, 0), (8, 8), (8, 8)), mode="symmetric")
    np.testing.assert_array_equal(prospect.window(-8, -8, 66, 86), padded)


def test_a_small_image_is_mirrored_up_to_a_window() -> None:
    prospect = View(32, 1).of(RNG.random((10, 12)))
    assert prospect.whole().shape == (1, 32, 32)
    assert prospect.spread(9).shape == (1, 1, 32, 32)


def test_depth_and_contrast_do_not_matter_unless_grey_values_do() -> None:
    eight = RNG.integers(0, 255, (40, 40), np.uint8)
    sixteen = eight.astype(np.uint16) * 100 + 3000
    np.testing.assert_allclose(View(40, 1).of(eight).whole(), View(40, 1).of(sixteen).whole(), atol=1e-3)
    dark, bright = np.full((16, 16), 10, np.uint8), np.full((16, 16), 20, np.uint8)
    limits = common_limits([dark, bright])
    values = [float(View(16, 1, limits=limits).of(one).whole().mean()) for one in (dark, bright)]
    np.testing.assert_allclose(values, [-1, 1], atol=1e-5)


def test_grey_and_colour_stand_for_each_other() -> None:
    grey = RNG.integers(0, 255, (20, 20), np.uint8)
    colour = np.stack([grey] * 3, axis=-1)
    assert View(16, 3).of(grey).whole().shape == (3, 20, 20)
    np.testing.assert_allclose(View(16, 1).of(colour).whole(), View(16, 1).of(grey).whole(), atol=1e-3)


def test_lazy_images_are_read_in_parts() -> None:
    pixels = RNG.integers(0, 255, (90, 90), np.uint8)
    lazy = View(32, 1, 0.5).of(da.from_array(pixels, chunks=30))
    np.testing.assert_allclose(lazy.spread(4), View(32, 1, 0.5).of(pixels).spread(4))
    assert lazy.shape == (45, 45)


def test_windows_are_spread_evenly() -> None:
    assert spread_windows((64, 64), 64, 9) == [(0, 0)]
    assert spread_windows((30, 40), 64, 9) == [(0, 0)]
    places = spread_windows((200, 1000), 64, 6)
    assert len(places) <= 6
    assert max(y for y, _ in places) <= 136
    assert max(x for _, x in places) == 936
