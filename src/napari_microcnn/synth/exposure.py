"""What an electron detector makes of an intensity: counts, scan faults, grey values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.config import NanoparticlesConfig
from napari_microcnn.synth.fields import Field, blur, smooth_field
from napari_microcnn.synth.recording import add_databar


def expose(picture: Field, config: NanoparticlesConfig, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return an intensity (Y, X) float32 of about 1 as a picture in 8 bits; changes what it is given."""
    if config.illumination:
        field = smooth_field(picture.shape, max(picture.shape) / 1.2, rng)
        picture *= 1 + np.float32(0.25 * config.illumination) * field
    if config.blur:
        picture[:] = blur(picture, config.blur)
    if config.scan_noise:
        picture = _scanned(picture, config.scan_noise, rng)
    np.clip(picture, 0.005, None, out=picture)
    noise = rng.poisson(picture * np.float32(config.dose)).astype(np.float32) / np.float32(config.dose) - picture
    if config.noise_scale:
        noise = blur(noise, config.noise_scale) * np.float32(1 + 1.5 * config.noise_scale)
    return _digitised(np.asarray(picture + noise, np.float32), config, rng)


def _scanned(picture: Field, strength: float, rng: np.random.Generator) -> Field:
    """Shift every line a little, and let its brightness jump."""
    height, width = picture.shape
    shift: Field = np.float32(0.7 * strength) * rng.standard_normal((height, 1), dtype=np.float32)
    place: Field = np.clip(np.arange(width, dtype=np.float32) + shift, 0, width - 1.001)
    left = place.astype(np.int64)
    share = np.asarray(place - left, np.float32)
    rows = np.arange(height)[:, None]
    moved = picture[rows, left] * (1 - share) + picture[rows, np.minimum(left + 1, width - 1)] * share
    gain = 1 + np.float32(0.06 * strength) * rng.standard_normal((height, 1), dtype=np.float32)
    return np.asarray(moved * gain, np.float32)


def _digitised(picture: Field, config: NanoparticlesConfig, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Choose brightness and contrast as an operator does, and paint the bars."""
    low, high = np.percentile(picture[::3, ::3], (0.3, 99.7))
    floor, ceiling = np.sort(rng.uniform(0, 1, 2) ** np.array([3.0, 0.33])) if rng.random() < 0.5 else (0.02, 0.98)
    span = max(float(ceiling - floor), 0.25)
    floor = min(float(floor), 1 - span)
    values = np.clip(np.float32(floor) + (picture - low) * np.float32(span / max(high - low, 1e-6)), 0, 1)
    if config.inverted:
        values = 1 - values
    if config.gamma != 1:
        values = values ** np.float32(config.gamma)
    grey = np.asarray(np.round(values * 255), np.uint8)
    if config.scale_bar:
        _paint_scale_bar(grey, rng)
    if config.databar:
        add_databar(grey, config.databar, rng)
    return grey


def _paint_scale_bar(grey: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Paint a line with something like writing above it into a lower corner."""
    height, width = grey.shape
    ink = np.uint8(rng.choice([0, 255, 255]))
    length, thick = int(width * rng.uniform(0.12, 0.35)), max(1, int(height * rng.uniform(0.006, 0.025)))
    top = int(height * rng.uniform(0.88, 0.96))
    left = int(width * 0.05) if rng.random() < 0.5 else int(width * 0.95) - length
    grey[top : top + thick, left : left + length] = ink
    letter = max(3, int(height * rng.uniform(0.02, 0.045)))
    writing = rng.random((letter, length)) < 0.55
    writing[:, np.arange(length) % (letter + 1) >= letter - 1] = False
    writing[:, length * 2 // 3 :] = False
    part = grey[top - letter - 3 : top - 3, left : left + length]
    part[writing[: part.shape[0], : part.shape[1]]] = ink
