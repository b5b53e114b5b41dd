"""Test figures that are laid over a field: straight lines and Abrams' three circles."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.measure.tiling import Tiling

DIRECTIONS = (0.0, 45.0, 90.0, 135.0)
"""Of the test lines, in degrees from the x axis, counted from x to y."""

_CIRCLES = (1.0, 2 / 3, 1 / 3)
"""Diameters of Abrams' circles, 79.58, 53.05 and 26.53 mm, by the largest (ASTM E112, three-circle procedure)."""


@dataclass(frozen=True, eq=False)
class TestLine:
    """A line or circle, sampled about once per pixel.

    Attributes
    ----------
    points : numpy.ndarray, (N, 2)
        Positions as (y, x) in pixels.
    direction : float or None
        In degrees from x to y, in the specimen; None for a circle.
    step : float
        Length from one point to the next, in the unit of the pixel size.
    """

    __test__ = False  # no test for pytest

    points: NDArray[np.float64]
    direction: float | None
    step: float

    @property
    def length(self) -> float:
        """Length of the line in the unit of the pixel size."""
        return self.step * (len(self.points) - (self.direction is None))


def straight_lines(
    shape: tuple[int, int], sizes: tuple[float, float], spacing: float, rng: np.random.Generator
) -> list[TestLine]:
    """Lay parallel lines of four directions over a field, each set starting anywhere.

    Parameters
    ----------
    shape : tuple of int
        Height and width in pixels.
    sizes : tuple of float
        Length of a pixel along y and x.
    spacing : float
        Distance of neighbouring lines, in the unit of `sizes`.
    rng : numpy.random.Generator
        Says where the first line of every direction lies.
    """
    return [line for angle in DIRECTIONS for line in _parallel(shape, sizes, spacing, angle, rng)]


def _parallel(
    shape: tuple[int, int], sizes: tuple[float, float], spacing: float, angle: float, rng: np.random.Generator
) -> list[TestLine]:
    along = np.array([math.sin(math.radians(angle)), math.cos(math.radians(angle))])
    across = np.array([along[1], -along[0]])
    size = np.asarray(sizes)
    corners = np.array([[y, x] for y in (0, shape[0]) for x in (0, shape[1])]) * size
    offsets = corners @ across
    step = 1 / float(np.abs(along / size).max())  # one pixel along the axis that it follows most
    reach = corners @ along
    steps = (np.arange(math.floor(reach.min() / step), math.ceil(reach.max() / step) + 1) + 0.5) * step
    lines = []
    for offset in np.arange(offsets.min() + rng.random() * spacing, offsets.max(), spacing):
        points = (offset * across + steps[:, None] * along) / size - 0.5
        inside = (points > -0.5).all(1) & (points < np.asarray(shape) - 0.5).all(1)
        if inside.sum() >= 2:
            lines.append(TestLine(points[inside], angle, step))
    return lines


def three_circles(tiles: Tiling, sizes: tuple[float, float]) -> list[TestLine]:
    """Lay Abrams' three circles into every part of a field, as large as it allows.

    Parameters
    ----------
    tiles : Tiling
        The parts.
    sizes : tuple of float
        Length of a pixel along y and x.
    """
    circles = []
    for rows, columns in tiles.boxes():
        centre = np.array([rows.start + rows.stop - 1, columns.start + columns.stop - 1]) / 2
        largest = 0.48 * min((rows.stop - rows.start) * sizes[0], (columns.stop - columns.start) * sizes[1])
        circles += [_circle(centre, share * largest, sizes) for share in _CIRCLES]
    return circles


def _circle(centre: NDArray[np.float64], radius: float, sizes: tuple[float, float]) -> TestLine:
    """Draw a circle from pixel to pixel, corner to corner: steps around corners would meet boundaries twice."""
    angle = np.linspace(0, 2 * math.pi, max(16, math.ceil(8 * math.pi * radius / min(sizes))), endpoint=False)
    turn = np.stack([np.sin(angle) / sizes[0], np.cos(angle) / sizes[1]], 1)
    points = np.floor(centre + radius * turn + 0.5)
    points = points[(points != np.roll(points, 1, 0)).any(1)]
    corner = np.abs(np.roll(points, -1, 0) - np.roll(points, 1, 0)).max(1) <= 1
    corner[1:] &= ~corner[:-1]
    points = points[~corner]
    return TestLine(np.concatenate([points, points[:1]]), None, 2 * math.pi * radius / max(len(points), 1))
