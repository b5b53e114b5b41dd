"""Measures of objects against scikit-image, which measures them one by one."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.draw import disk, ellipse
from skimage.measure import perimeter_crofton, regionprops_table

from napari_microcnn.measure import bands, measure_objects
from napari_microcnn.micrograph import Calibration

NM = Calibration((0.5, 0.5), "nm", "test")


def voronoi(n: int, shape: tuple[int, int], seed: int = 0) -> np.ndarray[Any, Any]:
    from scipy.spatial import cKDTree

    points = np.random.default_rng(seed).random((n, 2)) * shape
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1).reshape(-1, 2)
    return (cKDTree(points).query(grid)[1] + 1).reshape(shape).astype(np.int32)


@settings(max_examples=80, deadline=None)
@given(
    labels=hnp.arrays(
        st.sampled_from([np.uint8, np.int32, np.uint16, np.int64]),
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=20),
        elements=st.integers(0, 4),
    ),
    band=st.integers(1, 100),
)
def test_equal_to_scikit_image(labels: np.ndarray[Any, Any], band: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bands, "BAND_PIXELS", band)
        table = measure_objects(labels)
    wanted = ("label", "area", "equivalent_diameter_area", "centroid")
    reference = regionprops_table(labels, properties=wanted)
    np.testing.assert_array_equal(table["label"], reference["label"])
    np.testing.assert_allclose(table["area_px"], reference["area"])
    np.testing.assert_allclose(table["equivalent_circular_diameter_px"], reference["equivalent_diameter_area"])
    np.testing.assert_allclose(table["centroid_y_px"], reference["centroid-0"], atol=1e-9)
    np.testing.assert_allclose(table["centroid_x_px"], reference["centroid-1"], atol=1e-9)
    perimeters = [perimeter_crofton(np.pad(labels == i, 1), directions=4) for i in table["label"]]
    np.testing.assert_allclose(table["perimeter_px"], np.array(perimeters), rtol=1e-9)
    edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    np.testing.assert_array_equal(table["touches_border"], np.isin(table["label"], edge))


@pytest.mark.parametrize("ids", [[5, 900, 70_000], [3, 2**31 - 2], [-4, 7], [1, 2, 3]])
def test_any_numbers(ids: list[int]) -> None:
    labels = np.zeros((10, 30), np.int64)
    for k, i in enumerate(ids):
        labels[2:5, 8 * k + 1 : 8 * k + 5 + k] = i
    table = measure_objects(labels)
    np.testing.assert_array_equal(table["label"], ids)
    np.testing.assert_array_equal(table["area_px"], [3 * (4 + k) for k in range(len(ids))])


def test_physical_units() -> None:
    labels = np.zeros((9, 12), np.uint8)
    labels[2:6, 3:9] = 1
    table = measure_objects(labels, NM)
    assert list(table) == [
        "label", "area_nm2", "equivalent_circular_diameter_nm", "perimeter_nm", "centroid_y_nm", "centroid_x_nm",
        "touches_border",
    ]  # fmt: skip
    assert table["area_nm2"][0] == 24 * 0.25
    assert table["centroid_y_nm"][0] == 3.5 * 0.5
    assert table["centroid_x_nm"][0] == 5.5 * 0.5
    assert table["equivalent_circular_diameter_nm"][0] == pytest.approx(2 * np.sqrt(6 / np.pi))
    assert table["perimeter_nm"][0] == pytest.approx(measure_objects(labels)["perimeter_px"][0] / 2)
    assert not table["touches_border"][0]


@pytest.mark.parametrize(
    ("unit", "area", "length"),
    [
        ("µm", "area_um2", "perimeter_um"),
        ("Å", "area_angstrom2", "perimeter_angstrom"),
        ("inch", "area_inch2", "perimeter_inch"),
    ],
)
def test_names_of_columns_are_ascii(unit: str, area: str, length: str) -> None:
    table = measure_objects(np.ones((3, 3), int), Calibration((1, 1), unit, "test"))
    assert {area, length} <= set(table)


def test_pixels_that_are_not_square() -> None:
    # The same disc of radius 40 µm on two grids.
    size = Calibration((1.0, 0.5), "µm", "test")
    tall = np.zeros((100, 200), np.uint8)
    tall[ellipse(50, 100, 40, 80)] = 1
    table = measure_objects(tall, size)
    assert table["equivalent_circular_diameter_um"][0] == pytest.approx(80, rel=0.01)
    assert table["perimeter_um"][0] == pytest.approx(2 * np.pi * 40, rel=0.03)
    assert table["centroid_y_um"][0] == pytest.approx(50)
    assert table["centroid_x_um"][0] == pytest.approx(50)


def test_disc_has_the_perimeter_of_a_circle() -> None:
    labels = np.zeros((120, 120), np.uint8)
    labels[disk((60, 60), 50)] = 1
    table = measure_objects(labels)
    assert table["perimeter_px"][0] == pytest.approx(2 * np.pi * 50, rel=0.02)
    assert table["area_px"][0] == pytest.approx(np.pi * 2500, rel=0.01)


@pytest.mark.parametrize("shape", [(5, 5), (1, 1), (3, 4, 4)])
def test_no_objects(shape: tuple[int, ...]) -> None:
    table = measure_objects(np.zeros(shape, np.int32), NM)
    assert all(len(column) == 0 for column in table.values())
    assert "area_nm2" in table


def test_one_pixel_image() -> None:
    table = measure_objects(np.ones((1, 1), np.uint8))
    assert table["area_px"][0] == 1
    assert table["touches_border"][0]


def test_stack_is_measured_plane_by_plane() -> None:
    stack = np.stack([voronoi(5, (30, 30), 1), np.zeros((30, 30), np.int32), voronoi(3, (30, 30), 2)])
    table = measure_objects(stack, NM)
    assert next(iter(table)) == "plane"
    np.testing.assert_array_equal(np.bincount(table["plane"], minlength=3), [5, 0, 3])
    np.testing.assert_allclose(table["area_nm2"][5:], measure_objects(stack[2], NM)["area_nm2"])


def test_lazy_labels_are_computed_once_per_pass_and_never_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bands, "BAND_PIXELS", 100 * 3)
    labels = voronoi(40, (100, 100))
    seen: list[int] = []

    def watched(block: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        seen.append(block.size)
        return block

    lazy = da.from_array(labels, chunks=(10, 50)).map_blocks(watched, dtype=labels.dtype, meta=labels[:0, :0])
    table, reference = measure_objects(lazy), measure_objects(labels)
    for name, column in reference.items():
        np.testing.assert_allclose(table[name], column)
    # Once to find the numbers, once to count.
    assert seen == [500] * 40
    assert max(len(band) for _, band in bands.row_bands(lazy)) == 3


@pytest.mark.parametrize("labels", [np.zeros((4, 4)), np.zeros((4, 4), bool), np.zeros(4, int)])
def test_what_is_no_label_image(labels: np.ndarray[Any, Any]) -> None:
    with pytest.raises(ValueError, match="Labels must be whole numbers"):
        measure_objects(labels)


def test_many_objects() -> None:
    labels = np.kron(np.arange(1, 20_001, dtype=np.int32).reshape(100, 200), np.ones((20, 10), np.int32))
    table = measure_objects(labels, NM)
    assert len(table["label"]) == 20_000
    assert (table["area_nm2"] == 200 * 0.25).all()
