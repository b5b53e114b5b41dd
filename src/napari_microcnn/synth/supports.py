"""What particles lie on: films of uneven thickness with holes and bars, oxide lumps, substrates."""

from __future__ import annotations

import numpy as np

from napari_microcnn.config import NanoparticlesConfig
from napari_microcnn.synth.fields import Field, blur, smooth_field


def support_thickness(config: NanoparticlesConfig, rng: np.random.Generator) -> Field:
    """Return the thickness, (Y, X) float32, of the support: about 1, and 0 where it has holes."""
    shape = (config.height, config.width)
    thickness = np.ones(shape, np.float32)
    if config.thickness:
        strength = np.float32(config.thickness)
        thickness += 0.5 * strength * smooth_field(shape, max(shape) / rng.uniform(1, 4), rng)
        if rng.random() < 0.4:
            thickness += strength * _lumps(shape, rng)
        if rng.random() < 0.25:
            thickness += strength * np.float32(rng.uniform(0.5, 2)) * _bar(shape, rng)
    if config.holes:
        thickness *= 1 - _holes(shape, config.holes, rng)
    return np.maximum(thickness, 0)


def _lumps(shape: tuple[int, int], rng: np.random.Generator) -> Field:
    """Soft-edged lumps of another phase, as of an oxide that carries a catalyst."""
    scale = max(shape) / rng.uniform(2, 8)
    field = smooth_field(shape, scale, rng) + np.float32(0.3) * smooth_field(shape, scale / 4, rng)
    sharpness = np.float32(rng.uniform(1.5, 12))
    edge = np.clip(sharpness * (field - np.float32(rng.uniform(-0.5, 0.7))) + 0.5, 0, 1)
    return np.asarray(edge * (1 + 0.4 * field), np.float32)


def _bar(shape: tuple[int, int], rng: np.random.Generator) -> Field:
    """A bar of a lacey film, somewhat bent, or its broad edge."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    angle, side = rng.uniform(0, np.pi), max(shape)
    across = (y - rng.uniform(0, shape[0])) * np.float32(np.sin(angle)) + (x - rng.uniform(0, shape[1])) * np.float32(
        np.cos(angle)
    )
    across = across + np.float32(side * rng.uniform(0, 0.1)) * smooth_field(shape, side / 2, rng)
    half, soft = side * rng.uniform(0.03, 0.4), side * rng.uniform(0.005, 0.05)
    return np.asarray(np.clip((half - np.abs(across)) / soft, 0, 1), np.float32)


def _holes(shape: tuple[int, int], share: float, rng: np.random.Generator) -> Field:
    """Return 1 in holes of the film, of about this share of the area."""
    field = smooth_field(shape, max(shape) / rng.uniform(0.8, 2.5), rng)
    level = float(np.quantile(field[::4, ::4], 1 - min(share, 0.9)))
    return np.asarray(np.clip((field - np.float32(level)) * np.float32(rng.uniform(8, 60)), 0, 1), np.float32)


def substrate(config: NanoparticlesConfig, rng: np.random.Generator) -> Field:
    """Return the grey, (Y, X) float32 between 0 and 1, of what lies beneath the particles of a powder."""
    shape = (config.height, config.width)
    grey = np.full(shape, rng.uniform(0.03, 0.3), np.float32)
    strength = np.float32(config.carbon)
    grey += strength * np.float32(0.4) * smooth_field(shape, rng.uniform(1.5, 6), rng)
    grey += np.float32(config.thickness * 0.2) * smooth_field(shape, max(shape) / rng.uniform(1, 5), rng)
    if rng.random() < 0.15:  # polished or coated: fine stripes
        y, x = np.ogrid[: shape[0], : shape[1]]
        angle = rng.uniform(0, np.pi)
        phase = (y * np.sin(angle) + x * np.cos(angle)) / rng.uniform(4, 14)
        grey += strength * np.float32(0.2) * np.sin(2 * np.pi * phase).astype(np.float32)
    return np.clip(grey, 0.005, 1)


def halo(mass: Field, width: float) -> Field:
    """Return the bright and dark rims that defocus gives to what has this projected mass (Fresnel fringes)."""
    return np.asarray(mass - blur(mass, width), np.float32)
