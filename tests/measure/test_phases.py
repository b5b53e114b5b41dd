"""Area fractions, and the few numbers of a summary."""

from __future__ import annotations

import math
from typing import Any

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_microcnn.io.samples import nanoporous_region
from napari_microcnn.measure import area_fractions, bands, measure_objects, summarise
from napari_microcnn.micrograph import Calibration

NM = Calibration((0.5, 0.5), "nm", "test")


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=3, max_side=12), elements=st.integers(0, 5)))
def test_fractions_add_up(classes: np.ndarray[Any, Any]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bands, "BAND_PIXELS", 20)
        found = area_fractions(classes)
    assert sum(found.values()) == pytest.approx(1)
    for i, fraction in found.items():
        assert fraction == pytest.approx((classes == i).mean())


def test_ignored_pixels_and_absent_classes() -> None:
    classes = np.array([[1, 1, 2, 0], [1, 2, 2, 0]])
    assert area_fractions(classes, [1, 2, 9], ignore=classes == 0) == {1: 0.5, 2: 0.5, 9: 0.0}
    nothing = area_fractions(classes, [1], ignore=np.ones_like(classes))
    assert math.isnan(nothing[1])


def test_lazy_and_boolean_maps() -> None:
    classes = da.from_array(np.eye(10, dtype=bool), chunks=3)
    assert area_fractions(classes) == {0: 0.9, 1: 0.1}


@pytest.mark.parametrize("wrong", [np.array([[-1, 2]]), np.array([[70_000, 2]]), np.array([[0.5, 2]])])
def test_what_is_no_class_map(wrong: np.ndarray[Any, Any]) -> None:
    with pytest.raises(ValueError, match=r"[Cc]lass"):
        area_fractions(wrong)


def test_mask_of_another_shape() -> None:
    with pytest.raises(ValueError, match="has shape"):
        area_fractions(np.ones((3, 3), int), ignore=np.ones((2, 2), bool))


def test_painted_region_of_the_sample() -> None:
    assert area_fractions(nanoporous_region())[1] == pytest.approx(0.231, abs=0.001)


def squares() -> np.ndarray[Any, Any]:
    labels = np.zeros((20, 20), np.int32)
    labels[0:4, 0:4] = 1
    labels[8:12, 8:12] = 2
    labels[14:16, 14:16] = 3
    return labels


def test_summary_leaves_out_what_the_border_cuts() -> None:
    labels = squares()
    found = summarise(
        classes=labels > 0, labels=labels, calibration=NM, class_names={0: "matrix", 1: "pore", 2: "oxide"}
    )
    assert found["area_fraction_pore"] == 36 / 400
    assert found["area_fraction_matrix"] == 364 / 400
    assert found["area_fraction_oxide"] == 0
    assert (found["objects"], found["objects_touching_border"]) == (3, 1)
    diameters = np.sqrt(4 * np.array([16, 4]) * 0.25 / np.pi)
    assert found["mean_equivalent_circular_diameter_nm"] == pytest.approx(diameters.mean())
    assert found["median_equivalent_circular_diameter_nm"] == pytest.approx(np.median(diameters))
    assert found["std_equivalent_circular_diameter_nm"] == pytest.approx(diameters.std())


def test_summary_from_a_table_at_hand() -> None:
    table = measure_objects(squares(), NM)
    assert summarise(table=table, calibration=NM) == summarise(labels=squares(), calibration=NM)


def test_summary_when_the_border_cuts_everything_or_nothing_is_there() -> None:
    whole = summarise(labels=np.ones((4, 4), int))
    assert whole["mean_equivalent_circular_diameter_px"] == pytest.approx(np.sqrt(64 / np.pi))
    none = summarise(labels=np.zeros((4, 4), int))
    assert none["objects"] == 0
    assert math.isnan(none["mean_equivalent_circular_diameter_px"])


def test_summary_of_nothing() -> None:
    assert summarise() == {}
