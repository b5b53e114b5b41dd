"""Circles and squares of known size, to the error that pixels leave."""

from __future__ import annotations

import math

import numpy as np
import pytest
from skimage.measure import regionprops_table

from napari_microcnn.measure import measure_shapes
from napari_microcnn.micrograph import Calibration

UNITS = [("pm", 3.0), ("angstrom", 1.7), ("nm", 12.5), ("um", 0.25), ("mm", 0.01), ("inch", 1e-4)]
# Lines of four directions lie 1, 1 and twice 1/sqrt(2) pixels apart; each extent may be wrong by one line, and the
# perimeter is pi times their mean.
PERIMETER_ERROR = math.pi * (2 + math.sqrt(2)) / 4
# The ends of a diameter lie within half the diagonal of a pixel of the outline.
LENGTH_ERROR = math.sqrt(2)


def disc(radius: float, centre: tuple[float, float] = (70.3, 81.6), shape: tuple[int, int] = (150, 160)) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    return ((y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2).astype(int)


@pytest.mark.parametrize(("unit", "size"), UNITS)
def test_square_is_exact(unit: str, size: float) -> None:
    labels = np.zeros((100, 120), int)
    labels[20:60, 30:70] = 4
    table = {k: v.item() for k, v in measure_shapes(labels, Calibration((size, size), unit, "test")).items()}
    assert table[f"area_{unit}2"] == pytest.approx(1600 * size**2)
    assert table[f"equivalent_circular_diameter_{unit}"] == pytest.approx(math.sqrt(4 * 1600 / math.pi) * size)
    assert table[f"centroid_y_{unit}"] == pytest.approx(39.5 * size)
    assert table[f"centroid_x_{unit}"] == pytest.approx(49.5 * size)
    assert [table[f"bbox_{side}"] for side in ("top", "left", "bottom", "right")] == [20, 30, 60, 70]
    assert table[f"feret_min_{unit}"] == pytest.approx(40 * size)
    assert table[f"feret_max_{unit}"] == pytest.approx(40 * math.sqrt(2) * size, abs=size)
    assert table["aspect_ratio"] == pytest.approx(1)
    # Of a square along the pixels, lines of four directions see the mean extent (1 + sqrt 2) / 2 instead of 4 / pi.
    perimeter = math.pi * (1 + math.sqrt(2)) / 2 * 40
    assert table[f"perimeter_{unit}"] == pytest.approx(perimeter * size, abs=PERIMETER_ERROR * size)
    assert table["circularity"] == pytest.approx(4 * math.pi * 1600 / perimeter**2, rel=2 * PERIMETER_ERROR / perimeter)
    assert table["edge_weight"] == pytest.approx(100 * 120 / (59 * 79))
    assert math.isnan(table[f"nearest_neighbour_distance_{unit}"])


@pytest.mark.parametrize(("unit", "size"), UNITS)
@pytest.mark.parametrize("radius", [8, 40.4])
def test_circle_to_the_error_of_pixels(unit: str, size: float, radius: float) -> None:
    table = measure_shapes(disc(radius), Calibration((size, size), unit, "test"))
    one = {k: v.item() for k, v in table.items()}
    # A pixel belongs to the disc if its centre does: the outline is wrong by half a diagonal at most.
    assert one[f"area_{unit}2"] == pytest.approx(math.pi * radius**2 * size**2, abs=math.pi * radius * size**2)
    assert one[f"equivalent_circular_diameter_{unit}"] == pytest.approx(2 * radius * size, abs=size / 2)
    assert one[f"perimeter_{unit}"] == pytest.approx(2 * math.pi * radius * size, abs=PERIMETER_ERROR * size)
    assert one["circularity"] == pytest.approx(1, abs=2 * PERIMETER_ERROR / (2 * math.pi * radius) + 1 / radius)
    for name in ("feret_max", "feret_min"):
        assert one[f"{name}_{unit}"] == pytest.approx(2 * radius * size, abs=LENGTH_ERROR * size)
    assert one["aspect_ratio"] == pytest.approx(1, abs=1 / radius)
    assert one[f"centroid_y_{unit}"] == pytest.approx(70.3 * size, abs=0.5 * size)
    assert one[f"centroid_x_{unit}"] == pytest.approx(81.6 * size, abs=0.5 * size)


def test_stretched_pixels() -> None:
    labels = np.zeros((60, 60), int)
    labels[10:20, 10:50] = 1  # 20 x 20 um
    one = measure_shapes(labels, Calibration((2.0, 0.5), "um", "test"))
    assert one["feret_min_um"][0] == pytest.approx(20)
    assert one["feret_max_um"][0] == pytest.approx(20 * math.sqrt(2), abs=2)
    assert one["aspect_ratio"][0] == pytest.approx(1)


def test_axes_as_in_scikit_image() -> None:
    y, x = np.mgrid[:90, :90]
    u, v = (x - 45) * math.cos(0.5) + (y - 45) * math.sin(0.5), (y - 45) * math.cos(0.5) - (x - 45) * math.sin(0.5)
    labels = ((u / 30) ** 2 + (v / 12) ** 2 <= 1).astype(int)
    one, other = (
        measure_shapes(labels),
        regionprops_table(labels, properties=("axis_major_length", "axis_minor_length")),
    )
    assert one["aspect_ratio"][0] == pytest.approx(
        other["axis_major_length"][0] / other["axis_minor_length"][0],
        rel=2e-3,  # it takes pixels for points
    )
    assert one["orientation_degrees"][0] == pytest.approx(math.degrees(0.5), abs=1)
    assert one["feret_max_px"][0] == pytest.approx(60, abs=LENGTH_ERROR)
    assert one["feret_min_px"][0] == pytest.approx(24, abs=LENGTH_ERROR)


def test_neighbours_and_numbers_with_gaps() -> None:
    labels = np.zeros((50, 90), int)
    labels[10:15, 10:15], labels[10:15, 40:45], labels[10:15, 80:85] = 7, 300, 2
    table = measure_shapes(labels)
    assert table["label"].tolist() == [2, 7, 300]
    assert table["nearest_neighbour_distance_px"].tolist() == [40, 30, 30]
    assert table["bbox_left"].tolist() == [80, 10, 40]


def test_nothing_there() -> None:
    table = measure_shapes(np.zeros((5, 5), int))
    assert {len(column) for column in table.values()} == {0}


def test_a_stack_is_refused() -> None:
    with pytest.raises(ValueError, match="take one plane"):
        measure_shapes(np.zeros((2, 5, 5), int))
