"""Where particles lie, and how large they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.config import NanoparticlesConfig

Places = NDArray[np.float64]

_MOST = 40_000
"""Tries to place a particle, at most."""


def places(config: NanoparticlesConfig, rng: np.random.Generator) -> Places:
    """Return row, column and radius of every particle, (N, 3), in pixels.

    Scattered, clustered and chained particles are laid down one after the other and refused where
    they overlap others too much (random sequential adsorption); ordered ones form a hexagonal or square
    array with faults, as monodisperse particles do when their solvent dries.
    """
    if config.arrangement == "ordered":
        return _array(config, rng)
    mean = _mean_area(config)
    wanted = max(1, round(config.coverage * config.height * config.width / mean))
    tries = min(_MOST, 4 * wanted + 20)
    radii = _radii(config, tries, rng)
    if config.arrangement == "chains":
        points = _chains(config, tries, radii, rng)
    else:
        points = (_clustered if config.arrangement == "clustered" else _scattered)(config, tries, rng)
    return _accepted(np.column_stack([points, radii]), wanted, config)


def _mean_area(config: NanoparticlesConfig) -> float:
    spread = np.exp(2 * config.size_spread**2)
    kinds = 1 - config.small_share + config.small_share * config.small_ratio**2
    return float(np.pi / 4 * config.diameter**2 * spread * kinds)


def _radii(config: NanoparticlesConfig, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    radii = config.diameter / 2 * np.exp(config.size_spread * np.clip(rng.normal(0, 1, n), -2.2, 2.2))
    radii[rng.random(n) < config.small_share] *= config.small_ratio
    return np.asarray(np.maximum(radii, 2.0))


def _scattered(config: NanoparticlesConfig, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    margin = config.diameter / 3
    return np.column_stack([rng.uniform(-margin, side + margin, n) for side in (config.height, config.width)])


def _clustered(config: NanoparticlesConfig, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Points around a few centres, and some strays."""
    centres = _scattered(config, int(rng.integers(1, 7)), rng)
    width = rng.uniform(0.8, 2.2) * config.diameter * np.sqrt(n / (6 * len(centres)))
    points = centres[rng.integers(0, len(centres), n)] + rng.normal(0, width, (n, 2))
    strays = rng.random(n) < 0.12
    points[strays] = _scattered(config, n, rng)[strays]
    return np.asarray(points)


def _chains(
    config: NanoparticlesConfig, n: int, radii: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Each point about a diameter away from an earlier one, as particles that stick where they meet."""
    points = _scattered(config, n, rng)
    angles = rng.uniform(0, 2 * np.pi, n)
    reach = rng.uniform(1 - 0.6 * config.overlap, 1.02, n)
    starts = rng.random(n) < rng.uniform(0.02, 0.15)
    earlier = (rng.random(n) ** rng.uniform(0.15, 0.9) * np.arange(n)).astype(int)
    for i in range(1, n):
        if not starts[i]:
            away = (radii[i] + radii[earlier[i]]) * reach[i]
            points[i] = points[earlier[i]] + away * np.array([np.sin(angles[i]), np.cos(angles[i])])
    return points


def _accepted(candidates: Places, wanted: int, config: NanoparticlesConfig) -> Places:
    """Keep candidates that neither overlap earlier ones too much nor lie far outside of the picture."""
    y, x, r = candidates.T
    seen = (y > -0.7 * r) & (x > -0.7 * r) & (y < config.height + 0.7 * r) & (x < config.width + 0.7 * r)
    candidates = candidates[seen]
    kept = np.empty((min(wanted, len(candidates)), 3))
    count, allowed = 0, 1 - config.overlap
    for candidate in candidates:
        if count == len(kept):
            break
        earlier = kept[:count]
        away = (earlier[:, 0] - candidate[0]) ** 2 + (earlier[:, 1] - candidate[1]) ** 2
        if not (away < (allowed * (earlier[:, 2] + candidate[2])) ** 2).any():
            kept[count] = candidate
            count += 1
    return kept[:count]


def _array(config: NanoparticlesConfig, rng: np.random.Generator) -> Places:
    """A hexagonal or square array with jitter and vacancies, in one or two grains."""
    pitch = config.diameter * rng.uniform(1 - 0.4 * config.overlap, 1.25)
    angle, tilt = rng.uniform(0, np.pi), np.pi / 3 if rng.random() < 0.75 else np.pi / 2
    half = int(np.hypot(config.height, config.width) / pitch / 1.4) + 2
    i, j = (part.ravel() for part in np.mgrid[-half : half + 1, -half : half + 1])
    across, down = i + j * np.cos(tilt), j * np.sin(tilt)
    y = pitch * (across * np.sin(angle) + down * np.cos(angle)) + config.height / 2
    x = pitch * (across * np.cos(angle) - down * np.sin(angle)) + config.width / 2
    shift = rng.uniform(0, pitch, 2)
    jitter = rng.normal(0, rng.uniform(0.01, 0.08) * pitch, (len(y), 2))
    spread = min(config.size_spread, 0.12)
    radii = config.diameter / 2 * np.exp(spread * rng.normal(0, 1, len(y)))
    found = np.column_stack([y + shift[0] + jitter[:, 0], x + shift[1] + jitter[:, 1], np.maximum(radii, 2)])
    r = config.diameter
    inside = (found[:, 0] > -r) & (found[:, 1] > -r) & (found[:, 0] < config.height + r)
    found = found[inside & (found[:, 1] < config.width + r)]
    present = rng.random(len(found)) > rng.choice([0.02, 0.1, 0.35])
    return np.asarray(found[present][:_MOST])
