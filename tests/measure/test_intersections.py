"""Counting rules of ASTM E112 on lines laid by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_microcnn.measure.figures import DIRECTIONS, TestLine, straight_lines, three_circles
from napari_microcnn.measure.filling import fill_boundaries
from napari_microcnn.measure.intersections import CROSSING, END, TANGENT, TRIPLE, intersections
from napari_microcnn.measure.tiling import tiling


def row(y: float, length: int) -> TestLine:
    return TestLine(np.stack([np.full(length, y), np.arange(length)], 1), 0.0, 1.0)


def kinds(labels: np.ndarray, y: float) -> list[int]:
    return intersections(labels, [row(y, labels.shape[1])]).kinds.tolist()


def test_crossings_lie_on_the_boundary() -> None:
    labels = np.repeat([1, 2, 3], 10)[None].repeat(5, 0)
    found = intersections(labels, [row(2, 30), row(3, 30)])
    assert found.points.tolist() == [[2, 9.5], [2, 19.5], [3, 9.5], [3, 19.5]]
    assert found.lines.tolist() == [0, 0, 1, 1]
    assert found.weights.tolist() == [1, 1, 1, 1]


def test_tangent_counts_once() -> None:
    labels = np.ones((20, 40), int)
    labels[10:, 15:25] = 2
    labels[9, 19:21] = 2  # the tip that the line touches
    assert kinds(labels, 9) == [TANGENT]
    assert kinds(labels, 12) == [CROSSING, CROSSING]
    assert kinds(labels, 5) == []


def test_triple_point_counts_one_and_a_half_on_both_sides() -> None:
    labels = np.full((20, 40), 1)
    labels[:, 20:] = 2
    for y in range(10, 20):  # a third grain that begins at a point
        half = (y - 10) + 1
        labels[y, 20 - half : 20 + half] = 3
    assert kinds(labels, 9) == [TRIPLE]
    assert kinds(labels, 10) == [TRIPLE]
    assert kinds(labels, 8) == [CROSSING]
    assert kinds(labels, 12) == [CROSSING, CROSSING]


def test_narrow_grain_is_no_triple_point() -> None:
    labels = np.repeat([1, 2, 3], [10, 2, 10])[None].repeat(9, 0)
    assert kinds(labels, 4) == [CROSSING, CROSSING]


def test_boundary_pixels_and_ends() -> None:
    labels = np.array([[0, 1, 1, 0, 0, 2, 2, 0, 2, 2, 0]])
    found = intersections(labels, [row(0, 11)])
    assert found.kinds.tolist() == [CROSSING, END, END]
    assert found.weights.sum() == 2
    assert found.points[0].tolist() == [0, 3.5]


def test_lines_cover_the_field_in_the_specimen() -> None:
    lines = straight_lines((100, 200), (2.0, 1.0), 5.0, np.random.default_rng(0))
    for angle in DIRECTIONS:
        length = sum(line.length for line in lines if line.direction == angle)
        assert length * 5 == pytest.approx(100 * 2 * 200, rel=0.06)


def test_three_circles_have_their_length_and_stay_inside() -> None:
    circles = three_circles(tiling((120, 120), 0, 1), (1.0, 1.0))
    assert [round(c.length / circles[-1].length, 6) for c in circles] == [3, 2, 1]
    assert circles[0].length == pytest.approx(math.pi * 0.96 * 120)
    for circle in circles:
        assert circle.points.min() >= 0
        assert circle.points.max() <= 119
        assert (circle.points[0] == circle.points[-1]).all()


def test_circle_crosses_a_straight_boundary_twice() -> None:
    labels = np.ones((120, 120), int)
    labels[:, 60:] = 2
    found = intersections(labels, three_circles(tiling((120, 120), 0, 1), (1.0, 1.0)))
    assert found.kinds.tolist() == [CROSSING] * 6


def test_filling_meets_in_the_middle_and_keeps_the_rest() -> None:
    labels = np.zeros((5, 40), np.uint16)
    labels[:, :10], labels[:, 14:20], labels[:, 38:] = 1, 2, 3
    filled = fill_boundaries(labels, 4)
    assert filled.dtype == np.uint16
    assert filled[2].tolist() == [1] * 12 + [2] * 10 + [0] * 14 + [3] * 4
    assert labels[2, 10] == 0
