"""Particles of one or several fields: how many, how large, how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.measure.distributions import lognormal_misfit, percentiles
from napari_microcnn.measure.interval import Estimate, ratio
from napari_microcnn.measure.objects import Table
from napari_microcnn.measure.shapes import measure_shapes
from napari_microcnn.measure.tiling import planes_of, tiling
from napari_microcnn.measure.units import length_unit, pixel_sizes
from napari_microcnn.micrograph import Calibration


@dataclass(frozen=True, eq=False)
class Particles:
    """Particles with 95 % intervals.

    Attributes
    ----------
    unit : str
        Of lengths; ``"px"`` without calibration.
    tables : list of dict
        Of every field, as from `measure_shapes`.
    density : Estimate
        Particles per unit of area, those that the border cuts replaced by what they stand for.
    area_fraction : Estimate
    by_number, by_area : list of float
        D10, D50 and D90 of the equivalent circular diameter, particles counted, or weighed by their area.
    lognormal_misfit : float
        Kolmogorov-Smirnov distance of the diameters from the best lognormal law.
    """

    unit: str
    tables: list[Table]
    density: Estimate
    area_fraction: Estimate
    by_number: list[float]
    by_area: list[float]
    lognormal_misfit: float

    def summary(self) -> dict[str, float]:
        """Return the numbers by name, with units at the end of the names."""
        squared = self.unit if self.unit == "px" else f"{self.unit}2"
        result: dict[str, float] = {
            "fields": len(self.tables),
            "particles": sum(len(table["label"]) for table in self.tables),
            "particles_cut": sum(int(table["touches_border"].sum()) for table in self.tables),
        }
        for name, one in ((f"particles_per_{squared}", self.density), ("area_fraction", self.area_fraction)):
            result |= {name: one.value, f"{name}_low": one.low, f"{name}_high": one.high}
        for kind, values in (("number", self.by_number), ("area", self.by_area)):
            result |= {f"D{d}_by_{kind}_{self.unit}": v for d, v in zip((10, 50, 90), values, strict=True)}
        return {**result, "lognormal_misfit": self.lognormal_misfit}


def particle_statistics(
    fields: NDArray[Any] | Sequence[NDArray[Any]], calibration: Calibration | None = None, parts: int | None = None
) -> Particles:
    """Measure particles or pores, and pool the fields.

    Particles that the border cuts are left out; the others weigh more the larger they are, since large ones are cut
    more often (Miles and Lantuejoul).

    Parameters
    ----------
    fields : numpy.ndarray or sequence of numpy.ndarray
        Labels of shape (Y, X), 0 is background.
    calibration : Calibration, optional
        Of all fields.
    parts : int, optional
        Parts along every side that the intervals come from; by default whole fields if there are several.

    Returns
    -------
    Particles

    Raises
    ------
    ValueError
        If there is no field, or one is no label image.
    """
    planes = planes_of(fields)
    if parts is None and len(planes) > 1:
        parts = 1
    unit, sizes = length_unit(calibration), pixel_sizes(calibration)
    tables = [measure_shapes(plane, calibration) for plane in planes]
    counted = np.concatenate([_parts(p, t, sizes, unit, parts) for p, t in zip(planes, tables, strict=True)], 1)
    diameters = np.concatenate([table[f"equivalent_circular_diameter_{unit}"] for table in tables])
    weights = np.concatenate([table["edge_weight"] for table in tables])
    return Particles(
        unit, tables, ratio(counted[0], counted[1] * sizes[0] * sizes[1]), ratio(counted[2], counted[1]),
        percentiles(diameters, weights), percentiles(diameters, weights * diameters**2),
        lognormal_misfit(diameters[weights > 0]),
    )  # fmt: skip


def _parts(
    plane: NDArray[Any], table: Table, sizes: tuple[float, float], unit: str, parts: int | None
) -> NDArray[np.float64]:
    """Return, per part of a field, how many particles, pixels, and pixels of particles it has: (3, P)."""
    tiles = tiling((int(plane.shape[0]), int(plane.shape[1])), len(table["label"]), parts)
    centres = np.stack([table[f"centroid_{a}_{unit}"] / s for a, s in zip("yx", sizes, strict=True)], 1)
    inside = [plane[box] > 0 for box in tiles.boxes()]
    covered = [float(part.sum()) for part in inside]
    pixels = [float(part.size) for part in inside]
    return np.stack([tiles.sums(centres, table["edge_weight"]), np.array(pixels), np.array(covered)])
