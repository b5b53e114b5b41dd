"""Textures of steel: what the settings promise can be measured in the pictures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_microcnn.config import SteelConfig, SteelKind
from napari_microcnn.synth import STEEL_KINDS, steel

PLAIN = SteelConfig(variety=0, noise=0, height=192, width=192)


def mean_frequency(image: np.ndarray) -> float:
    """Return the centre of the spectrum, in periods per pixel."""
    power = np.abs(np.fft.fft2(image.astype(float) - image.mean()))
    y, x = np.meshgrid(*(np.fft.fftfreq(side) for side in image.shape), indexing="ij")
    return float((power * np.hypot(y, x)).sum() / power.sum())


@pytest.mark.parametrize("kind", STEEL_KINDS)
def test_same_seed_same_picture_other_seed_another(kind: SteelKind) -> None:
    made = [steel(SteelConfig(height=64, width=96), kind, seed) for seed in (1, 1, 2)]
    assert made[0].image.shape == (64, 96)
    assert made[0].image.dtype == np.uint8
    np.testing.assert_array_equal(made[0].image, made[1].image)
    assert not np.array_equal(made[0].image, made[2].image)


def test_lamellae_have_their_spacing() -> None:
    found = []
    for spacing in (5, 10):
        config = PLAIN.model_copy(update={"spacing": spacing, "second": 0.0, "grain_size": 80.0})
        power = np.zeros((192, 192))
        for seed in range(4):
            grey = steel(config, "pearlite", seed).image.astype(float)
            power += np.abs(np.fft.fft2(grey - ndimage.gaussian_filter(grey, 12))) ** 2
        y, x = np.meshgrid(np.fft.fftfreq(192), np.fft.fftfreq(192), indexing="ij")
        frequency = np.hypot(y, x)
        rings = ndimage.sum_labels(power, np.round(192 * frequency).astype(int), np.arange(97))
        found.append(192 / (5 + np.argmax(rings[5:])))
    assert found[0] == pytest.approx(5, rel=0.35)  # most sections show a little more than the true spacing
    assert found[1] / found[0] == pytest.approx(2, rel=0.25)


def test_wider_laths_are_coarser() -> None:
    for kind in ("martensite", "bainite"):
        fine, coarse = (
            np.mean(
                [mean_frequency(steel(PLAIN.model_copy(update={"lath_width": w}), kind, s).image) for s in range(3)]
            )
            for w in (2.0, 10.0)
        )
        assert fine > 1.1 * coarse


def test_ferrite_is_the_smoothest() -> None:
    smooth = {}
    for kind in STEEL_KINDS:
        config = PLAIN.model_copy(update={"second": 0.0})
        edges = [ndimage.gaussian_gradient_magnitude(steel(config, kind, s).image.astype(float), 1) for s in range(3)]
        smooth[kind] = np.median(edges)
    assert min(smooth, key=smooth.__getitem__) == "ferrite"


def test_ferrite_in_pearlite_takes_its_share() -> None:
    config = PLAIN.model_copy(update={"second": 0.4, "blur": 0.0})
    with_ferrite, without = (
        steel(one, "pearlite", 3).image for one in (config, config.model_copy(update={"second": 0.0}))
    )
    assert (with_ferrite != without).mean() > 0.3


def test_variety_spreads_brightness_and_contrast() -> None:
    means = [[steel(SteelConfig(variety=v), "ferrite", s).image.mean() for s in range(12)] for v in (0.0, 1.0)]
    assert np.std(means[1]) > 2 * np.std(means[0])


@settings(max_examples=20, deadline=None)
@given(
    height=st.integers(32, 80), width=st.integers(32, 80), size=st.floats(8, 1000), laths=st.floats(1.5, 100),
    spacing=st.floats(2, 100), second=st.floats(0, 0.6), variety=st.floats(0, 1), kind=st.sampled_from(STEEL_KINDS),
)  # fmt: skip
def test_any_setting_gives_a_picture(height, width, size, laths, spacing, second, variety, kind) -> None:
    config = SteelConfig(
        height=height, width=width, grain_size=size, lath_width=laths, spacing=spacing, second=second, variety=variety
    )
    made = steel(config, kind, 1).image
    assert made.shape == (height, width)
    assert made.dtype == np.uint8
