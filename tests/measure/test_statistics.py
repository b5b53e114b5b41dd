"""Intervals, distributions, particles, phases, thickness, and how sure they are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage, stats

from napari_microcnn.measure import particle_statistics, phase_statistics
from napari_microcnn.measure.distributions import lognormal_misfit, percentiles
from napari_microcnn.measure.interval import ratio
from napari_microcnn.measure.sureness import shifted, sureness_of_outlines, sureness_of_threshold
from napari_microcnn.measure.thickness import local_thickness
from napari_microcnn.measure.tortuosity import tortuosity
from napari_microcnn.micrograph import Calibration

MICRON = Calibration((0.5, 0.5), "um", "test")


def squares(rng: np.random.Generator, side: int = 30, cell: int = 40) -> np.ndarray:
    """One square somewhere in every cell of a grid that starts anywhere; 300 x 300 pixels of it."""
    labels = np.zeros((10 * cell, 10 * cell), int)
    for i in range(100):
        y, x = np.array(divmod(i, 10)) * cell + rng.integers(0, cell - side, 2)
        labels[y : y + side, x : x + side] = i + 1
    top, left = rng.integers(0, cell, 2)
    return labels[top : top + 300, left : left + 300]


def test_interval_is_that_of_the_standard() -> None:
    values = np.array([48.0, 52, 55, 44, 51])
    found = ratio(values, np.ones(5))
    margin = stats.t.ppf(0.975, 4) * values.std(ddof=1) / math.sqrt(5)
    assert (found.value, found.margin) == pytest.approx((50, margin))
    assert found.relative_accuracy == pytest.approx(100 * margin / 50)
    assert found.contains(50 + margin * 0.99)
    assert not found.contains(50 + margin * 1.01)


def test_interval_of_a_single_field_or_none() -> None:
    assert ratio([3], [2]).value == 1.5
    assert math.isnan(ratio([3], [2]).margin)
    assert math.isnan(ratio([], []).value)
    assert ratio([0, 1], [1, 1]).low == 0


def test_percentiles_by_number_and_weight() -> None:
    sizes = np.arange(1, 101)
    assert percentiles(sizes, np.ones(100)) == pytest.approx([10.5, 50.5, 90.5])
    assert percentiles([1, 3], [0, 1]) == [3, 3, 3]
    by_area = percentiles(sizes, sizes**2.0)
    assert by_area[1] == pytest.approx(100 * 0.5 ** (1 / 3), abs=1)
    assert all(math.isnan(value) for value in percentiles([], []))


def test_misfit_to_lognormal() -> None:
    rng = np.random.default_rng(0)
    lognormal, other = rng.lognormal(1, 0.5, 2000), rng.uniform(0.01, 1, 2000)
    law = stats.norm(np.log(lognormal).mean(), np.log(lognormal).std(ddof=1))
    assert lognormal_misfit(lognormal) == pytest.approx(stats.kstest(np.log(lognormal), law.cdf).statistic)
    assert lognormal_misfit(lognormal) < 0.03 < lognormal_misfit(other)
    assert math.isnan(lognormal_misfit([2, 2, 2, 2]))


def test_particle_density_is_not_biased_by_the_border() -> None:
    rng = np.random.default_rng(3)
    fields = [squares(rng) for _ in range(40)]
    found = particle_statistics(fields, MICRON)
    assert found.density.fields == 40
    assert found.density.value == pytest.approx(1 / 20**2, rel=0.02)
    assert found.density.contains(1 / 20**2)
    assert found.area_fraction.value == pytest.approx((30 / 40) ** 2, rel=0.02)


def test_particle_sizes_in_units() -> None:
    labels = np.zeros((200, 200), int)
    labels[10:30, 10:30], labels[100:140, 100:140], labels[190:, 190:] = 1, 2, 3
    found = particle_statistics(labels, MICRON)
    summary = found.summary()
    assert (summary["particles"], summary["particles_cut"]) == (3, 1)
    diameters = [math.sqrt(4 / math.pi) * 10, math.sqrt(4 / math.pi) * 20]
    assert diameters[0] <= summary["D10_by_number_um"] < summary["D50_by_number_um"] < summary["D50_by_area_um"]
    assert summary["D90_by_area_um"] == pytest.approx(diameters[1])


def stripes() -> np.ndarray:
    return ((np.arange(240) + 6) // 12 % 2)[None].repeat(240, 0).astype(np.uint8)


def test_stripes() -> None:
    phase = phase_statistics(stripes(), MICRON, thickness=True)[1]
    assert phase.area_fraction.value == 0.5
    assert phase.area_fraction.low <= 0.5 <= phase.area_fraction.high
    assert phase.point_fraction.value == pytest.approx(0.5, abs=0.1)
    # Lines of four directions see per length 1, 0 and twice 1/sqrt(2) of the interfaces 1 / 6 um.
    seen = math.pi / 2 * (1 + math.sqrt(2)) / 4 / 6
    assert phase.interface_per_area.value == pytest.approx(seen, rel=0.05)
    assert (phase.regions, phase.spans_y, phase.spans_x) == (10, 1, 0)
    assert phase.largest_region == pytest.approx(0.1)
    assert phase.thickness == pytest.approx(6, abs=0.5)


def test_disc_in_every_number() -> None:
    y, x = np.mgrid[:200, :200]
    phase = phase_statistics(((y - 100) ** 2 + (x - 100) ** 2 <= 60**2).astype(int), MICRON, parts=1, thickness=True)[1]
    assert phase.area_fraction.value == pytest.approx(math.pi * 3600 / 40000, rel=0.01)
    assert phase.interface_per_area.value == pytest.approx(2 * math.pi * 30 / 100**2, rel=0.02)
    assert phase.mean_chord == pytest.approx(math.pi / 2 * 30, rel=0.02)  # of a circle: pi r / 2
    assert phase.thickness == pytest.approx(60, abs=1.5)
    assert (phase.regions, phase.largest_region, phase.spans_x) == (1, 1, 0)


def test_random_phase_lies_in_its_interval() -> None:
    rng = np.random.default_rng(5)
    inside = []
    for _ in range(40):
        smooth = ndimage.gaussian_filter(rng.standard_normal((180, 180)), 3)
        found = phase_statistics((smooth[10:-10, 10:-10] > 0).astype(int))[1]
        inside += [found.area_fraction.contains(0.5), found.point_fraction.contains(0.5)]
    assert np.mean(inside) > 0.88


@pytest.mark.parametrize("width", [5, 8, 21])
def test_thickness_of_a_strip(width: int) -> None:
    mask = np.zeros((60, 50), bool)
    mask[20 : 20 + width] = True
    found = local_thickness(mask)
    assert set(np.unique(found[mask])) == {width if width % 2 else width - 1}
    assert not found[~mask].any()


def test_tortuosity_of_known_ways() -> None:
    assert tortuosity(np.ones((20, 30), bool)) == (1, 1)
    assert tortuosity(np.eye(50, dtype=bool), (3.0, 4.0)) == pytest.approx((5 / 3, 5 / 4))
    zigzag = np.abs((np.arange(41) + 10) % 20 - 10)[:, None] == np.arange(12)
    down, across = tortuosity(zigzag)
    assert down == pytest.approx(math.sqrt(2))
    assert across == math.inf


def test_tortuosity_of_stripes_and_of_what_lies_between() -> None:
    found = phase_statistics([stripes(), stripes()], MICRON, tortuosity=True)
    assert [(one.tortuosity_y, one.tortuosity_x) for one in found.values()] == [(1, math.inf)] * 2
    assert found[0].summary()["tortuosity_x"] == math.inf
    assert "tortuosity_x" not in phase_statistics(stripes(), MICRON)[0].summary()


def test_thickness_of_everything_is_infinite() -> None:
    assert np.isinf(local_thickness(np.ones((5, 5), bool))).all()
    assert not local_thickness(np.zeros((5, 5), bool)).any()


def test_outlines_move_by_a_pixel() -> None:
    labels = np.zeros((40, 40), int)
    labels[10:20, 10:20], labels[10:20, 21:30] = 1, 2
    inwards, outwards = shifted(labels, -1), shifted(labels, 1)
    assert [(inwards == i).sum() for i in (1, 2)] == [64, 56]
    assert (outwards[15] == 1).sum() == 12 or (outwards[15] == 1).sum() == 11
    assert set(np.unique(outwards)) == {0, 1, 2}
    assert (shifted(labels, 0) == labels).all()


def test_sureness_tells_all_numbers() -> None:
    labels = np.zeros((60, 60), int)
    labels[20:40, 20:40] = 1
    table = sureness_of_outlines(lambda fields: {"area": float((fields[0] > 0).sum())}, [labels])
    assert [table[name].item() for name in ("quantity", "value", "inwards")] == ["area", 400, 324]
    assert table["outwards"].item() == 22**2 - 4
    ramp = np.linspace(0, 1, 101)[None].repeat(3, 0)
    moved = sureness_of_threshold(lambda fields: {"share": float(fields[0].mean())}, [ramp], lambda mask: mask)
    assert moved["lower_threshold"].item() - moved["higher_threshold"].item() == pytest.approx(0.2, abs=0.011)
    with pytest.raises(ValueError, match="smaller step"):
        sureness_of_threshold(lambda fields: {}, [ramp], lambda mask: mask, 0.95)
