"""Outlines have the sizes, directions and numbers that were asked for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_microcnn.synth.outlines import bands, blobs, cells, coat, cracks, ellipses

SIDE = 128


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def correlation_length(field: np.ndarray) -> tuple[int, int]:
    """Return the first shifts, down and right, at which the correlation has fallen to a half."""
    power = np.abs(np.fft.fft2(field)) ** 2
    correlation = np.fft.ifft2(power).real
    correlation /= correlation[0, 0]
    return int(np.argmax(correlation[:, 0] < 0.5)), int(np.argmax(correlation[0] < 0.5))


def test_blobs_are_as_large_as_asked_for_and_longer_along_their_direction() -> None:
    small, large = (blobs(SIDE, size, 0.0, 1.0, rng()) for size in (8.0, 24.0))
    assert small.std() == pytest.approx(1, abs=1e-3)
    assert correlation_length(large)[0] > 2 * correlation_length(small)[0]
    down, right = correlation_length(blobs(SIDE, 16.0, 0.0, 2.0, rng()))
    assert right > 2 * down
    down, right = correlation_length(blobs(SIDE, 16.0, np.pi / 2, 2.0, rng()))
    assert down > 2 * right


@pytest.mark.parametrize("wavelength", [8.0, 16.0])
def test_bands_have_one_wavelength(wavelength: float) -> None:
    power = np.abs(np.fft.fft2(bands(SIDE, wavelength, 0.3, 1.0, rng()))) ** 2
    y, x = np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE), indexing="ij")
    assert (power * np.hypot(y, x)).sum() / power.sum() == pytest.approx(1 / wavelength, rel=0.1)


def test_cells_are_about_as_wide_as_asked_for() -> None:
    numbers = cells(SIDE, 16.0, rng())
    assert len(np.unique(numbers)) == pytest.approx((SIDE / 16) ** 2, rel=0.6)
    assert numbers.min() >= 0


def test_an_ellipse_is_positive_inside_and_as_deep_as_its_half_axis() -> None:
    one = ellipses(SIDE, 9.0, 0.0, 1, 0.0, 1.0, rng(3))
    assert (one > 0).sum() == pytest.approx(np.pi * 81, rel=0.05)
    assert one.max() == pytest.approx(9, abs=0.8)
    many = ellipses(SIDE, 4.0, 0.3, 30, 0.0, 1.5, rng())
    assert 15 <= ndimage.label(many > 0)[1] <= 30
    assert (ellipses(SIDE, 4.0, 0.3, 0, 0.0, 1.0, rng()) < 0).all()


def test_cracks_are_as_wide_as_asked_for_and_may_miss_the_picture() -> None:
    line = cracks(SIDE, 5.0, 1, 0.02, rng(1)) > 0
    assert line.any()
    assert ndimage.distance_transform_edt(line).max() <= 3.5
    assert (cracks(SIDE, 5.0, 0, 0.1, rng()) < 0).all()


def test_a_coat_goes_through_the_picture() -> None:
    found = [coat(SIDE, 0.0, rng(seed)) > 0 for seed in range(8)]
    shares = np.array([one.mean() for one in found])
    assert (shares > 0.02).all()
    assert (shares < 0.75).all()
    assert all(one.any(axis=1).all() for one in found)  # from the upper edge to the lower one
