"""Phases of one or several fields: how much, how fine, how connected."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_microcnn.measure.interval import Estimate, ratio
from napari_microcnn.measure.thickness import local_thickness
from napari_microcnn.measure.tiling import planes_of, tiling
from napari_microcnn.measure.tortuosity import tortuosity as shortest_ways
from napari_microcnn.measure.units import length_unit, pixel_sizes
from napari_microcnn.micrograph import Calibration

_GRID = 10
"""Points along a side of the grid, 100 in all: the largest that ASTM E562 suggests."""


@dataclass(frozen=True)
class Phase:
    """One phase with 95 % intervals; lengths in `unit`.

    Attributes
    ----------
    unit : str
        ``"px"`` without calibration.
    area_fraction : Estimate
        From all pixels, the spread from fields or parts of one (ASTM E1245).
    point_fraction : Estimate
        From a grid of points, as it is counted by hand (ASTM E562); points beside another class count one half.
    interface_per_area : Estimate
        Length of its outline per area, from lines in four directions.
    mean_chord : float
        Mean length of the ways of lines through the phase, those that the border cuts counted by half.
    regions : float
        Connected regions (by sides and corners), of all fields.
    largest_region : float
        Share of the phase in the largest region of its field: 1 if all is connected.
    spans_x, spans_y : float
        Share of the fields that one region crosses from side to side.
    thickness, thickness_spread : float
        Mean and standard deviation of the local thickness; nan if it was not asked for.
    tortuosity_x, tortuosity_y : float
        Length of the shortest ways through the phase over that of straight ones, the mean of the fields that are
        crossed; infinite if there is none, nan if it was not asked for.
    """

    unit: str
    area_fraction: Estimate
    point_fraction: Estimate
    interface_per_area: Estimate
    mean_chord: float
    regions: int
    largest_region: float
    spans_x: float
    spans_y: float
    thickness: float
    thickness_spread: float
    tortuosity_x: float
    tortuosity_y: float

    def summary(self) -> dict[str, float]:
        """Return the numbers by name, with units at the end of the names."""
        result: dict[str, float] = {}
        for name, one in (
            ("area_fraction", self.area_fraction),
            ("point_fraction", self.point_fraction),
            (f"interface_per_area_1/{self.unit}", self.interface_per_area),
        ):
            result |= {name: one.value, f"{name}_low": one.low, f"{name}_high": one.high}
        result["relative_accuracy_percent"] = self.area_fraction.relative_accuracy
        result |= {f"mean_chord_{self.unit}": self.mean_chord, "regions": self.regions}
        result |= {"largest_region": self.largest_region, "spans_x": self.spans_x, "spans_y": self.spans_y}
        if not math.isnan(self.thickness):
            name = f"local_thickness_{self.unit}"
            result |= {f"mean_{name}": self.thickness, f"std_{name}": self.thickness_spread}
        if not math.isnan(self.tortuosity_x):
            result |= {"tortuosity_x": self.tortuosity_x, "tortuosity_y": self.tortuosity_y}
        return result


def phase_statistics(
    fields: NDArray[Any] | Sequence[NDArray[Any]],
    calibration: Calibration | None = None,
    *,
    thickness: bool = False,
    tortuosity: bool = False,
    parts: int | None = None,
) -> dict[int, Phase]:
    """Measure every class of a class map.

    Parameters
    ----------
    fields : numpy.ndarray or sequence of numpy.ndarray
        Class maps of shape (Y, X).
    calibration : Calibration, optional
        Of all fields.
    thickness : bool
        Whether to measure the local thickness, which takes some seconds for a large image.
    tortuosity : bool
        Whether to measure how long the ways through each class are, half a second for a million pixels.
    parts : int, optional
        Parts along every side that the intervals come from; by default whole fields if there are several, else four.

    Returns
    -------
    dict of int to Phase
        Of every class that occurs.

    Raises
    ------
    ValueError
        If there is no field, or one is no class map.
    """
    planes = planes_of(fields, "biu")
    parts = parts if parts is not None else (4 if len(planes) == 1 else 1)
    ids = np.unique(np.concatenate([np.unique(plane) for plane in planes]))
    masks = {int(i): [plane == i for plane in planes] for i in ids}
    return {i: _phase(of_class, calibration, thickness, tortuosity, parts) for i, of_class in masks.items()}


def _phase(
    masks: list[NDArray[np.bool_]], calibration: Calibration | None, thickness: bool, tortuosity: bool, parts: int
) -> Phase:
    sizes = pixel_sizes(calibration)
    boxes = [mask[box] for mask in masks for box in tiling((int(mask.shape[0]), int(mask.shape[1])), 0, parts).boxes()]
    area, pixels = [float(part.sum()) for part in boxes], [float(part.size) for part in boxes]
    points = np.array([_points(part) for part in boxes])
    met = np.array([_interface(part, sizes) for part in boxes])
    chords = np.sum([_chords(mask, sizes) for mask in masks], axis=0)
    connected = [_connected(mask) for mask in masks]
    whole = sum(float(mask.sum()) for mask in masks)
    thick = np.concatenate([local_thickness(mask, sizes)[mask] for mask in masks] if thickness else [[np.nan]])
    ways = np.array([shortest_ways(mask, sizes) for mask in masks] if tortuosity else [[np.nan, np.nan]])
    down, across = (float((one[np.isfinite(one)] if np.isfinite(one).any() else one).mean()) for one in ways.T)
    return Phase(
        length_unit(calibration), ratio(area, pixels), ratio(points[:, 0], points[:, 1]), ratio(met[:, 0], met[:, 1]),
        float(chords[0] / chords[1]) if chords[1] else math.inf,
        sum(int(one[0]) for one in connected),
        sum(one[1] for one in connected) / whole if whole else float("nan"),
        float(np.mean([one[2] for one in connected])), float(np.mean([one[3] for one in connected])),
        float(thick.mean()), float(thick.std()) if np.isfinite(thick).all() else float("nan"),
        across, down,
    )  # fmt: skip


def _points(part: NDArray[np.bool_]) -> tuple[float, float]:
    """Return how many points of a grid lie in the phase, and how many there are."""
    places = [
        ((np.arange(min(_GRID, n)) + 0.5) * n / min(_GRID, n)).astype(np.intp) for n in part.shape
    ]  # fmt: skip
    framed = np.pad(part, 1, mode="edge")
    rows, columns = np.meshgrid(places[0] + 1, places[1] + 1, indexing="ij")
    around = [framed[rows + i, columns + j] for i, j in ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0))]
    inside = np.where(np.all(around, 0), 1.0, np.where(np.any(around, 0), 0.5, 0.0))
    # A point beside the interface is on it as seen by hand; which side it is on does not matter then.
    return float(inside.sum()), float(inside.size)


def _pairs(mask: NDArray[np.bool_], sizes: tuple[float, float]) -> list[tuple[float, float, float, float]]:
    """Return for four directions: changes, length of the lines, length within the phase, and the angle they stand for.

    The length of a line goes from pixel to pixel.
    """
    y, x = sizes
    tilt, diagonal = math.atan2(y, x), math.hypot(y, x)
    ways = (
        (mask[:, :-1], mask[:, 1:], x, tilt),
        (mask[:-1], mask[1:], y, math.pi / 2 - tilt),
        (mask[:-1, :-1], mask[1:, 1:], diagonal, math.pi / 4),
        (mask[:-1, 1:], mask[1:, :-1], diagonal, math.pi / 4),
    )
    return [
        (float((a != b).sum()), step * a.size, step * (float(a.sum()) + float(b.sum())) / 2, angle / math.pi)
        for a, b, step, angle in ways
    ]


def _interface(mask: NDArray[np.bool_], sizes: tuple[float, float]) -> tuple[float, float]:
    """Return the length of the interface (Cauchy and Crofton), and the area it was looked for in."""
    area = mask.size * sizes[0] * sizes[1]
    per_length = sum(share * changes / length for changes, length, _, share in _pairs(mask, sizes) if length)
    return math.pi / 2 * per_length * area, area


def _chords(mask: NDArray[np.bool_], sizes: tuple[float, float]) -> NDArray[np.float64]:
    """Return the length of all lines within the phase, and the number of chords: half the changes."""
    weighed = [(share * within, share * changes / 2) for changes, _, within, share in _pairs(mask, sizes)]
    return np.asarray(np.sum(weighed, axis=0))


def _connected(mask: NDArray[np.bool_]) -> tuple[int, float, bool, bool]:
    """Return the number of regions, the size of the largest, and whether one spans the field along x and y."""
    regions, number = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(regions.ravel(), minlength=1)[1:]

    def spans(one: NDArray[Any], other: NDArray[Any]) -> bool:
        return bool(np.isin(one[one > 0], other).any())

    largest = float(sizes.max()) if number else 0.0
    return number, largest, spans(regions[:, 0], regions[:, -1]), spans(regions[0], regions[-1])
