"""What the Measure dock lets a worker do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from napari_microcnn.config import GrainSizeConfig, SegmentConfig
from napari_microcnn.events import Finished, Job, Progress
from napari_microcnn.micrograph import Calibration, Micrograph, Pixels
from napari_microcnn.ui.pairing import OnDisk, opened

Array = np.ndarray[Any, Any]
Columns = dict[str, Array]

GRAINS, PARTICLES, PHASES = "grains", "particles", "phases"
KIND_NAMES = ("crossing", "tangent", "triple point", "end of a line")
_MAIN = {
    GRAINS: ("ASTM", "mean_intercept", "D50", "relative_accuracy"),
    PARTICLES: ("particles_per", "area_fraction", "D50"),
}
"""How the names begin of the numbers that are shown first."""
_MAIN_OF_PHASES = ("area_fraction", "mean_chord", "mean_local_thickness", "tortuosity")


@dataclass(frozen=True, eq=False)
class Order:
    """What to measure, and how.

    Attributes
    ----------
    kind : str
        `GRAINS`, `PARTICLES` or `PHASES`.
    fields : tuple of numpy.ndarray or dask.array.Array, (Y, X)
        Labels or class maps; the first is the one in view, the others are pooled with it. Lazy ones are read by the
        worker.
    calibrations : tuple of Calibration or None
        Of each.
    config : GrainSizeConfig
    twins : numpy.ndarray or None
        (Y, X) bool, marks of twins in the first field.
    own : bool
        Whether the marks are areas of twins that count as grains, or twin boundaries across which grains are joined.
    thickness : bool
        Whether the local thickness of phases is measured.
    tortuosity : bool
        Whether the ways through them are.
    names : dict of int to str
        Of the classes.
    inside : tuple of slice
        Rows and columns that show the specimen; class maps have no value of their own for a databar.
    """

    kind: str
    fields: tuple[Pixels, ...]
    calibrations: tuple[Calibration | None, ...]
    config: GrainSizeConfig
    twins: Array | None = None
    own: bool = False
    thickness: bool = False
    tortuosity: bool = False
    names: Mapping[int, str] = field(default_factory=dict)
    inside: tuple[slice, slice] = (slice(None), slice(None))

    @property
    def settings(self) -> dict[str, Any]:
        """What a record says of it."""
        told: dict[str, Any] = {"kind": self.kind, "fields": len(self.fields)}
        if self.kind == GRAINS:
            twins = "as found" if self.twins is None else "grains of their own" if self.own else "joined at marks"
            return {**told, **self.config.model_dump(), "twins": twins}
        if self.kind != PHASES:
            return told
        return {**told, "thickness": self.thickness, "tortuosity": self.tortuosity, "classes": dict(self.names)}


@dataclass(frozen=True, eq=False)
class Measurement:
    """What was measured in one plane.

    Attributes
    ----------
    kind : str
        `GRAINS`, `PARTICLES` or `PHASES`.
    table : dict of str to numpy.ndarray
        One row for every object of the field in view, or for every class.
    summary : dict of str to float
        Numbers by name, with the ends of their intervals; of all fields.
    main : tuple of str
        The most important of their names.
    warnings : tuple of str
        What a standard objects to.
    labels : numpy.ndarray, (Y, X)
        What was measured: grains up to the middle of their boundaries.
    settings : dict
        How it was measured.
    lines : tuple of numpy.ndarray, (N, 2)
        Test lines as (y, x) in pixels; empty but for grains.
    points : numpy.ndarray, (N, 2)
        Intersections.
    kinds, counts : numpy.ndarray, (N,)
        Names of their kinds, and what each counts.
    """

    kind: str
    table: Columns
    summary: dict[str, float]
    main: tuple[str, ...]
    warnings: tuple[str, ...]
    labels: Array
    settings: dict[str, Any]
    lines: tuple[Array, ...] = ()
    points: Array = field(default_factory=lambda: np.empty((0, 2)))
    kinds: Array = field(default_factory=lambda: np.empty(0, object))
    counts: Array = field(default_factory=lambda: np.empty(0))


def measure(order: Order) -> Job[Measurement]:
    """Measure what was ordered; runs in the worker.

    Raises
    ------
    ValueError
        If fields do not fit together, or marks of twins do not fit the field.
    """
    yield Progress(0, 1, "Counting")
    order = replace(order, fields=tuple(np.asarray(one) for one in order.fields))
    yield Finished({GRAINS: _grains, PARTICLES: _particles, PHASES: _phases}[order.kind](order))


def _grains(order: Order) -> Measurement:
    from napari_microcnn.measure import grain_size
    from napari_microcnn.measure.filling import fill_boundaries
    from napari_microcnn.measure.twins import with_twins, without_twin_boundaries

    first, *others = map(np.asarray, order.fields)
    if order.twins is not None:
        first = (with_twins if order.own else without_twin_boundaries)(first, order.twins)
    size = grain_size([first, *others], order.calibrations, order.config)
    shown, told = size.fields[0], size.summary()
    return Measurement(
        GRAINS, shown.table, told, _main(GRAINS, told), tuple(size.warnings), fill_boundaries(first), order.settings,
        tuple(_thinned(line.points) for line in shown.lines),
        shown.found.points, np.array(KIND_NAMES, object)[shown.found.kinds], shown.found.weights,
    )  # fmt: skip


def _particles(order: Order) -> Measurement:
    from napari_microcnn.measure import particle_statistics

    found = particle_statistics(order.fields, _common(order))
    told = found.summary()
    return Measurement(
        PARTICLES, found.tables[0], told, _main(PARTICLES, told), (), order.fields[0], order.settings
    )  # fmt: skip


def _phases(order: Order) -> Measurement:
    from napari_microcnn.measure import phase_statistics

    alike = order.fields[0].shape
    fields = [plane[order.inside] if plane.shape == alike else plane for plane in order.fields]
    found = phase_statistics(fields, _common(order), thickness=order.thickness, tortuosity=order.tortuosity)
    rows = {i: phase.summary() for i, phase in found.items()}
    names = {i: order.names.get(i, f"class {i}") for i in rows}
    columns = {key: np.array([row[key] for row in rows.values()]) for key in next(iter(rows.values()))}
    told = {f"{names[i]}_{key}": float(value) for i, row in rows.items() for key, value in row.items()}
    main = tuple(
        f"{names[i]}_{key}"
        for i, row in rows.items()
        for key in row
        if key.startswith(_MAIN_OF_PHASES) and not key.endswith(("_low", "_high"))
    )
    table = {"label": np.array(list(rows)), "class": np.array(list(names.values()), object), **columns}
    return Measurement(PHASES, table, told, main, (), order.fields[0], order.settings)


def _main(kind: str, told: Mapping[str, float]) -> tuple[str, ...]:
    return tuple(name for name in told if name.startswith(_MAIN[kind]) and "degrees" not in name)


def _common(order: Order) -> Calibration | None:
    """Return the pixel size that all fields have."""
    sizes = {None if one is None else (one.pixel_size, one.unit) for one in order.calibrations}
    if len(sizes) > 1:
        raise ValueError("The fields have different pixel sizes; measure them one by one.")
    return order.calibrations[0]


def _thinned(points: Array) -> Array:
    """Return the ends of a straight line, or a circle with a hundred corners."""
    if np.array_equal(points[0], points[-1]):
        return points[:: max(1, len(points) // 100)]
    return points[[0, -1]]


def look_again(source: Micrograph | OnDisk, model: str, config: SegmentConfig, draws: int) -> Job[Columns]:
    """Say how sure numbers are; see `napari_microcnn.sureness_of_image`; runs in the worker."""
    from napari_microcnn.batch import sureness_of_image

    yield from sureness_of_image(opened(source), model, config, draws=draws)
