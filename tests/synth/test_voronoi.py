"""Voronoi polycrystals: what is drawn is what is true."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_microcnn.config import VoronoiConfig
from napari_microcnn.synth import voronoi
from napari_microcnn.synth.fields import smooth_field

PLAIN = VoronoiConfig(curvature=0, size_spread=0, grains=40, width=128, height=128)


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def test_same_seed_same_grains_other_seed_other_grains():
    one, two, other = (voronoi(PLAIN, seed) for seed in (5, 5, 6))
    assert np.array_equal(one.grains, two.grains)
    assert np.array_equal(one.distance, two.distance)
    assert not np.array_equal(one.grains, other.grains)


def test_grains_are_the_same_on_every_platform():
    made = voronoi(VoronoiConfig(width=96, height=80, grains=20, merging=0.2, lamellae=0.3), seed=11)
    assert (made.grains.max(), digest(made.grains)) == (36, "42dc4a2f8677c766")


def test_every_grain_is_one_connected_region_numbered_without_gaps():
    made = voronoi(VoronoiConfig(width=200, height=150, grains=60, lamellae=0.5, merging=0.4, roughness=0.5), seed=2)
    numbers = np.unique(made.grains)
    assert np.array_equal(numbers, np.arange(1, len(numbers) + 1))
    assert all(ndimage.label(made.grains == n)[1] == 1 for n in numbers)


def test_distance_is_the_distance_to_the_change_of_grain():
    made = voronoi(PLAIN, seed=1)
    inside = np.ones((3, 3), bool)
    edge = ndimage.maximum_filter(made.grains, footprint=inside) != ndimage.minimum_filter(
        made.grains, footprint=inside
    )
    measured = ndimage.distance_transform_edt(~edge)
    near = made.distance < 8
    near[:10], near[-10:], near[:, :10], near[:, -10:] = False, False, False, False  # borders outside the image
    # The pixel grid knows the place of a border to about a pixel.
    assert np.abs(measured - made.distance)[near].max() < 1.6


@pytest.mark.parametrize("thickness", [2, 4, 7])
def test_boundaries_are_as_thick_as_asked(thickness):
    made = voronoi(PLAIN.model_copy(update={"thickness": thickness, "grains": 6, "width": 256, "height": 256}), seed=3)
    length = voronoi(PLAIN.model_copy(update={"thickness": 2, "grains": 6, "width": 256, "height": 256}), seed=3)
    assert made.boundaries.sum() / length.boundaries.sum() == pytest.approx(thickness / 2, rel=0.08)


def test_number_of_grains_follows_the_number_of_seeds():
    counts = [
        voronoi(PLAIN.model_copy(update={"grains": n, "width": 256, "height": 256}), 4).grains.max() for n in (50, 400)
    ]
    # Cells that only reach into the image count too: about half a circumference of them.
    assert 50 <= counts[0] <= 50 + 2.5 * np.sqrt(50) * 2
    assert 400 <= counts[1] <= 400 + 2.5 * np.sqrt(400) * 2


def areas_inside(config, seed=0):
    grains = voronoi(config, seed).grains
    border = np.unique(np.concatenate([grains[0], grains[-1], grains[:, 0], grains[:, -1]]))
    size = np.bincount(grains.ravel())[1:].astype(float)
    return np.delete(size, border - 1)


def test_regularity_runs_from_poisson_to_honeycomb():
    big = PLAIN.model_copy(update={"grains": 900, "width": 512, "height": 512})
    spread = [
        (areas := areas_inside(big.model_copy(update={"regularity": r}))).std() / areas.mean() for r in (0, 0.5, 1)
    ]
    # A Poisson-Voronoi cell's area has the coefficient of variation 0.529 (Moller, 1994).
    assert spread[0] == pytest.approx(0.529, abs=0.06)
    assert spread[0] > spread[1] > spread[2]
    assert spread[2] < 0.05


def test_size_spread_widens_the_grain_sizes():
    big = PLAIN.model_copy(update={"grains": 600, "width": 512, "height": 512, "regularity": 0.8})
    narrow, wide = (areas_inside(big.model_copy(update={"size_spread": s})) for s in (0, 0.8))
    assert wide.std() / wide.mean() > 2 * narrow.std() / narrow.mean()


def test_elongated_grains_lie_along_the_direction():
    grains = voronoi(PLAIN.model_copy(update={"elongation": 4, "direction": 0}), seed=1).grains
    along, across = (grains[:, 1:] != grains[:, :-1]).sum(), (grains[1:] != grains[:-1]).sum()
    assert across > 2 * along


def test_triple_points_are_where_three_grains_meet():
    made = voronoi(PLAIN, seed=1)
    assert len(made.triple_points) > 30
    for y, x in made.triple_points.round().astype(int):
        around = made.grains[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3]
        assert len(np.unique(around)) >= 3
    # Two per grain (Euler), and fewer where the image ends.
    assert len(made.triple_points) < 2 * made.grains.max()


def test_twins_are_no_boundaries():
    with_twins, without = (voronoi(PLAIN.model_copy(update={"twins": t}), seed=1) for t in (0.8, 0))
    assert 0.1 < with_twins.twins.mean() < 0.6
    assert not without.twins.any()
    assert np.array_equal(with_twins.grains, without.grains)


def test_subgrains_are_no_boundaries():
    divided, whole = (voronoi(PLAIN.model_copy(update={"subgrains": share}), seed=1) for share in (0.7, 0))
    assert np.array_equal(divided.grains, whole.grains)
    assert np.array_equal(divided.distance, whole.distance)
    assert not whole.subgrains.any()
    assert np.isinf(whole.inner).all()
    inside = divided.subgrains > 0
    assert 0.3 < inside.mean() < 0.95
    assert len(np.unique(divided.subgrains)) > 2 * whole.grains.max()
    assert np.isinf(divided.inner[~inside]).all()


def test_fine_grains_make_two_sizes_at_once():
    big = PLAIN.model_copy(update={"grains": 60, "width": 256, "height": 256, "fine_grains": 0.4})
    made = voronoi(big, seed=2)
    areas = np.sort(np.bincount(made.grains.ravel())[1:])
    assert made.grains.max() > 4 * 60
    assert areas[-15:].mean() > 8 * np.median(areas)
    steps = made.grains[:, 1:] != made.grains[:, :-1]
    assert (np.minimum(made.distance[:, 1:], made.distance[:, :-1])[steps] < 1.6).mean() > 0.98


def test_drift_moves_lines_of_the_scan():
    steady, drifting = (voronoi(PLAIN.model_copy(update={"drift": drift}), seed=1).grains for drift in (0, 2))
    assert (steady != drifting).mean() > 0.02


def test_cells_are_convex():
    rng = np.random.default_rng(0)
    made = voronoi(PLAIN.model_copy(update={"regularity": 0, "grains": 25}), seed=8)
    inner = [n for n in range(1, made.grains.max() + 1) if (made.grains == n).sum() > 60]
    picked = rng.choice(inner, 10, replace=False)
    # The line between two pixels of a cell stays in it.
    for n in picked:
        spots = np.argwhere(made.grains == n)
        a, b = spots[rng.integers(len(spots), size=(2, 50))]
        middle = np.round((a + b) / 2).astype(int)
        assert (made.grains[middle[:, 0], middle[:, 1]] == n).mean() > 0.95


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(16, 70), width=st.integers(16, 70), grains=st.integers(2, 200), seed=st.integers(0, 10_000),
    regularity=st.floats(0, 1), spread=st.floats(0, 1.2), elongation=st.floats(1, 8), merging=st.floats(0, 0.8),
    lamellae=st.floats(0, 1),
)  # fmt: skip
def test_any_setting_gives_whole_grains(height, width, grains, seed, regularity, spread, elongation, merging, lamellae):
    config = VoronoiConfig(
        height=height, width=width, grains=grains, regularity=regularity, size_spread=spread, elongation=elongation,
        merging=merging, lamellae=lamellae, roughness=0.5,
    )  # fmt: skip
    made = voronoi(config, seed)
    assert made.grains.shape == made.distance.shape == made.twins.shape == (height, width)
    assert made.grains.min() == 1
    assert not np.isnan(made.distance).any()
    assert (made.distance >= 0).all()


def test_smooth_field_has_unit_variance_and_is_smooth():
    field = smooth_field((400, 500), 10, np.random.default_rng(0))
    assert field.shape == (400, 500)
    assert field.dtype == np.float32
    assert field.std() == pytest.approx(1, abs=0.08)
    assert np.abs(np.diff(field, axis=0)).max() < 0.6
