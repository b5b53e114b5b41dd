"""Grain size numbers of structures whose truth is known exactly: planes with seeds at random (Poisson-Voronoi).

The true number of grains per area is that of the seeds, and E112 makes G of it. The true mean lineal intercept of
such structures is pi / (4 sqrt(N_A)) (E. N. Gilbert, Annals of Mathematical Statistics 33 (1962) 958; R. E. Miles,
Mathematical Biosciences 6 (1970) 85: the boundary length per area is 2 sqrt(N_A)), and E112 makes G of that too. The
two differ: E112 relates them for grains with 0.89 / sqrt(N_A), which leaves 0.36 between the two numbers of one and
the same structure. That is a property of the structure, not an error of counting, so each number is held against its
own truth. Structures with more regular seeds have no known intercept; there only the number of grains is held against.
"""

from __future__ import annotations

import math
import os
from typing import NamedTuple

import numpy as np

from benchmarks.common import Table
from napari_microcnn.config import VoronoiConfig
from napari_microcnn.config.measuring import GrainSizeConfig
from napari_microcnn.measure.astm import number_from_density, number_from_intercept
from napari_microcnn.measure.grain_size import grain_size
from napari_microcnn.measure.interval import Estimate
from napari_microcnn.micrograph import Calibration
from napari_microcnn.synth.voronoi import voronoi

SEEDS = int(os.environ.get("MICROCNN_SEEDS", "20"))
GRAINS = (100, 300, 1000, 3000, 5000)
_PIXELS_PER_GRAIN = 40
"""Mean distance of the seeds; at 20 pixels, edges shorter than a pixel hide 1 % more of the intersections."""


class _Case(NamedTuple):
    error: float
    contained: bool


def run() -> Table:
    """Measure G of structures of many sizes and seeds."""
    table = Table(
        "Grain size number G of structures with known truth",
        ("structure", "grains", "method", "mean error", "mean absolute error", "truth within the 95 % interval"),
        note="Mean error: mean over the seeds of measured less true G; bar: under 0.05, and 90 % within the interval. "
        "In one image of 100 grains at random the number of seeds scatters by its root, which alone makes about 0.1 of "
        "mean absolute error. Truth of the intercept: pi / (4 sqrt(N_A)), exact for seeds at random.",
    )
    every: dict[str, list[_Case]] = {}
    for regularity, name in ((0.0, "seeds at random"), (0.5, "regular seeds")):
        for grains in GRAINS:
            for method, cases in _cases(grains, regularity).items():
                every.setdefault(f"{name}: {method}", []).extend(cases)
                _add(table, name, grains, method, cases)
    for key, cases in every.items():
        name, method = key.split(": ")
        _add(table, name, "all", method, cases)
        table.at_most(f"mean error of G, {key}", abs(float(np.mean([case.error for case in cases]))), 0.05)
        table.at_least(f"truth within the interval, {key}", float(np.mean([case.contained for case in cases])), 0.9)
    return table


def _cases(grains: int, regularity: float) -> dict[str, list[_Case]]:
    side = round(_PIXELS_PER_GRAIN * math.sqrt(grains))
    micron = Calibration((1.0, 1.0), "um", "benchmark")
    per_mm2 = grains / (side * 1e-3) ** 2
    intercept = number_from_intercept(math.pi / 4 / math.sqrt(per_mm2))
    found: dict[str, list[_Case]] = {}
    for seed in range(SEEDS):
        config = VoronoiConfig(
            height=side, width=side, grains=grains, regularity=regularity, size_spread=0, curvature=0
        )
        labels = voronoi(config, seed).grains
        size = grain_size(labels, micron)
        found.setdefault("planimetric", []).append(_case(size.planimetric_number, number_from_density(per_mm2)))
        if regularity == 0:
            circles = grain_size(labels, micron, GrainSizeConfig(figure="circles"))
            found.setdefault("intercept, lines", []).append(_case(size.intercept_number, intercept))
            found.setdefault("intercept, circles", []).append(_case(circles.intercept_number, intercept))
    return found


def _case(found: Estimate | None, truth: float) -> _Case:
    if found is None:
        raise ValueError("A calibrated field must give a grain size number.")
    return _Case(found.value - truth, found.contains(truth))


def _add(table: Table, name: str, grains: object, method: str, cases: list[_Case]) -> None:
    errors = np.array([case.error for case in cases])
    inside = sum(case.contained for case in cases)
    table.add(
        name, grains, method, f"{errors.mean():+.3f}", f"{np.abs(errors).mean():.3f}", f"{inside} of {len(cases)}"
    )  # fmt: skip
