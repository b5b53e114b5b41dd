"""Other magnifications: the same values however they are read, and no aliasing."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

from napari_microcnn.data.resampling import Resampled, sample_windows, zoomed_shape

PLANE = np.random.default_rng(0).random((61, 83)).astype(np.float32)


@pytest.mark.parametrize("factor", [0.18, 0.5, 0.71, 1, 1.41, 2.83])
def test_a_piece_equals_the_piece_of_the_whole(factor):
    seen = Resampled(PLANE, zoomed_shape(PLANE.shape, factor))
    whole = seen[:, :]
    assert whole.shape == seen.shape
    assert np.array_equal(seen[3:9, 2:11], whole[3:9, 2:11])
    assert np.array_equal(seen[::3, ::2], whole[::3, ::2])


def test_a_ramp_stays_a_ramp_and_a_constant_a_constant():
    ramp = np.broadcast_to(np.arange(80, dtype=np.float32), (40, 80))
    twice = Resampled(ramp, (80, 160))[:, :]
    assert np.allclose(np.diff(twice[:, 4:-4], axis=1), 0.5, atol=1e-4)
    half = Resampled(ramp, (20, 40))[:, :]
    assert np.allclose(half[5, 3:-3], np.arange(3, 37) * 2 + 0.5, atol=1e-4)
    assert np.allclose(Resampled(np.full((9, 9), 7), (4, 21))[:, :], 7, atol=1e-5)


def test_fine_stripes_do_not_alias():
    stripes = np.broadcast_to(np.arange(200) % 2, (50, 200)).astype(np.float32)
    assert np.ptp(Resampled(stripes, (17, 67))[:, 3:-3]) < 0.12


def test_channels_and_lazy_planes():
    colours = np.stack([PLANE, PLANE * 2, PLANE * 3], -1)
    seen = Resampled(da.from_array(colours, chunks=(16, 16, 3)), (30, 40))
    assert seen.shape == (30, 40, 3)
    assert np.allclose(seen[:, :][..., 1], 2 * Resampled(PLANE, (30, 40))[:, :], atol=1e-5)


def test_only_what_is_needed_is_read():
    class Spy:
        shape, ndim = (1000, 1000), 2

        def __init__(self):
            self.read = []

        def __getitem__(self, region):
            self.read.append(region)
            return np.zeros([part.stop - part.start for part in region], np.uint8)

    spy = Spy()
    Resampled(spy, (500, 500))[100:110, 200:220]
    (rows, cols) = spy.read[0]
    assert 190 < rows.start <= 200
    assert rows.stop <= 230
    assert cols.stop - cols.start < 50


def test_zoomed_shape_is_at_least_a_pixel():
    assert zoomed_shape((1, 1000), 0.25) == (1, 250)


def test_windows_stand_for_a_large_plane_and_a_small_one_is_read_whole():
    large = np.arange(1000 * 900).reshape(1000, 900)
    windows = sample_windows(large, side=100, count=3)
    assert [window.shape for window in windows] == [(100, 100)] * 9
    assert windows[-1][-1, -1] == large[-1, -1]
    assert [window.shape for window in sample_windows(PLANE, side=100)] == [PLANE.shape]
    assert all(window.shape == (50, 100) for window in sample_windows(np.zeros((50, 5000)), side=100))


def test_numbers_too_large_for_float32_are_infinite_and_stay_local():
    plane = np.ones((40, 40))
    plane[0, 0] = -1e308
    half = Resampled(plane, (20, 20))[:, :]
    assert not np.isfinite(half[0, 0])
    assert np.isfinite(half[3:]).all()
