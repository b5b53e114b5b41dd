"""Synthetic pictures per second."""

from __future__ import annotations

import time

import numpy as np
from scipy import ndimage

from benchmarks.common import Table, seconds
from napari_microcnn.config import ImagingConfig, VoronoiConfig
from napari_microcnn.synth import LOOKS, polycrystal, random_look

SIDE, PICTURES = 256, 60

EVERYTHING = (
    VoronoiConfig(
        elongation=1.5, size_spread=0.4, curvature=0.4, roughness=0.4, merging=0.3, lamellae=0.3, twins=0.3,
        subgrains=0.3, fine_grains=0.2, drift=0.5,
    ),
    ImagingConfig(
        grain_contrast=0.2, texture=0.2, relief=0.2, uneven_etching=0.4, precipitates=3, pits=3, scratches=5,
        illumination=0.5, charging=0.5, noise_scale=0.5, gamma=1.2, least_step=0.1, inner_lines=0.3, second_phase=0.1,
        double_lines=True, broken_lines=0.4, defocus=1.5, compression=0.5, databar=0.08,
    ),
)  # fmt: skip


def run() -> Table:
    """Time pictures of 256 x 256 on one core, against a Gaussian filter of such a picture."""
    grey = np.random.default_rng(0).random((SIDE, SIDE), np.float32)
    unit = seconds(lambda: [ndimage.gaussian_filter(grey, 2.0) for _ in range(20)]) / 20
    table = Table(
        f"Synthetic pictures of {SIDE} x {SIDE}",
        ("look", "pictures per CPU second", "times a Gaussian filter (sigma 2)", "bar (per s)"),
        note="CPU seconds of the process, so that busy machines give the same figures.",
    )
    looks = {"random, as in training": [random_look(seed, SIDE, SIDE) for seed in range(PICTURES)]}
    looks |= {name: [look] * 20 for name, look in {"every effect on": EVERYTHING, **LOOKS}.items()}
    for name, some in looks.items():
        rate = _rate(some, unit)
        table.add(name, *rate, 30)
        table.at_least(f"pictures per CPU second: {name}", rate[0], 30)
    return table


def _rate(looks: list[tuple[VoronoiConfig, ImagingConfig]], unit: float) -> tuple[float, float]:
    polycrystal(*looks[0], seed=0)
    start = time.process_time()
    for seed, look in enumerate(looks):
        polycrystal(*look, seed=seed)
    each = (time.process_time() - start) / len(looks)
    return 1 / each, each / unit
