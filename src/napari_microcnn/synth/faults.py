"""What preparation and charging add to a micrograph: precipitates, pits, scratches, glowing edges."""

from __future__ import annotations

import numpy as np

from napari_microcnn.config import ImagingConfig
from napari_microcnn.synth.fields import Field, blur, smooth_field
from napari_microcnn.synth.voronoi import Microstructure


def add_faults(picture: Field, config: ImagingConfig, rng: np.random.Generator, size: float = 1.5) -> None:
    """Draw precipitates, pits and scratches into a picture; spots are about `size` pixels wide."""
    area = picture.size / 1e4
    grey = rng.choice([-1.0, 1.0]) * rng.uniform(0.15, 0.4)
    _add_spots(picture, int(rng.poisson(config.precipitates * area)), (0.6, 1.5 * size), grey, rng)
    _add_spots(picture, int(rng.poisson(config.pits * area)), (0.6, 1.8 * size), -0.45, rng)
    y, x = np.ogrid[: picture.shape[0], : picture.shape[1]]
    direction = rng.uniform(0, np.pi)
    for _ in range(config.scratches):
        angle = direction + rng.normal(0, 0.25)
        normal = np.float32(np.sin(angle)), np.float32(np.cos(angle))
        through = rng.uniform(0, picture.shape[0]), rng.uniform(0, picture.shape[1])
        offset = np.abs((y - np.float32(through[0])) * normal[0] + (x - np.float32(through[1])) * normal[1])
        picture += np.float32(rng.uniform(-0.15, 0.1)) * np.clip(np.float32(rng.uniform(0.5, 1.2)) - offset, 0, 1)


def _add_spots(picture: Field, n: int, radii: tuple[float, float], grey: float, rng: np.random.Generator) -> None:
    """Draw `n` soft elliptic spots."""
    height, width = picture.shape
    for cy, cx, radius, ratio, shade in zip(
        rng.uniform(0, height, n), rng.uniform(0, width, n), rng.uniform(*radii, n), rng.uniform(0.6, 1, n),
        grey * rng.uniform(0.4, 1, n), strict=True,
    ):  # fmt: skip
        reach = int(radius + 2)
        rows = slice(max(0, int(cy) - reach), min(height, int(cy) + reach + 1))
        cols = slice(max(0, int(cx) - reach), min(width, int(cx) + reach + 1))
        y, x = np.ogrid[rows, cols]
        away = np.sqrt(((y - cy) / ratio) ** 2 + (x - cx) ** 2)
        picture[rows, cols] += (shade * np.clip(radius + 0.5 - away, 0, 1)).astype(np.float32)


def add_charging(picture: Field, structure: Microstructure, config: ImagingConfig, rng: np.random.Generator) -> None:
    """Glowing boundaries and bright streaks."""
    shape = picture.shape
    glow = blur(np.clip(1.5 - structure.distance, 0, 1), 2.0)
    streaks = smooth_field((shape[0], 4), 5.0, rng)[:, :1] * smooth_field(shape, max(shape) / 3, rng)
    picture += np.float32(0.25 * config.charging) * (glow + 0.4 * streaks)
