"""Shapes of particles: how far inside its outline every pixel of a small window lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np

from napari_microcnn.config import NanoparticlesConfig, ParticleShape
from napari_microcnn.synth.fields import Field

_KINDS = tuple(kind for kind in get_args(ParticleShape) if kind != "mixed")


@dataclass(frozen=True, eq=False)
class Particle:
    """One particle, as seen in a window of the picture.

    Attributes
    ----------
    rows, cols : slice
        The window.
    radius : float
        Of the circle of about the same area, in pixels.
    depth : numpy.ndarray
        (H, W) float32: how far inside a pixel lies, in pixels along the shortest way; negative outside.
    thickness : numpy.ndarray
        (H, W) float32: thickness along the beam in shares of the largest one.
    """

    rows: slice
    cols: slice
    radius: float
    depth: Field
    thickness: Field

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return self.rows, self.cols


def draw_particle(
    centre: tuple[float, float], radius: float, angle: float, config: NanoparticlesConfig, rng: np.random.Generator
) -> Particle | None:
    """Draw the shape of a particle.

    Parameters
    ----------
    centre : tuple of float
        Row and column, which may lie outside of the picture.
    radius : float
        In pixels.
    angle : float
        Direction in which rods and ellipsoids point, in radians.
    config : NanoparticlesConfig
    rng : numpy.random.Generator

    Returns
    -------
    Particle or None
        None where nothing of it is in the picture.
    """
    kind = str(rng.choice(_KINDS)) if config.shape == "mixed" else config.shape
    aspect = _aspect(kind, config, rng)
    short = radius / np.sqrt(aspect)
    reach = int(1.35 * short * aspect + 4)
    rows, cols = (
        slice(max(0, int(middle) - reach), min(side, int(middle) + reach + 1))
        for middle, side in zip(centre, (config.height, config.width), strict=True)
    )
    if rows.start >= rows.stop or cols.start >= cols.stop:
        return None
    y = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] - np.float32(centre[0])
    x = np.arange(cols.start, cols.stop, dtype=np.float32)[None, :] - np.float32(centre[1])
    sine, cosine = np.float32(np.sin(angle)), np.float32(np.cos(angle))
    along, across = x * cosine + y * sine, y * cosine - x * sine
    if kind in ("spheres", "ellipsoids"):
        gauge = np.hypot(along / np.float32(short * aspect), across / np.float32(short))
    else:
        gauge = _GAUGES[kind](along, across, short, aspect, rng)
    if not (gauge < 1).any():
        return None
    depth = (1 - gauge) * np.float32(short)
    # Balls are round in section; crystals have flat tops and steep sides.
    if kind == "faceted":
        thickness = np.clip((1 - gauge) / np.float32(rng.uniform(0.08, 0.6)), 0, 1)
    else:
        thickness = np.sqrt(np.clip(1 - gauge * gauge, 0, 1))
    return Particle(rows, cols, radius, depth.astype(np.float32), thickness.astype(np.float32))


def _aspect(kind: str, config: NanoparticlesConfig, rng: np.random.Generator) -> float:
    if kind == "rods":
        return float(max(1.2, config.elongation * np.exp(rng.normal(0, 0.15))))
    if kind == "ellipsoids":
        return float(1 + abs(config.elongation / 2 - 1) * rng.uniform(0.3, 1.3) + rng.uniform(0, 0.3))
    return float(1 + abs(rng.normal(0, 0.08)))


def _rod(along: Field, across: Field, short: float, aspect: float, rng: np.random.Generator) -> Field:
    """A straight rod with round or nearly flat ends."""
    half = short * (aspect - 1)
    beyond = np.maximum(np.abs(along) - np.float32(half), 0)
    power = rng.choice([2.0, 2.0, 4.0])
    if power == 2:
        return np.asarray(np.hypot(beyond, across) / np.float32(short), np.float32)
    return np.asarray(((beyond**4 + across**4) ** np.float32(0.25)) / np.float32(short), np.float32)


def _polygon(along: Field, across: Field, short: float, aspect: float, rng: np.random.Generator) -> Field:
    """A convex polygon of 3 to 8 sides, regular or truncated, with edges more or less round."""
    along = along / np.float32(aspect)
    sides = int(rng.choice([3, 4, 4, 5, 6, 6, 6, 8]))
    angles = np.arange(sides) * 2 * np.pi / sides + rng.normal(0, 0.05, sides)
    size = 0.78 if sides == 3 else 0.9
    distances = size * (1 + rng.normal(0, rng.choice([0.02, 0.12]), sides))
    if sides <= 4 and rng.random() < 0.6:  # corners cut off
        angles = np.concatenate([angles, angles + np.pi / sides])
        distances = np.concatenate([distances, np.full(sides, size / np.cos(np.pi / sides) * rng.uniform(0.72, 0.95))])
    gauge = np.zeros(np.broadcast_shapes(along.shape, across.shape), np.float32)
    for angle, distance in zip(angles, distances, strict=True):
        scale = max(0.3, float(distance)) * short
        facet = along * np.float32(np.cos(angle) / scale) + across * np.float32(np.sin(angle) / scale)
        np.maximum(gauge, facet, out=gauge)
    rounding = np.float32(rng.uniform(0, 0.5))
    circle = np.hypot(along, across) / np.float32(1.02 * short)
    corner = np.maximum(gauge, circle)
    return np.asarray(gauge * (1 - rounding) + corner * rounding, np.float32)


def _irregular(along: Field, across: Field, short: float, aspect: float, rng: np.random.Generator) -> Field:
    """A lump: a circle with a few random waves along its outline."""
    along = along / np.float32(aspect)
    direction = np.arctan2(across, along)
    waves = np.arange(2, 8)
    heights = rng.normal(0, 1, len(waves)) * rng.uniform(0.05, 0.22) / waves**0.8
    outline = np.ones(direction.shape, np.float32)
    for wave, height, phase in zip(waves, heights, rng.uniform(0, 2 * np.pi, len(waves)), strict=True):
        outline += np.float32(height) * np.cos(np.float32(wave) * direction + np.float32(phase))
    return np.asarray(np.hypot(along, across) / (np.float32(short) * np.maximum(outline, 0.45)), np.float32)


_GAUGES = {
    "rods": _rod,
    "faceted": _polygon,
    "irregular": _irregular,
}
