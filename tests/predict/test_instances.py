"""Grains from boundaries that have gaps, loose ends and specks; particles from masks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_microcnn.config import VoronoiConfig
from napari_microcnn.predict import close_grains, grain_boundaries, label_particles
from napari_microcnn.predict.instances import bridges, largest_around, nearest_number
from napari_microcnn.synth import voronoi


def drawn(distance):
    """Probabilities as a good network gives them, from the distance to the boundary."""
    return np.clip(1.3 - 0.45 * distance, 0, 1).astype(np.float32)


def two_halves(gap=0, strength=1.0):
    boundary = np.zeros((60, 80), np.float32)
    boundary[:, 39:42] = strength
    boundary[30 : 30 + gap, 39:42] = 0.3
    return boundary


def test_every_grain_of_a_polycrystal_is_found():
    made = voronoi(VoronoiConfig(grains=40, regularity=0.6), seed=3)
    labels = close_grains(drawn(made.distance))
    big = [n for n in range(1, made.grains.max() + 1) if (made.grains == n).sum() > 150]
    for n in big:
        inside = labels[made.grains == n]
        best = np.bincount(inside).argmax()
        union = ((labels == best) | (made.grains == n)).sum()
        assert (inside == best).sum() / union > 0.85
    assert labels.dtype == np.int32
    assert np.array_equal(np.unique(labels), np.arange(1, labels.max() + 1))


def test_a_gap_with_a_trace_of_a_boundary_is_bridged():
    assert close_grains(two_halves(gap=8)).max() == 2


def test_a_short_gap_without_a_trace_is_bridged():
    boundary = two_halves()
    boundary[30:35, 39:42] = 0
    labels = close_grains(boundary)
    assert labels.max() == 2
    assert abs((labels == labels[0, 0]).sum() - 60 * 40) < 90
    boundary[20:45, 39:42] = 0
    assert close_grains(boundary).max() == 1


def test_a_narrow_place_does_not_cut_a_grain():
    boundary = np.zeros((60, 80), np.float32)
    boundary[:10, 30:50] = boundary[17:, 30:50] = 1
    assert close_grains(boundary).max() == 1


def test_slivers_between_two_lines_are_shared_out():
    boundary = np.zeros((60, 80), np.float32)
    boundary[:, 38:40] = boundary[:, 42:44] = 1
    boundary[8:, 40:42] = 1
    labels = close_grains(boundary)
    assert labels.max() == 2
    assert labels[3, 37] != labels[3, 44]


def test_bridges_fill_gaps_only():
    boundary = two_halves()
    boundary[30:35, 39:42] = 0
    found = boundary > 0.5
    added = bridges(close_grains(boundary), found)
    assert 4 <= added.sum() <= 12
    assert not added[:28].any()
    assert ndimage.label(~(found | added))[1] == 2


def test_a_loose_end_does_not_cut_a_grain():
    boundary = np.zeros((60, 80), np.float32)
    boundary[:25, 39:42] = 1
    assert close_grains(boundary).max() == 1


def test_a_weak_line_is_no_boundary():
    assert close_grains(two_halves(strength=0.35)).max() == 1
    assert close_grains(two_halves(strength=0.9)).max() == 2


def test_specks_do_not_become_grains():
    boundary = two_halves()
    boundary[10:16, 10:16] = 1
    boundary[12:14, 12:14] = 0
    assert close_grains(boundary, min_size=20).max() == 2


def test_an_image_without_or_full_of_boundaries_is_one_grain():
    for value in (0, 1):
        assert np.array_equal(np.unique(close_grains(np.full((20, 30), value, np.float32))), [1])


def test_one_pixel():
    assert close_grains(np.zeros((1, 1), np.float32)).tolist() == [[1]]


def test_strips_leave_no_trace(monkeypatch):
    from napari_microcnn.predict import instances

    made = voronoi(VoronoiConfig(width=150, height=400, grains=60), seed=1)
    whole = close_grains(drawn(made.distance))
    monkeypatch.setattr(instances, "_STRIP", 64)
    assert np.array_equal(close_grains(drawn(made.distance)), whole)


def test_a_core_far_away_is_found_across_strips(monkeypatch):
    from napari_microcnn.predict import instances

    monkeypatch.setattr(instances, "_STRIP", 16)
    monkeypatch.setattr(instances, "REACH", 4)
    boundary = np.ones((100, 20), np.float32)
    boundary[:10] = 0
    assert np.array_equal(np.unique(close_grains(boundary)), [1])


def test_boundaries_of_grains_are_two_pixels_wide():
    grains = np.repeat([1, 2], 10)[None].repeat(5, 0).astype(np.int32)
    assert np.array_equal(np.flatnonzero(grain_boundaries(grains)[0]), [9, 10])


@pytest.mark.parametrize(("min_size", "count"), [(0, 3), (5, 2), (10, 1), (1000, 0)])
def test_particles_are_numbered_and_small_ones_dropped(min_size, count):
    mask = np.zeros((30, 30), bool)
    mask[2:6, 2:6] = mask[20, 20] = mask[10:13, 10:13] = True
    labels = label_particles(mask, min_size)
    assert labels.max() == count
    assert len(np.unique(labels)) == count + 1


def test_particles_that_touch_at_a_corner_are_one():
    assert label_particles(np.eye(6, dtype=bool), 0).max() == 1


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int32])
@pytest.mark.parametrize("shape", [(700, 9), (2, 2), (1, 40)])
def test_the_largest_around_is_that_of_scipy(dtype: type, shape: tuple[int, int]) -> None:
    values = (np.random.default_rng(0).integers(-9, 9, shape) ** 3).astype(dtype)
    for reach in (1, 3):
        expected = ndimage.maximum_filter(values, 2 * reach + 1, mode="nearest")
        assert np.array_equal(largest_around(values, reach), expected)


def test_the_nearest_number_and_how_far_it_is() -> None:
    cores = np.zeros((9, 12), np.int32)
    cores[4, 2], cores[4, 11] = 7, 5
    found, farthest = nearest_number(cores, (slice(4, 5), slice(2, 12)))
    assert found.tolist() == [[7, 7, 7, 7, 7, 5, 5, 5, 5, 5]]
    assert farthest == 4
