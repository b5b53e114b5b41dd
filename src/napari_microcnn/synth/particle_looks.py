"""Named looks of nanoparticles, and random ones to train on."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np

from napari_microcnn.config import Arrangement, NanoparticlesConfig, ParticleImaging, ParticleShape
from napari_microcnn.synth.draws import log_uniform, sometimes

PARTICLE_LOOKS: dict[str, NanoparticlesConfig] = {
    "HRTEM": NanoparticlesConfig(
        imaging="HRTEM", shape="mixed", diameter=50, size_spread=0.2, coverage=0.25, contrast=0.25, contrast_spread=0.4,
        fringes=0.35, fringe_spacing=5, carbon=0.12, first_zero=0.16, dose=200, noise_scale=0.4,
    ),
    "HRTEM, fringes only": NanoparticlesConfig(
        imaging="HRTEM", shape="spheres", diameter=60, size_spread=0.2, coverage=0.2, contrast=0, fringes=0.3,
        fringe_spacing=6, carbon=0.15, first_zero=0.18, dose=200, noise_scale=0.4,
    ),
    "HAADF": NanoparticlesConfig(
        imaging="HAADF", shape="spheres", diameter=24, size_spread=0.3, coverage=0.2, arrangement="clustered",
        overlap=0.3, contrast=0.7, fringes=0, carbon=0.1, thickness=0.4, dose=80, scan_noise=0.3,
    ),
    "bright field": NanoparticlesConfig(
        imaging="bright field", shape="faceted", diameter=30, size_spread=0.15, coverage=0.35, arrangement="scattered",
        overlap=0.15, contrast=0.5, contrast_spread=0.5, fringes=0, carbon=0.05, dose=200,
    ),
    "SEM powder": NanoparticlesConfig(
        imaging="SEM", shape="spheres", diameter=36, size_spread=0.2, coverage=1.1, overlap=0.6, contrast=0.5,
        fringes=0, carbon=0.1, dose=60,
    ),
}  # fmt: skip
"""Settings of well-known kinds of pictures."""


def random_particles(seed: int, height: int, width: int) -> NanoparticlesConfig:
    """Draw settings as varied as pictures of nanoparticles are.

    Parameters
    ----------
    seed : int
    height, width : int
        Image size in pixels.
    """
    rng = np.random.default_rng([seed, 7])
    imaging: ParticleImaging = ("HRTEM", "HAADF", "bright field", "SEM")[int(rng.choice(4, p=[0.34, 0.2, 0.26, 0.2]))]
    values = _arrangement(rng, imaging, min(height, width))
    values |= _camera(rng, imaging, values["diameter"])
    values |= _contrast(rng, imaging, values)
    return NanoparticlesConfig(height=height, width=width, imaging=imaging, **values)


def _arrangement(rng: np.random.Generator, imaging: str, side: int) -> dict[str, Any]:
    shapes = get_args(ParticleShape)
    shape = shapes[int(rng.choice(len(shapes), p=[0.3, 0.25, 0.12, 0.1, 0.13, 0.1]))]
    ways = get_args(Arrangement)
    arrangement = ways[int(rng.choice(len(ways), p=[0.4, 0.25, 0.17, 0.18]))]
    smallest = 12 if imaging == "HRTEM" else 5.5
    diameter = log_uniform(rng, smallest, min(140, 0.75 * side))
    packed = imaging == "SEM" and rng.random() < 0.6
    coverage = rng.uniform(0.5, 1.3) if packed else rng.uniform(0.02, 0.6)
    return {
        "shape": shape,
        "arrangement": "scattered" if packed else arrangement,
        "diameter": diameter,
        "size_spread": float(rng.uniform(0, 0.45)) if rng.random() < 0.85 else 0.0,
        "small_share": sometimes(rng, 0.2, 0.2, 0.8),
        "small_ratio": float(rng.uniform(0.3, 0.7)),
        "elongation": float(rng.uniform(1.5, 5)),
        "coverage": float(coverage),
        "overlap": float(rng.uniform(0.3, 0.75) if packed else rng.choice([0, rng.uniform(0, 0.45)])),
    }


def _camera(rng: np.random.Generator, imaging: str, diameter: float) -> dict[str, Any]:
    scanning = imaging in ("HAADF", "SEM")
    return {
        # The grain of the film must be finer than the particles, or nobody can tell them from it.
        "first_zero": log_uniform(rng, min(max(0.05, 2.5 / diameter), 0.4), 0.6),
        "thickness": sometimes(rng, 0.6, 0.05, 0.8),
        "holes": sometimes(rng, 0.15, 0.05, 0.5),
        "dose": log_uniform(rng, 8, 2000),
        "blur": float(rng.uniform(0.3, 1.6)) if rng.random() < 0.85 else float(rng.uniform(1.6, 3)),
        "noise_scale": sometimes(rng, 0.5, 0.2, 1.6),
        "scan_noise": sometimes(rng, 0.5 if scanning else 0.03, 0.05, 1),
        "illumination": sometimes(rng, 0.6, 0.1, 1),
        "inverted": bool(rng.random() < 0.04),
        "gamma": float(np.exp(np.clip(rng.normal(0, 0.3), -1, 1))),
        "scale_bar": bool(rng.random() < 0.12),
        "databar": sometimes(rng, 0.06, 0.04, 0.12),
    }


def _contrast(rng: np.random.Generator, imaging: str, values: dict[str, Any]) -> dict[str, Any]:
    """Draw contrasts that can be seen in the noise of this dose: the smaller the particle, the more it takes."""
    diameter, noise = values["diameter"], (1 + values["noise_scale"]) / np.sqrt(values["dose"])
    needed = float(np.clip(noise * np.sqrt(20 / diameter), 0.03, 0.7))
    if imaging == "HRTEM":
        carbon = log_uniform(rng, 0.03, 0.22)
        spacing = log_uniform(rng, 2.4, max(2.8, min(14, diameter / 4)))
        faint = rng.random() < 0.4  # only the fringes tell
        fringes = float(np.clip(max(carbon, 0.8 * needed) * rng.uniform(0.9, 2.5), 0.08, 1))
        contrast = (
            rng.uniform(0, 0.12)
            if faint
            else max(1.5 * needed, carbon * (1 + 12 / diameter), 0.1) + rng.uniform(0.05, 0.7)
        )
        if not faint and rng.random() < 0.15:
            fringes = 0.0
    else:
        carbon = log_uniform(rng, 0.01, 0.3) * (0.4 if imaging == "bright field" else 1)
        spacing = log_uniform(rng, 3, max(3.5, min(12, diameter / 4)))
        fringes = sometimes(rng, 0.15, 0.1, 0.5) if diameter > 25 and imaging != "SEM" else 0.0
        contrast = max(needed, carbon * np.sqrt(12 / diameter), 0.08) + rng.uniform(0, 1) ** 1.7 * 0.85
    return {
        "carbon": float(carbon),
        "fringes": fringes,
        "fringe_spacing": spacing,
        "contrast": float(min(contrast, 1)),
        "contrast_spread": float(rng.uniform(0.05, 0.6)),
    }
