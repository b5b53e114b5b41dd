"""Ferrite and pearlite, as fields of grey around zero, dark below."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.config import SteelConfig
from napari_microcnn.synth.fields import Field, smooth_field
from napari_microcnn.synth.laths import polygons, turned
from napari_microcnn.synth.voronoi import Microstructure


def ferrite(config: SteelConfig, rng: np.random.Generator) -> Field:
    """Smooth grains with thin boundaries, a few islands of pearlite between them."""
    made = polygons(config, config.grain_size * rng.uniform(0.5, 1.0), rng, curvature=0.3, size_spread=0.4)
    grey = rng.uniform(-1, 1, int(made.grains.max()) + 1).astype(np.float32)[made.grains]
    lines = _lines(made, rng)
    picture = np.float32(rng.uniform(0.03, 0.35)) * grey - np.float32(rng.uniform(0.7, 1.3)) * lines
    picture += np.float32(rng.uniform(0, 0.08)) * smooth_field(grey.shape, float(rng.uniform(1.5, 6)), rng)
    if config.second > 0:
        islands = _chosen(made, config.second, rng)
        picture = np.where(islands, _lamellae(made.grains, config, rng) - 0.5, picture)
    return np.asarray(picture + 0.2, np.float32)


def pearlite(config: SteelConfig, rng: np.random.Generator) -> Field:
    """Colonies of lamellae, each cut at another angle, with ferrite at some of their boundaries."""
    rough = {"curvature": 0.6, "roughness": 0.4, "size_spread": 0.4, "merging": 0.3}
    made = polygons(config, config.grain_size, rng, **rough)
    picture = _lamellae(made.grains, config, rng)
    grey = rng.uniform(-1, 1, int(made.grains.max()) + 1).astype(np.float32)[made.grains]
    picture += np.float32(rng.uniform(0, 0.3)) * grey
    if config.second > 0:
        field = made.distance + np.float32(0.15 * config.grain_size) * smooth_field(grey.shape, config.grain_size, rng)
        picture = np.where(field < np.quantile(field, config.second), np.float32(0.8), picture)
    return np.asarray(picture, np.float32)


def _lamellae(colonies: NDArray[np.int32], config: SteelConfig, rng: np.random.Generator) -> Field:
    """Return lamellae: thin dark cementite in ferrite."""
    count, shape = int(colonies.max()) + 1, (colonies.shape[0], colonies.shape[1])
    _, across = turned(shape, colonies, rng.uniform(0, np.pi, count))
    # A section at the angle a shows the spacing 1 / sin a; most lie near the true one.
    apparent = config.spacing / np.sqrt(1 - rng.uniform(0, 0.85, count) ** 2)
    bend = np.float32(rng.uniform(0.2, 0.9) * config.spacing)
    across += bend * smooth_field(shape, float(rng.uniform(3, 6)) * config.spacing, rng)
    phase = across / apparent.astype(np.float32)[colonies] + rng.uniform(0, 1, count).astype(np.float32)[colonies]
    wave = 0.5 + 0.5 * np.cos(np.float32(2 * np.pi) * phase)
    sharp, level = np.float32(rng.uniform(2, 6)), np.float32(rng.uniform(0.35, 0.7))
    # Broken lamellae, and colonies that the etching leaves faint.
    broken = np.clip(1 + 0.5 * smooth_field(shape, 2 * config.spacing, rng), 0.1, 1.2)
    strength = rng.uniform(0.45, 1, count).astype(np.float32)[colonies]
    return np.asarray(0.6 - 1.4 * strength * broken / (1 + np.exp(-2 * sharp * (wave - level))), np.float32)


def _lines(made: Microstructure, rng: np.random.Generator) -> Field:
    """Return the boundaries, each etched as it is oriented."""
    half = np.float32(rng.uniform(0.5, 1.1))
    table = 1 - np.float32(rng.uniform(0.2, 0.9)) * rng.uniform(0, 1, 4093).astype(np.float32) ** 2
    return np.asarray(np.clip(half + 0.5 - made.distance, 0, 1) * table[made.segment % 4093], np.float32)


def _chosen(made: Microstructure, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return grains at random that take up about this share of the picture."""
    sizes = np.bincount(made.grains.ravel())
    order = rng.permutation(np.arange(1, len(sizes)))
    taken = order[np.cumsum(sizes[order]) <= share * made.grains.size]
    return np.isin(made.grains, taken)
