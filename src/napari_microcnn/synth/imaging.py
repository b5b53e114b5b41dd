"""From a polycrystal to a micrograph: contrast, texture, preparation faults, optics and noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_microcnn.config import ImagingConfig
from napari_microcnn.synth.fields import Field, smooth_field
from napari_microcnn.synth.voronoi import Microstructure


def image(structure: Microstructure, config: ImagingConfig, seed: int = 0) -> NDArray[np.uint8]:
    """Take a micrograph of a polycrystal.

    Parameters
    ----------
    structure : Microstructure
    config : ImagingConfig
    seed : int
        The same seed gives the same micrograph.

    Returns
    -------
    numpy.ndarray
        (Y, X) uint8.
    """
    rng = np.random.default_rng([seed, 2])
    picture = _grains(structure, config, rng)
    _add_lines(picture, structure, config, rng)
    add_faults(picture, config, rng, max(1.0, structure.config.thickness))
    if config.charging:
        _add_charging(picture, structure, config, rng)
    return detect(picture, config, rng)


def _blur(field: Field, sigma: float) -> Field:
    """Gaussian filter cut at three standard deviations."""
    return np.asarray(ndimage.gaussian_filter(field, sigma, truncate=3, mode="nearest"), dtype=np.float32)


def _grains(structure: Microstructure, config: ImagingConfig, rng: np.random.Generator) -> Field:
    """Grey of every grain, with its texture, twins and relief."""
    grains = structure.grains
    n = int(grains.max()) + 1
    grey = rng.uniform(-1, 1, n).astype(np.float32)
    picture = np.float32(config.brightness) + np.float32(config.grain_contrast) * grey[grains]
    if config.texture:
        _add_texture(picture, structure, config, rng)
    if config.twin_contrast and structure.twins.any():
        step = (config.twin_contrast * rng.uniform(-1, 1, n)).astype(np.float32)
        picture += structure.twins * step[grains]
    if config.relief:
        height = _blur(rng.uniform(-1, 1, n).astype(np.float32)[grains], max(0.8, structure.config.thickness / 2))
        angle = rng.uniform(0, 2 * np.pi)
        across, down = np.gradient(height, axis=1), np.gradient(height, axis=0)
        slope = np.float32(np.sin(angle)) * down + np.float32(np.cos(angle)) * across
        picture += np.float32(config.relief * max(1.0, structure.config.thickness)) * slope
    return picture


def _add_texture(picture: Field, structure: Microstructure, config: ImagingConfig, rng: np.random.Generator) -> None:
    """Mottle, stripes along a direction of the grain and a slow gradient; each grain its own share of each."""
    grains, shape = structure.grains, picture.shape
    n = int(grains.max()) + 1
    strength = (config.texture * rng.uniform(0, 1, (3, n)) ** 2).astype(np.float32)
    picture += strength[0][grains] * smooth_field(shape, config.texture_scale, rng)
    angle, start = rng.uniform(0, np.pi, n), rng.uniform(0, 1, n).astype(np.float32)
    rate = 1 / (config.texture_scale * rng.uniform(1, 3, n))
    y, x = np.ogrid[: shape[0], : shape[1]]
    along_y, along_x = ((part * rate).astype(np.float32) for part in (np.sin(angle), np.cos(angle)))
    phase = y * along_y[grains] + x * along_x[grains]
    phase += start[grains] + 0.3 * smooth_field(shape, 6 * config.texture_scale, rng)
    picture += strength[1][grains] * (4 * np.abs(phase - np.floor(phase) - 0.5) - 1).astype(np.float32)
    picture += strength[2][grains] * smooth_field(shape, 8 * config.texture_scale, rng)


def _add_lines(picture: Field, structure: Microstructure, config: ImagingConfig, rng: np.random.Generator) -> None:
    """Draw the boundaries, each with its own strength, fading where the etching is uneven."""
    if config.lines == "none" or not config.line_contrast:
        return
    half = structure.config.thickness / 2
    profile = np.clip(half + 0.5 - structure.distance, 0, 1)
    table = 1 - config.line_spread * rng.uniform(0, 1, 4093).astype(np.float32) ** 2
    strength = profile * table[structure.segment % 4093]
    if config.uneven_etching:
        field = smooth_field(picture.shape, max(picture.shape) / 5, rng)
        strength *= np.clip(1 - config.uneven_etching * (0.5 + 0.7 * field), 0, 1)
    if config.lines == "dark":
        picture *= 1 - np.float32(config.line_contrast) * strength
    else:
        picture += np.float32(config.line_contrast) * strength


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


def _add_charging(picture: Field, structure: Microstructure, config: ImagingConfig, rng: np.random.Generator) -> None:
    """Glowing boundaries and bright streaks."""
    shape = picture.shape
    glow = _blur(np.clip(1.5 - structure.distance, 0, 1), 2.0)
    streaks = smooth_field((shape[0], 4), 5.0, rng)[:, :1] * smooth_field(shape, max(shape) / 3, rng)
    picture += np.float32(0.25 * config.charging) * (glow + 0.4 * streaks)


def detect(picture: Field, config: ImagingConfig, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a picture with shading, blur, noise and gamma, in 8 bits; changes what it is given."""
    if config.illumination:
        picture *= 1 + np.float32(0.4 * config.illumination) * smooth_field(
            picture.shape, max(picture.shape) / 1.5, rng
        )
    if config.blur:
        picture[:] = _blur(picture, config.blur)
    np.clip(picture, 0.01, 1.5, out=picture)
    if config.shot_noise or config.readout_noise:
        noise = rng.standard_normal(picture.shape, dtype=np.float32)
        if config.noise_scale:
            noise = _blur(noise, config.noise_scale) * np.float32(1 + 2.5 * config.noise_scale)
        picture += noise * np.sqrt(np.float32(config.shot_noise**2) * picture + np.float32(config.readout_noise**2))
    np.clip(picture, 0, 1, out=picture)
    if config.gamma != 1:
        picture = picture ** np.float32(config.gamma)
    return np.round(picture * 255).astype(np.uint8)
