"""Grain size after ASTM E112, against structures where it is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_microcnn.config import GrainSizeConfig, VoronoiConfig
from napari_microcnn.measure import grain_size
from napari_microcnn.measure.astm import iso_number, number_from_density, number_from_intercept
from napari_microcnn.measure.planimetric import jeffries_weights
from napari_microcnn.measure.twins import with_twins
from napari_microcnn.micrograph import Calibration
from napari_microcnn.synth.voronoi import voronoi

MICRON = Calibration((1.0, 1.0), "um", "test")


def chequers(side: int, n: int) -> np.ndarray:
    return np.kron(np.arange(1, n * n + 1).reshape(n, n), np.ones((side, side), int))


def poisson(grains: int, seed: int) -> np.ndarray:
    side = round(30 * math.sqrt(grains))
    config = VoronoiConfig(height=side, width=side, grains=grains, regularity=0, size_spread=0, curvature=0)
    return voronoi(config, seed).grains


@pytest.mark.parametrize(("number", "per_mm2", "intercept"), [(0, 7.75, 0.3200), (5, 248, 0.0566), (10, 7936, 0.0100)])
def test_numbers_of_the_table_in_the_standard(number: int, per_mm2: float, intercept: float) -> None:
    # ASTM E112, table of grain size relationships.
    assert number_from_density(per_mm2) == pytest.approx(number, abs=0.01)
    assert number_from_intercept(intercept) == pytest.approx(number, abs=0.01)


def test_iso_index_of_eight_grains_is_zero() -> None:
    assert iso_number(8) == 0
    assert iso_number(2048) == 8


def test_border_rule() -> None:
    # 8 x 8 squares of which all but the inner 6 x 6 are cut; the whole squares within are 7 x 7.
    labels = chequers(20, 8)[10:150, 10:150]
    weights = jeffries_weights(labels, np.arange(1, 65)).reshape(8, 8)
    assert (weights[1:-1, 1:-1] == 1).all()
    assert (weights[0, 1:-1] == 0.5).all()
    assert (weights[[0, 0, -1, -1], [0, -1, 0, -1]] == 0.25).all()
    assert weights.sum() == 49


def test_squares_in_every_unit() -> None:
    labels = chequers(20, 12)[10:230, 10:230]
    for unit, factor in (("nm", 1000.0), ("um", 1.0), ("mm", 0.001), ("inch", 1 / 25400)):
        size = grain_size(labels, Calibration((0.5 * factor, 0.5 * factor), unit, "test"))
        assert size.density.value == pytest.approx(1 / (10 * factor) ** 2)
        assert size.by_direction[0.0].value == pytest.approx(10 * factor)
        assert size.by_direction[90.0].value == pytest.approx(10 * factor)
        assert size.planimetric_number is not None
        assert size.planimetric_number.value == pytest.approx(number_from_density(1e4))
        assert size.boundary_length_per_area.value == pytest.approx(math.pi / 2 / size.intercept.value)
        assert size.surface_per_volume.value == pytest.approx(4 / math.pi * size.boundary_length_per_area.value)


def test_stretched_pixels_count_in_the_specimen() -> None:
    size = grain_size(chequers(20, 12)[10:230, 10:230], Calibration((1.0, 0.5), "um", "test"))
    assert size.by_direction[0.0].value == pytest.approx(10)
    assert size.by_direction[90.0].value == pytest.approx(20)
    assert size.anisotropy > 1.5
    assert size.density.value == pytest.approx(1 / 200)


@pytest.mark.parametrize("figure", ["lines", "circles"])
def test_random_cells(figure: str) -> None:
    # Boundary length per area of a Poisson-Voronoi tessellation: 2 sqrt(N_A) (Miles 1970).
    fields = [poisson(300, seed) for seed in range(6)]
    size = grain_size(fields, MICRON, GrainSizeConfig(figure=figure))
    true = 300 / fields[0].size
    assert size.density.value == pytest.approx(true, rel=0.06)
    assert size.intercept.value == pytest.approx(math.pi / 4 / math.sqrt(true), rel=0.04)
    assert size.density.contains(true)
    assert size.density.fields == 6
    assert not any("Only" in warning for warning in size.warnings)


def test_drawn_boundaries_change_little() -> None:
    labels = poisson(300, 1)
    drawn = labels.copy()
    drawn[:, 1:][labels[:, 1:] != labels[:, :-1]] = 0
    drawn[1:][labels[1:] != labels[:-1]] = 0
    open_, closed = grain_size(drawn, MICRON), grain_size(labels, MICRON)
    # Grains of some pixels are gone under their boundaries.
    assert open_.density.value == pytest.approx(closed.density.value, rel=0.03)
    assert open_.intercept.value == pytest.approx(closed.intercept.value, rel=0.01)


def test_the_rows_of_a_databar_are_no_part_of_the_field() -> None:
    grains = voronoi(VoronoiConfig(height=300, width=400, grains=200), 4).grains
    calibration = Calibration((0.5, 0.5), "um", "test")
    with_bar = np.vstack([grains, np.zeros((40, 400), grains.dtype)])
    one, other = (grain_size(plane, calibration).summary() for plane in (with_bar, grains))
    np.testing.assert_equal(one, other)


def test_without_pixel_size_no_number_is_stated() -> None:
    size = grain_size(chequers(10, 8))
    assert size.unit == "px"
    assert size.planimetric_number is size.intercept_number is size.iso643_number is None
    assert "no grain size number G can be stated" in size.warnings[0]
    assert not any("grain_size_number" in name for name in size.summary())


def test_what_the_standard_objects_to() -> None:
    warnings = " ".join(grain_size(chequers(20, 5), MICRON).warnings)
    assert "fewer than 50 grains" in warnings
    assert "Only 1 field;" in warnings


def test_a_single_grain_has_no_size() -> None:
    size = grain_size(np.ones((40, 40), int), MICRON)
    assert size.intercept.value == math.inf
    assert size.grains == 0


def test_twins_in_or_out() -> None:
    labels = chequers(20, 4)
    twins = np.zeros(labels.shape, bool)
    twins[5:10, :20] = True  # a band through the first grain leaves two pieces of it
    assert with_twins(labels, twins).max() == 16 + 2
    with pytest.raises(ValueError, match="mask of twins"):
        with_twins(labels, twins[:5])


@pytest.mark.parametrize(
    ("fields", "calibration", "told"),
    [
        (np.zeros((4, 4)), None, "whole numbers"),
        ([], None, "no field"),
        ([chequers(5, 3)] * 2, [MICRON, None], "Only some"),
        ([chequers(5, 3)] * 2, [MICRON], "2 fields, but 1"),
    ],
)
def test_mistakes(fields, calibration, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        grain_size(fields, calibration)
