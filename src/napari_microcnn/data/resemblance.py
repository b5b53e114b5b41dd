"""What a micrograph looks like, in the settings of the generator of synthetic polycrystals."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_microcnn.config import ImagingConfig, VoronoiConfig
from napari_microcnn.synth import random_look

Field = NDArray[np.float32]

_CORE = 3.0
"""Pixels farther than this from a boundary show the inside of a grain."""
_UNIFORM = math.sqrt(3)
"""The generator draws greys evenly from -c to c, whose standard deviation is c / sqrt(3)."""
_TEXTURE = math.sqrt((1 + 1 / 3 + 1) / 5)
"""Standard deviation of the generator's texture of strength 1: three parts, the mean square of whose shares is 1/5."""


def measured_look(
    picture: NDArray[Any], grains: NDArray[np.int32], *, side: int = 256
) -> tuple[VoronoiConfig, ImagingConfig]:
    """Measure what a micrograph looks like.

    Parameters
    ----------
    picture : numpy.ndarray, (Y, X)
        Real numbers of any range, in which 0.1 % may be outliers.
    grains : numpy.ndarray, (Y, X) of integers
        Its grains, as far as they are known; 0 is none.
    side : int
        Height and width in pixels of the pictures to be made.

    Returns
    -------
    tuple of VoronoiConfig and ImagingConfig
        What cannot be measured in one picture keeps its default.

    Raises
    ------
    ValueError
        If the shapes differ, or the picture is blank or smaller than 32 pixels.
    """
    if picture.shape != grains.shape or picture.ndim != 2 or min(picture.shape) < 32:
        raise ValueError(f"A look needs a picture of at least 32 x 32 pixels with its grains, not {picture.shape}.")
    image = _in_shares(picture)
    flat, shading = _without_shading(image)
    distance = _distance(grains)
    core = distance > min(_CORE, float(np.quantile(distance, 0.7)))
    means, spread = _greys(flat, grains, core)
    rest = flat - means[grains]
    brightness = float(np.median(flat[core]))
    lines, contrast, width, blur = _lines(rest, distance, brightness, spread)
    readout, shot, scale, texture, texture_scale = _noise(rest, flat, core, max(blur, 0.3))
    structure = _structure(grains, width, side)
    steps = max(spread * _UNIFORM, 0.05 if lines == "none" else 0.0)
    return structure, ImagingConfig(
        lines=lines,
        line_contrast=contrast,
        grain_contrast=min(steps, 0.6),
        least_step=0.1 if lines == "none" else 0.0,
        texture=min(texture / _TEXTURE, 0.6),
        texture_scale=texture_scale,
        illumination=min(1.0, shading / 0.4),
        blur=blur,
        shot_noise=min(shot, 0.3),
        readout_noise=min(readout, 0.3),
        noise_scale=min(scale, 2.0),
        brightness=min(max(brightness, 0.1), 0.9),
    )


def alike(
    look: tuple[VoronoiConfig, ImagingConfig], seed: int, height: int, width: int
) -> tuple[VoronoiConfig, ImagingConfig]:
    """Draw a look near to a measured one.

    One picture says little about the next one of the same sample, and a measurement is only about right: all that
    was measured varies by about a quarter, and what was not is drawn as `random_look` draws it, half of the time.

    Parameters
    ----------
    look : tuple of VoronoiConfig and ImagingConfig
    seed : int
    height, width : int
        Size of the picture in pixels.
    """
    rng = np.random.default_rng([seed, 5])
    structure, imaging = (part.model_dump() for part in look)
    other_structure, other_imaging = (part.model_dump() for part in random_look(seed, height, width))
    spacing = math.sqrt(structure["height"] * structure["width"] / structure["grains"]) * _about(rng, 0.25)
    grown = {"height": height, "width": width, "grains": max(2, round(height * width / spacing**2))}
    drawn = {name: value for name, value in other_structure.items() if name not in ("height", "width", "grains")}
    drawn["thickness"] = structure["thickness"] * _about(rng, 0.25)
    drawn["size_spread"] = min(1.0, structure["size_spread"] * _about(rng, 0.3))
    for name in ("lamellae", "twins", "subgrains", "fine_grains", "drift", "merging"):
        drawn[name] = drawn[name] if rng.random() < 0.5 else 0.0
    taken = {name: imaging[name] * _about(rng, 0.25) for name in _MEASURED}
    for name, value in other_imaging.items():
        if name not in taken and name != "lines":
            imaging[name] = value if rng.random() < 0.5 else imaging[name]
    imaging |= {name: min(value, _MEASURED[name]) for name, value in taken.items()}
    imaging["databar"] = 0.0
    return VoronoiConfig(**{**drawn, **grown}), ImagingConfig(**imaging)


