"""What the Measure dock lets a worker do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_microcnn.config import GrainSizeConfig
from napari_microcnn.events import Finished, Job, Progress
from napari_microcnn.micrograph import Calibration

Array = np.ndarray[Any, Any]
Columns = dict[str, Array]

GRAINS, PARTICLES = "grains", "particles"
KIND_NAMES = ("crossing", "tangent", "triple point", "end of a line")


@dataclass(frozen=True, eq=False)
class Measurement:
    """What was measured in one plane.

    Attributes
    ----------
    kind : str
        `GRAINS` or `PARTICLES`.
    table : dict of str to numpy.ndarray
        One row for every object.
    summary : dict of str to float
        Numbers by name, with the ends of their intervals.
    warnings : tuple of str
        What a standard objects to.
    labels : numpy.ndarray, (Y, X)
        What was measured: grains up to the middle of their boundaries.
    lines : tuple of numpy.ndarray, (N, 2)
        Test lines as (y, x) in pixels; empty for particles.
    points : numpy.ndarray, (N, 2)
        Intersections.
    kinds, counts : numpy.ndarray, (N,)
        Names of their kinds, and what each counts.
    """

    kind: str
    table: Columns
    summary: dict[str, float]
    warnings: tuple[str, ...]
    labels: Array
    lines: tuple[Array, ...]
    points: Array
    kinds: Array
    counts: Array


def measure_labels(
    labels: Array, calibration: Calibration | None, kind: str, config: GrainSizeConfig
) -> Job[Measurement]:
    """Measure the objects of a plane; runs in the worker."""
    from napari_microcnn.measure import grain_size, particle_statistics
    from napari_microcnn.measure.filling import fill_boundaries

    yield Progress(0, 1, "Counting")
    nothing = np.empty((0, 2)), np.empty(0, object), np.empty(0)
    if kind == PARTICLES:
        found = particle_statistics(labels, calibration)
        yield Finished(Measurement(kind, found.tables[0], found.summary(), (), labels, (), *nothing))
        return
    size = grain_size(labels, calibration, config)
    field = size.fields[0]
    lines = tuple(_thinned(line.points) for line in field.lines)
    kinds = np.array(KIND_NAMES, object)[field.found.kinds]
    met = field.found.points, kinds, field.found.weights
    filled = fill_boundaries(labels)
    yield Finished(Measurement(kind, field.table, size.summary(), tuple(size.warnings), filled, lines, *met))


def _thinned(points: Array) -> Array:
    """Return the ends of a straight line, or a circle with a hundred corners."""
    if np.array_equal(points[0], points[-1]):
        return points[:: max(1, len(points) // 100)]
    return points[[0, -1]]


def write_measurement(
    path: Path, columns: Columns, summary: dict[str, float], calibration: Calibration | None
) -> Job[Path]:
    """Write a table, and beside it the numbers and how they came; runs in the worker."""
    from napari_microcnn.io.provenance import describe_calibration, versions
    from napari_microcnn.io.write import write_json, write_table

    write_table(path, columns)
    about = {"software": "napari-microcnn", "versions": versions(), "calibration": describe_calibration(calibration)}
    write_json(path.with_name(f"{path.stem}_summary.json"), {**about, "results": summary})
    yield Finished(path)
