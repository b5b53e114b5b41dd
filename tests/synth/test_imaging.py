"""Imaging: every setting does what its name says, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from napari_microcnn.config import ImagingConfig, VoronoiConfig
from napari_microcnn.synth import image, voronoi

STRUCTURE = voronoi(VoronoiConfig(width=128, height=128, grains=12, thickness=4, curvature=0.1), seed=1)
BARE = ImagingConfig(
    line_contrast=0, grain_contrast=0, texture=0, illumination=0, blur=0, shot_noise=0, readout_noise=0, twin_contrast=0
)
MIDDLE = STRUCTURE.distance < 1
INSIDE = STRUCTURE.distance > 4


def shown(seed=3, structure=STRUCTURE, **settings):
    return image(structure, BARE.model_copy(update=settings), seed).astype(float)


def test_nothing_on_gives_an_even_picture():
    assert np.ptp(shown()) == 0
    assert shown(brightness=0.25).mean() == pytest.approx(0.25 * 255, abs=0.5)


def test_lines_are_dark_or_bright():
    for lines, sign in (("dark", -1), ("bright", 1)):
        picture = shown(lines=lines, line_contrast=0.5, line_spread=0)
        step = picture[MIDDLE].mean() - picture[INSIDE].mean()
        assert step == pytest.approx(sign * 0.25 * 255 * (1 if sign < 0 else 2), rel=0.05)
    assert np.ptp(shown(lines="none", line_contrast=0.5)) == 0


def test_every_boundary_has_its_own_strength():
    even, varied = (shown(line_contrast=0.5, line_spread=s)[MIDDLE] for s in (0, 1))
    assert varied.std() > even.std() + 10


def test_grains_have_grey_steps_and_are_even_inside():
    picture = shown(grain_contrast=0.3)
    means = [picture[STRUCTURE.grains == n].mean() for n in range(1, STRUCTURE.grains.max() + 1)]
    assert np.std(means) > 20
    assert max(picture[STRUCTURE.grains == n].std() for n in range(1, STRUCTURE.grains.max() + 1)) == 0


def test_twins_are_shown_inside_their_grain_only():
    twinned = voronoi(VoronoiConfig(width=128, height=128, grains=12, twins=1, curvature=0.1), seed=1)
    picture = shown(structure=twinned, twin_contrast=0.4)
    assert np.ptp(picture[~twinned.twins]) == 0
    assert picture[twinned.twins].std() > 10


@pytest.mark.parametrize(
    "settings",
    [
        {"texture": 0.4}, {"relief": 0.5}, {"precipitates": 8}, {"pits": 8}, {"scratches": 5}, {"illumination": 1},
        {"charging": 1}, {"shot_noise": 0.1}, {"readout_noise": 0.1},
    ],
)  # fmt: skip
def test_every_effect_changes_the_picture(settings):
    assert shown(**settings).std() > 1


def test_pits_are_dark_and_illumination_is_slow():
    assert (shown(pits=8) <= shown()).all()
    assert np.abs(np.diff(shown(illumination=1), axis=0)).max() <= 4


def test_uneven_etching_makes_lines_fade():
    even = shown(line_contrast=0.6, line_spread=0)
    faded = shown(line_contrast=0.6, line_spread=0, uneven_etching=1)
    assert faded[MIDDLE].mean() > even[MIDDLE].mean() + 10


def test_double_lines_are_lighter_in_the_middle():
    picture = shown(lines="dark", line_contrast=0.8, line_spread=0, double_lines=True)
    side = (STRUCTURE.distance > 1.4) & (STRUCTURE.distance < 1.8)
    assert picture[STRUCTURE.distance < 0.4].mean() > picture[side].mean() + 20
    assert picture[side].mean() < picture[INSIDE].mean() - 20


def test_broken_lines_have_gaps():
    whole, broken = (shown(lines="dark", line_contrast=0.8, line_spread=0, broken_lines=b)[MIDDLE] for b in (0, 1))
    assert (whole > 100).mean() < 0.1
    assert 0.15 < (broken > 100).mean() < 0.8


def test_second_phases_are_lamellar_inside():
    picture = shown(second_phase=0.5)
    spread = [picture[STRUCTURE.grains == n].std() for n in range(1, STRUCTURE.grains.max() + 1)]
    assert min(spread) == 0
    assert max(spread) > 10


def test_edges_of_twins_are_drawn_where_asked():
    twinned = voronoi(VoronoiConfig(width=128, height=128, grains=12, twins=1, curvature=0.1), seed=1)
    line = (twinned.inner < 0.5) & (twinned.distance > 4)
    plain, edged = (shown(structure=twinned, line_contrast=1, inner_lines=strength) for strength in (0, 0.5))
    assert edged[line].mean() < plain[line].mean() - 30


def test_shot_noise_grows_with_intensity_and_readout_noise_does_not():
    for kind, ratio in (("shot_noise", 2.0), ("readout_noise", 1.0)):
        dim, bright = (shown(brightness=b, **{kind: 0.06}).std() for b in (0.2, 0.8))
        assert bright / dim == pytest.approx(ratio, rel=0.1)


def test_blur_smooths_and_gamma_darkens():
    sharp, soft = (shown(grain_contrast=0.4, blur=b) for b in (0, 2))
    assert np.abs(np.diff(soft)).max() < 0.5 * np.abs(np.diff(sharp)).max()
    assert shown(gamma=2).mean() < shown().mean()


def test_same_seed_same_picture():
    everything = ImagingConfig(
        relief=0.2, uneven_etching=0.4, precipitates=2, pits=2, scratches=4, charging=0.3, gamma=1.2, texture=0.2
    )
    one, two, other = (image(STRUCTURE, everything, seed) for seed in (1, 1, 2))
    assert one.dtype == np.uint8
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