_MEASURED = {
    "line_contrast": 1.0, "grain_contrast": 1.0, "texture": 1.0, "texture_scale": 100.0, "illumination": 1.0,
    "blur": 3.0, "shot_noise": 0.5, "readout_noise": 0.5, "noise_scale": 3.0, "brightness": 0.9,
}  # fmt: skip
"""What `measured_look` measures, with the largest value that makes sense."""


def _about(rng: np.random.Generator, spread: float) -> float:
    return float(np.exp(rng.normal(0, spread)))


def _in_shares(picture: NDArray[Any]) -> Field:
    """Return the picture in shares of the full range: that of its type for bytes, otherwise that of its values."""
    values = np.nan_to_num(picture.astype(np.float32))
    low, high = np.quantile(values, (0.001, 0.999))
    if high <= low:
        raise ValueError("All pixels of the picture have the same value, so it has no look.")
    if picture.dtype == np.uint8:
        return values / np.float32(255)
    shares: Field = np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1) * np.float32(0.9) + np.float32(
        0.05
    )
    return shares


def _without_shading(image: Field) -> tuple[Field, float]:
    """Return the picture without its slowest variation, and how strong that is as a share of the mean."""
    slow = ndimage.gaussian_filter(image, max(image.shape) / 5)
    mean = float(image.mean())
    return image * np.float32(mean) / np.maximum(slow, np.float32(0.2 * mean)), float(slow.std() / max(mean, 1e-3))


def _distance(grains: NDArray[np.int32]) -> NDArray[np.float64]:
    edge = np.zeros(grains.shape, bool)
    edge[:, 1:] |= grains[:, 1:] != grains[:, :-1]
    edge[1:] |= grains[1:] != grains[:-1]
    if not edge.any():
        return np.full(grains.shape, float(max(grains.shape)))
    return np.asarray(ndimage.distance_transform_edt(~edge))


def _greys(flat: Field, grains: NDArray[np.int32], core: NDArray[np.bool_]) -> tuple[Field, float]:
    """Return the mean grey inside every grain, and their standard deviation without what noise adds."""
    n = int(grains.max()) + 1
    count = np.bincount(grains[core], minlength=n)
    middle = float(flat[core].mean())
    means = np.full(n, middle)
    total = np.bincount(grains[core], flat[core], n)
    means[count > 0] = total[count > 0] / count[count > 0]
    large = count >= 12
    if large.sum() < 3:
        return means.astype(np.float32), 0.0
    rest = float(np.var(flat[core] - means[grains[core]]))
    spread = np.var(means[large]) - np.mean(4 * rest / count[large])  # neighbouring pixels are not independent
    return means.astype(np.float32), float(np.sqrt(max(spread, 0.0)))


