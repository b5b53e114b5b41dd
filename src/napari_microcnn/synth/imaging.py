"""From a polycrystal to a micrograph: contrast, texture, lines, preparation faults, optics and noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.config import ImagingConfig
from napari_microcnn.synth.faults import add_charging, add_faults
from napari_microcnn.synth.fields import Field, blur, smooth_field
from napari_microcnn.synth.recording import add_databar, detect
from napari_microcnn.synth.shades import grain_greys
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
        add_charging(picture, structure, config, rng)
    result = detect(picture, config, rng)
    if config.databar:
        add_databar(result, config.databar, rng)
    return result


def _grains(structure: Microstructure, config: ImagingConfig, rng: np.random.Generator) -> Field:
    """Grey of every grain, with its texture, twins and relief."""
    grains = structure.grains
    n = int(grains.max()) + 1
    grey = grain_greys(grains, config.least_step, rng)
    picture = np.float32(config.brightness) + np.float32(config.grain_contrast) * grey[grains]
    if config.texture:
        _add_texture(picture, structure, config, rng)
    if config.second_phase:
        _add_second_phase(picture, grains, config, rng)
    if config.twin_contrast and structure.twins.any():
        step = (config.twin_contrast * rng.uniform(-1, 1, n)).astype(np.float32)
        picture += structure.twins * step[grains]
    if structure.config.subgrains:
        step = (0.15 * config.grain_contrast * rng.uniform(-1, 1, 4093)).astype(np.float32)
        picture += (structure.subgrains > 0) * step[structure.subgrains % 4093]
    if config.relief:
        height = blur(rng.uniform(-1, 1, n).astype(np.float32)[grains], max(0.8, structure.config.thickness / 2))
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


def _add_second_phase(
    picture: Field, grains: NDArray[np.int32], config: ImagingConfig, rng: np.random.Generator
) -> None:
    """Replace the inside of some grains by bent lamellae, cut at another angle in each."""
    n, shape = int(grains.max()) + 1, picture.shape
    table = rng.random(n) < config.second_phase
    inside = table[grains]
    # A section at the angle a shows the spacing 1 / sin a; most lie near the true one.
    spacing = rng.uniform(2.5, 6) / np.sqrt(1 - rng.uniform(0, 0.8, n) ** 2)
    angle, start = rng.uniform(0, np.pi, n), rng.uniform(0, 1, n).astype(np.float32)
    y, x = np.ogrid[: shape[0], : shape[1]]
    along_y, along_x = ((part / spacing).astype(np.float32) for part in (np.sin(angle), np.cos(angle)))
    phase = y * along_y[grains] + x * along_x[grains] + start[grains]
    phase += np.float32(rng.uniform(0.1, 0.5)) * smooth_field(shape, 16, rng)
    wave = 4 * np.abs(phase - np.floor(phase) - 0.5) - 1
    grey = rng.uniform(-0.35, 0.1) + rng.uniform(0.1, 0.4) * wave
    picture += np.where(inside, grey, 0).astype(np.float32)


def _add_lines(picture: Field, structure: Microstructure, config: ImagingConfig, rng: np.random.Generator) -> None:
    """Draw the boundaries, each with its own strength, fading where the etching is uneven."""
    if config.lines == "none" or not config.line_contrast:
        return
    half = np.float32(structure.config.thickness / 2)
    profile = np.clip(half + np.float32(0.5) - structure.distance, 0, 1)
    if config.double_lines:
        profile -= np.float32(0.8) * np.clip(np.float32(0.5) * half - structure.distance + np.float32(0.3), 0, 1)
    table = (1 - config.line_spread * rng.uniform(0, 1, 4093) ** 2).astype(np.float32)
    strength = profile * table[structure.segment % 4093]
    if config.inner_lines and (structure.config.twins or structure.config.subgrains):
        thin = np.clip(np.float32(0.35) * half + np.float32(0.5) - structure.inner, 0, 1)
        np.maximum(strength, np.float32(config.inner_lines) * thin, out=strength)
    if config.broken_lines:
        gaps = smooth_field(picture.shape, max(4.0, 2 * structure.config.thickness), rng)
        strength *= np.clip(np.float32(2.2 - 2 * config.broken_lines) - gaps, 0, 1)
    if config.uneven_etching:
        field = smooth_field(picture.shape, max(picture.shape) / 5, rng)
        strength *= np.clip(1 - np.float32(config.uneven_etching) * (np.float32(0.5) + np.float32(0.7) * field), 0, 1)
    if config.lines == "dark":
        picture *= 1 - np.float32(config.line_contrast) * strength
    else:
        picture += np.float32(config.line_contrast) * strength
