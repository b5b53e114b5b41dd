"""Grey values: independent of range, type and outliers."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

from napari_microcnn.data import IntensityLimits, intensity_limits, normalise

RNG = np.random.default_rng(0)
PICTURE = (RNG.random((70, 90)) * 200 + 20).astype(np.uint8)


def whole(pixels: np.ndarray) -> np.ndarray:
    return normalise(pixels, intensity_limits(pixels))


@pytest.mark.parametrize(
    "other",
    [
        PICTURE.astype(np.uint16) * 257,
        PICTURE.astype(np.int32) - 1000,
        PICTURE.astype(np.int64) + 10**9,
        PICTURE.astype(np.float32) / 255,
        PICTURE.astype(np.float64) * 1e-12,
        PICTURE.astype(np.float64) * 1e300,
        PICTURE.astype(np.float16),
    ],
    ids=lambda picture: str(picture.dtype),
)
def test_one_picture_in_any_type_looks_the_same(other: np.ndarray) -> None:
    assert np.allclose(whole(other), whole(PICTURE), atol=2e-3)


def test_result_is_centred_scaled_channels_first() -> None:
    result = whole(np.stack([PICTURE, PICTURE * 0.1, 255.0 - PICTURE], axis=-1))
    assert result.shape == (3, 70, 90)
    assert result.dtype == np.float32
    assert np.allclose(result.mean(axis=(1, 2)), 0, atol=0.01)
    assert np.allclose(result.std(axis=(1, 2)), 1, atol=0.01)


def test_hot_pixels_hardly_matter_and_are_cut() -> None:
    spoilt = PICTURE.astype(np.float32)
    spoilt[3, 4] = 1e30
    spoilt[5, 6] = -1e30
    result = whole(spoilt)
    assert np.allclose(result[0, 10:], whole(PICTURE)[0, 10:], atol=0.02)
    assert np.abs(result).max() <= 6


def test_values_that_are_no_numbers_become_the_centre() -> None:
    spoilt = PICTURE.astype(np.float32)
    spoilt[0, :3] = np.nan, np.inf, -np.inf
    result = whole(spoilt)
    assert (result[0, 0, :3] == 0).all()
    assert np.isfinite(result).all()


@pytest.mark.parametrize("value", [0, 7, 0.1, np.nan])
def test_constant_image_becomes_zeros(value: float) -> None:
    assert not whole(np.full((5, 5), value)).any()


def test_a_mostly_constant_image_keeps_its_contrast() -> None:
    picture = np.zeros((100, 100), np.uint8)
    picture[50, 50:55] = 200
    assert whole(picture)[0, 50, 52] > 1


def test_boolean_and_one_pixel_images_work() -> None:
    assert set(np.unique(np.sign(whole(PICTURE > 100)))) == {-1, 1}
    assert whole(np.array([[3]], np.uint8)).tolist() == [[[0]]]


def test_lazy_and_large_images_are_sampled() -> None:
    large = da.tile(da.from_array(PICTURE, chunks=50), (20, 20))
    centre, scale = intensity_limits(large)
    expected = intensity_limits(PICTURE)
    assert np.allclose(centre, expected.centre, rtol=0.02)
    assert np.allclose(scale, expected.scale, rtol=0.02)


def test_another_number_of_channels_is_refused() -> None:
    limits = IntensityLimits(np.zeros(1), np.ones(1))
    with pytest.raises(ValueError, match="limits are for 1 channels, the image has 3"):
        normalise(np.zeros((4, 4, 3)), limits)