def _lines(
    rest: Field, distance: NDArray[np.float64], brightness: float, spread: float
) -> tuple[Literal["dark", "bright", "none"], float, float, float]:
    """Return polarity, contrast, width and blur of the lines, from their mean profile."""
    edges = np.array([-0.5, 0.5, 1.5, 2.5, 3.5, 4.5, 6.5, 9.5])
    place = np.digitize(distance, edges) - 1
    near = [rest[place == k] for k in range(len(edges) - 1)]
    far = float(np.median(rest[distance >= 4.5])) if (distance >= 4.5).sum() > 50 else 0.0
    profile = np.array([float(part.mean()) - far if part.size else 0.0 for part in near])
    peak = profile[int(np.abs(profile[:3]).argmax())]
    if abs(peak) < max(0.03, 0.5 * spread):
        return "none", 0.3, 1.5, 0.8
    share = np.clip(profile / peak, 0, 1)
    full = max(1.0, 2 * float(share[0] / 2 + share[1:5].sum()))  # both sides of the boundary
    blur = float(np.clip(full / 4, 0.4, 1.5))
    width = float(np.clip(math.sqrt(max(full**2 - (2 * blur) ** 2, 1.0)), 1.0, 6.0))
    seen = math.erf(width / (2 * math.sqrt(2) * blur))  # what blur leaves of the height of a line
    strength = abs(peak) / max(seen, 0.3)
    strength = strength / max(brightness, 0.1) if peak < 0 else strength
    return ("dark" if peak < 0 else "bright"), float(np.clip(1.3 * strength, 0.05, 0.95)), width, blur


def _noise(rest: Field, flat: Field, core: NDArray[np.bool_], blur: float) -> tuple[float, float, float, float, float]:
    """Return readout and shot noise, its correlation length, and strength and size of the texture inside grains.

    What differs from the mean of its surroundings within about two pixels is noise, what is left is texture. Noise
    blurred by s pixels is correlated by exp(-1 / 4 s^2) with that of the next pixel.
    """
    if core.sum() < 100:
        return 0.02, 0.02, 0.0, 0.05, 3.0
    fine = rest - ndimage.gaussian_filter(rest, 1.5)
    pair = core[:, 1:] & core[:, :-1]
    next_to = float(np.mean(fine[:, 1:][pair] * fine[:, :-1][pair]))
    variance = float(np.var(fine[core]))
    correlation = np.clip(next_to / max(variance, 1e-9) + 0.12, 0.0, 0.9)  # high-pass filtering takes about 0.12 away
    scale = float(0.5 / math.sqrt(-math.log(correlation))) if correlation > 0.15 else 0.0
    noise = math.sqrt(variance / max(0.93 - 0.45 * correlation, 0.3))
    brighter = core & (flat > np.median(flat[core]))
    darker = core & ~brighter
    rise = float(np.var(fine[brighter]) - np.var(fine[darker])) / max(
        float(flat[brighter].mean() - flat[darker].mean()), 0.02
    )
    shot = math.sqrt(min(max(rise, 0.0), 0.8 * noise**2))
    readout = math.sqrt(max(noise**2 - shot**2 * float(flat[core].mean()), (0.2 * noise) ** 2))
    coarse = ndimage.gaussian_filter(rest, 1.5)
    left = float(np.var(coarse[core])) - noise**2 * 0.04 * (1 + 8 * scale**2)
    texture = math.sqrt(max(left, 0.0))
    step = 3
    pair = core[:, step:] & core[:, :-step]
    along = float(np.mean(coarse[:, step:][pair] * coarse[:, :-step][pair])) / max(float(np.var(coarse[core])), 1e-9)
    size = step / math.sqrt(-math.log(float(np.clip(along, 0.05, 0.95)))) / 1.5
    return readout, shot, scale, texture, float(np.clip(max(size, blur), 1.2, 10.0))


def _structure(grains: NDArray[np.int32], width: float, side: int) -> VoronoiConfig:
    """Return number and spread of the grains, as many as `side` x `side` pixels hold."""
    sizes = np.bincount(grains.ravel())[1:]
    sizes = sizes[sizes > 0]
    count = max(1, len(sizes))
    number = float(np.clip(count * side**2 / grains.size, 2, side**2 / 40))
    low, high = np.quantile(np.log(sizes), (0.25, 0.75))  # slivers at the border say nothing of the sizes
    spread = float((high - low) / 1.35 / 2)
    spacing = side / math.sqrt(number)
    return VoronoiConfig(
        height=side,
        width=side,
        grains=max(2, round(number)),
        regularity=0.4,
        thickness=min(width, 0.22 * spacing, 6.0),
        size_spread=float(np.clip(spread - 0.15, 0.0, 0.8)),  # Voronoi cells of equal weight differ already
    )
