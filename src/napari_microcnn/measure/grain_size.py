"""Grain size of one or several fields after ASTM E112, E1382 and ISO 643."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.config.measuring import GrainSizeConfig
from napari_microcnn.measure.astm import iso_number, number_from_density, number_from_intercept, warnings_of
from napari_microcnn.measure.distributions import lognormal_misfit, percentiles
from napari_microcnn.measure.figures import DIRECTIONS, TestLine, straight_lines, three_circles
from napari_microcnn.measure.filling import WIDEST, fill_boundaries
from napari_microcnn.measure.intersections import Intersections, intersections
from napari_microcnn.measure.interval import Estimate, ratio
from napari_microcnn.measure.objects import Table
from napari_microcnn.measure.planimetric import jeffries_weights
from napari_microcnn.measure.shapes import measure_shapes
from napari_microcnn.measure.tiling import Tiling, planes_of, tiling
from napari_microcnn.measure.units import length_unit, pixel_sizes
from napari_microcnn.micrograph import Calibration


@dataclass(frozen=True, eq=False)
class GrainField:
    """One field and what was counted in it.

    Attributes
    ----------
    table : dict
        Grains as from `measure_shapes`, lengths in the unit of the result; ``count`` is what each counts.
    lines : list of TestLine
    found : Intersections
        Positions in pixels.
    counted : numpy.ndarray, (4, P)
        Grains, area, intersections and line length of every part.
    by_direction : numpy.ndarray, (4, 2, P)
        Intersections and line length per direction; 0 for circles.
    """

    table: Table
    lines: list[TestLine]
    found: Intersections
    counted: NDArray[np.float64]
    by_direction: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GrainSize:
    """Grain size with 95 % intervals; everything in `unit`, which is ``"px"`` without calibration.

    Attributes
    ----------
    unit : str
    fields : list of GrainField
    grains : float
        Equivalent number of grains.
    density : Estimate
        Grains per unit of area.
    intercept : Estimate
        Mean lineal intercept.
    by_direction : dict of float to Estimate
        Mean lineal intercept along every direction in degrees; empty for circles.
    planimetric_number, intercept_number, iso643_number : Estimate or None
        Grain size numbers; None without calibration.
    diameters : list of float
        D10, D50 and D90 of the equivalent circular diameter of whole grains, larger ones weighed for being cut more
        often (Miles and Lantuejoul).
    lognormal_misfit : float
        Kolmogorov-Smirnov distance of the grains' diameters from the best lognormal law.
    warnings : list of str
    """

    unit: str
    fields: list[GrainField]
    grains: float
    density: Estimate
    intercept: Estimate
    by_direction: dict[float, Estimate]
    planimetric_number: Estimate | None
    intercept_number: Estimate | None
    iso643_number: Estimate | None
    diameters: list[float]
    lognormal_misfit: float
    warnings: list[str]

    @property
    def boundary_length_per_area(self) -> Estimate:
        """Length of boundaries per area: pi/2 times the intersections per length of line (isotropic lines)."""
        return self.intercept.mapped(lambda length: math.pi / 2 / length if length else math.inf)

    @property
    def surface_per_volume(self) -> Estimate:
        """S_V = 2 P_L = 4/pi times the boundary length per area (Saltykov; ASTM E112)."""
        return self.intercept.mapped(lambda length: 2 / length if length else math.inf)

    @property
    def anisotropy(self) -> float:
        """Longest mean intercept of a direction over the shortest; nan for circles."""
        lengths = [one.value for one in self.by_direction.values()]
        return max(lengths) / min(lengths) if lengths else float("nan")

    def summary(self) -> dict[str, float]:
        """Return the numbers by name, with units at the end of the names."""
        unit, squared = self.unit, self.unit if self.unit == "px" else f"{self.unit}2"
        estimates = {
            "ASTM_grain_size_number_planimetric": self.planimetric_number,
            "ASTM_grain_size_number_intercept": self.intercept_number,
            "ISO643_grain_size_number": self.iso643_number,
            f"grains_per_{squared}": self.density,
            f"mean_intercept_{unit}": self.intercept,
            f"boundary_length_per_area_1/{unit}": self.boundary_length_per_area,
            f"surface_per_volume_1/{unit}": self.surface_per_volume,
            **{f"mean_intercept_{angle:.0f}_degrees_{unit}": one for angle, one in self.by_direction.items()},
        }
        counts = np.concatenate([field.table["count"] for field in self.fields])
        inside = int((counts == 1).sum())
        result: dict[str, float] = {"fields": len(self.fields), "grains": self.grains}
        result |= {"grains_inside": inside, "grains_cut": len(counts) - inside}
        for name, one in estimates.items():
            if one is not None:
                result |= {name: one.value, f"{name}_low": one.low, f"{name}_high": one.high}
        result[f"mean_area_{squared}"] = 1 / self.density.value if self.density.value > 0 else math.inf
        result |= {f"D{d}_{unit}": value for d, value in zip((10, 50, 90), self.diameters, strict=True)}
        result["relative_accuracy_planimetric_percent"] = self.density.relative_accuracy
        result["relative_accuracy_intercept_percent"] = self.intercept.relative_accuracy
        return {**result, "anisotropy": self.anisotropy, "lognormal_misfit": self.lognormal_misfit}


def grain_size(
    fields: NDArray[Any] | Sequence[NDArray[Any]],
    calibration: Calibration | Sequence[Calibration | None] | None = None,
    config: GrainSizeConfig | None = None,
) -> GrainSize:
    """Measure the grain size by counting grains and by counting intersections.

    Parameters
    ----------
    fields : numpy.ndarray or sequence of numpy.ndarray
        Labels of shape (Y, X), where 0 is boundary, or a stack or several of them. Boundaries up to 10 pixels wide
        are shared out among their grains.
    calibration : Calibration, or one for every field, optional
        Without it lengths are in pixels, and no grain size number is stated.
    config : GrainSizeConfig, optional
        Test figure, and how fields are cut into parts. Two fields or more are taken as they are; a single one is
        cut into parts, whose spread gives the interval.

    Returns
    -------
    GrainSize

    Raises
    ------
    ValueError
        If fields are no labels, or only some of them are calibrated.
    """
    config = config or GrainSizeConfig()
    planes = planes_of(fields)
    given = [calibration] * len(planes) if calibration is None or isinstance(calibration, Calibration) else calibration
    if len(given) != len(planes):
        raise ValueError(f"There are {len(planes)} fields, but {len(given)} calibrations; give one for each, or one.")
    if len({one is None for one in given}) > 1:
        raise ValueError("Only some of the fields have a pixel size; give it for all, or measure the others apart.")
    unit = given[0].unit if given[0] is not None else None
    scales = [one.to(unit) if one is not None and unit is not None else None for one in given]
    parts = config.parts if config.parts is not None else (None if len(planes) == 1 else 1)
    rng = np.random.default_rng([config.seed, 7])
    measured = [_field(plane, scale, parts, config, rng) for plane, scale in zip(planes, scales, strict=True)]
    return _pooled(measured, scales[0], parts != 1)


def _field(
    plane: NDArray[Any],
    calibration: Calibration | None,
    parts: int | None,
    config: GrainSizeConfig,
    rng: np.random.Generator,
) -> GrainField:
    labels = fill_boundaries(_without_databar(plane))
    table = measure_shapes(labels, calibration)
    count = jeffries_weights(labels, table["label"])
    sizes, unit = pixel_sizes(calibration), length_unit(calibration)
    shape = (int(labels.shape[0]), int(labels.shape[1]))
    tiles = tiling(shape, len(count), parts)
    area = shape[0] * shape[1] * sizes[0] * sizes[1]
    if config.figure == "circles":
        lines = three_circles(tiles, sizes)
    else:
        lines = straight_lines(shape, sizes, config.spacing * math.sqrt(area / max(len(count), 9)), rng)
    found = intersections(labels, lines)
    centres = np.stack([table[f"centroid_{a}_{unit}"] / s for a, s in zip("yx", sizes, strict=True)], 1)
    every = _by_direction(tiles, lines, found)
    grains = tiles.sums(centres, count)
    counted = np.stack([grains, np.full(tiles.number, area / tiles.number), *every.sum(0)])
    return GrainField({**table, "count": count}, lines, found, counted, every[: len(DIRECTIONS)])


def _without_databar(plane: NDArray[Any]) -> NDArray[Any]:
    """Leave out empty rows at the foot, more than a boundary has: a databar is no part of the field."""
    filled = np.flatnonzero(plane.any(axis=1))
    end = int(filled[-1]) + 1 if len(filled) else len(plane)
    return plane[:end] if len(plane) - end > WIDEST else plane


def _by_direction(tiles: Tiling, lines: list[TestLine], found: Intersections) -> NDArray[np.float64]:
    """Return intersections and line length of every part, for every direction and, last, for circles."""
    kinds = (*DIRECTIONS, None)
    kind = np.array([kinds.index(line.direction) for line in lines], np.intp)
    result = np.zeros((len(kinds), 2, tiles.number))
    points = np.concatenate([line.points if line.direction is not None else line.points[1:] for line in lines])
    steps = np.concatenate([np.full(len(line.points) - (line.direction is None), line.step) for line in lines])
    of_point = np.repeat(kind, [len(line.points) - (line.direction is None) for line in lines])
    of_found = kind[found.lines]
    for k in range(len(kinds)):
        result[k, 0] = tiles.sums(found.points[of_found == k], found.weights[of_found == k])
        result[k, 1] = tiles.sums(points[of_point == k], steps[of_point == k])
    return result


def _pooled(fields: list[GrainField], calibration: Calibration | None, parts: bool) -> GrainSize:
    grains, area, met, length = np.concatenate([field.counted for field in fields], 1)
    density, intercept = ratio(grains, area), ratio(met, length).mapped(_inverse)
    directions = np.concatenate([field.by_direction for field in fields], 2)
    by_direction = {
        angle: ratio(*directions[k]).mapped(_inverse) for k, angle in enumerate(DIRECTIONS) if directions[k, 1].any()
    }
    diameter = f"equivalent_circular_diameter_{length_unit(calibration)}"
    sizes, weights = (np.concatenate([field.table[name] for field in fields]) for name in (diameter, "edge_weight"))
    numbers: list[Estimate | None] = [None, None, None]
    if calibration is not None:
        mm = calibration.to("mm").pixel_size[0] / calibration.pixel_size[0]
        numbers = [
            density.mapped(lambda value: number_from_density(value / mm**2)),
            intercept.mapped(lambda value: number_from_intercept(value * mm)),
            density.mapped(lambda value: iso_number(value / mm**2)),
        ]
    warnings = warnings_of([float(field.counted[0].sum()) for field in fields], density, intercept, parts)
    if calibration is None:
        warnings.insert(0, "The pixel size is not known, so no grain size number G can be stated; set the pixel size.")
    return GrainSize(
        length_unit(calibration), fields, float(grains.sum()), density, intercept, by_direction,
        numbers[0], numbers[1], numbers[2], percentiles(sizes, weights),
        lognormal_misfit(sizes[weights > 0]), warnings,
    )  # fmt: skip


def _inverse(value: float) -> float:
    return 1 / value if value > 0 else math.inf
