"""Random materials of two to four phases: what tells them apart is grey value, texture, size or shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_microcnn.synth.draws import log_uniform
from napari_microcnn.synth.fields import Field, blur
from napari_microcnn.synth.outlines import bands, blobs, cells, coat, cracks, ellipses

Shape = Literal["coat", "cells", "blobs", "bands", "ellipses", "specks", "cracks"]

_SHAPES: dict[Shape, tuple[int, float, float]] = {
    "coat": (1, 1.0, 1.0),
    "cells": (1, 12.0, 60.0),
    "blobs": (2, 8.0, 60.0),
    "bands": (1, 8.0, 40.0),
    "ellipses": (2, 6.0, 28.0),
    "specks": (2, 2.0, 6.0),
    "cracks": (1, 1.2, 5.0),
}
"""How often a shape is drawn, and its smallest and largest size in pixels; later ones lie over earlier ones."""

MOST_PHASES = 4


@dataclass(frozen=True)
class _Layer:
    """Where a phase lies."""

    shape: Shape
    size: float
    spread: float
    direction: float
    elongation: float
    level: float
    raggedness: float
    margin: float | None
    """Pixels that specks keep from other phases than the first; None: they lie anywhere."""


@dataclass(frozen=True)
class _Surface:
    """What a phase looks like: grey value, and strength, grain size, direction and kind of its texture."""

    grey: float
    strength: float
    size: float
    direction: float
    elongation: float
    banded: bool


@dataclass(frozen=True)
class Material:
    """What pictures of one material have in common.

    Attributes
    ----------
    layers : tuple
        Where phases 1, 2, ... lie; phase 0 is the rest.
    surfaces : tuple
        What every phase looks like.
    grains : (float, float)
        Strength and size of the grains, whose grey values differ within all phases.
    rim : (float, float)
        Strength and width of the glow around phase 1.
    scratches : int
    blur, noise, noise_blur, shading : float
        Of the microscope.
    """

    layers: tuple[_Layer, ...]
    surfaces: tuple[_Surface, ...]
    grains: tuple[float, float]
    rim: tuple[float, float]
    scratches: int
    blur: float
    noise: float
    noise_blur: float
    shading: float

    @property
    def phases(self) -> int:
        """How many there are."""
        return len(self.surfaces)


def random_material(seed: int) -> Material:
    """Draw a material; what its pictures have in common hangs on the seed alone."""
    rng = np.random.default_rng([seed, 11])
    phases = int(rng.choice([2, 3, 3, MOST_PHASES]))
    deck = [shape for shape, (often, _, _) in _SHAPES.items() for _ in range(often)]
    order = sorted(rng.permutation(len(deck))[: phases - 1])  # the deck lists what lies below first
    layers = tuple(_random_layer(deck[index], rng) for index in order)
    return Material(
        layers=layers,
        surfaces=_random_surfaces(phases, rng),
        grains=(abs(rng.normal(0, 0.25)) if rng.random() < 0.3 else 0.0, log_uniform(rng, 12, 80)),
        rim=(rng.normal(0, 0.6) if rng.random() < 0.5 else 0.0, rng.uniform(1.5, 8)),
        scratches=int(rng.integers(1, 6)) if rng.random() < 0.25 else 0,
        blur=rng.uniform(0.4, 1.6),
        noise=0.02 + abs(rng.normal(0, 0.25)),
        noise_blur=rng.uniform(0.5, 1.0) if rng.random() < 0.4 else 0.0,
        shading=abs(rng.normal(0, 0.25)),
    )


def _random_layer(shape: Shape, rng: np.random.Generator) -> _Layer:
    return _Layer(
        shape,
        size=log_uniform(rng, *_SHAPES[shape][1:]),
        spread=rng.uniform(0.1, 0.5),
        direction=rng.uniform(0, np.pi),
        elongation=float(np.exp(abs(rng.normal(0, 0.35)))),
        level=rng.uniform(-0.6, 0.9),
        raggedness=float(rng.choice([0, 0, 0.7, 1.5])),
        margin=rng.uniform(0, 6) if rng.random() < 0.5 else None,
    )


def _random_surfaces(phases: int, rng: np.random.Generator) -> tuple[_Surface, ...]:
    """Draw what phases look like; often some have the same grey value, and texture, size or shape tells them apart."""
    faint = rng.random() < 0.3
    greys = rng.normal(0, 0.35 if faint else 1.0, phases)
    if phases > 2 and rng.random() < 0.35:
        one, other = rng.choice(phases, 2, replace=False)
        greys[one] = greys[other] + rng.normal(0, 0.1)
    return tuple(
        _Surface(
            grey=float(grey),
            strength=abs(rng.normal(0, 0.35)) if faint or rng.random() < 0.7 else 0.0,
            size=log_uniform(rng, 2.4, 28),
            direction=rng.uniform(0, np.pi),
            elongation=float(np.exp(abs(rng.normal(0, 0.5))).clip(max=3)),
            banded=bool(rng.random() < 0.25),
        )
        for grey in greys
    )


def photograph(material: Material, seed: int, side: int) -> tuple[Field, NDArray[np.uint8]]:
    """Make a picture of a material.

    Parameters
    ----------
    material : Material
    seed : int
        Of the place that is shown, and of the noise.
    side : int
        Of the square picture, in pixels.

    Returns
    -------
    image : numpy.ndarray, (Y, X) float32
        Grey values in the scale of the differences between phases.
    phases : numpy.ndarray, (Y, X) uint8
        From 0.
    """
    rng = np.random.default_rng([seed, 12])
    phases = _phases(material, side, rng)
    image = np.zeros((side, side), np.float32)
    for number, surface in enumerate(material.surfaces):
        here = phases == number
        if here.any():
            image[here] = np.float32(surface.grey) + _texture(surface, side, rng)[here]
    strength, size = material.grains
    if strength:
        numbers = cells(side, size, rng)
        image += (strength * rng.standard_normal(numbers.max() + 1)).astype(np.float32)[numbers]
    strength, width = material.rim
    if strength:
        away = ndimage.distance_transform_edt(phases != 1)
        width = min(width, material.layers[0].size / 2)  # or the glow of specks looks like the specks
        image += np.where(phases == 1, 0, strength * np.exp(-away / width)).astype(np.float32)
    for _ in range(material.scratches):
        scratch = cracks(side, rng.uniform(0.8, 1.6), 1, 0.003, rng)
        image[scratch > 0] += np.float32(rng.normal(0, 0.4))
    return _recorded(image, material, rng), phases


def _phases(material: Material, side: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    result = np.zeros((side, side), np.uint8)
    zoom = float(np.exp(rng.normal(0, 0.08)))
    for number, layer in enumerate(material.layers, 1):
        inside = _outline(layer, layer.size * zoom, side, rng) > 0
        if layer.shape == "specks" and layer.margin is not None:
            inside &= ndimage.distance_transform_edt(result == 0) > layer.margin + layer.size
        result[inside] = number
    return result


def _outline(layer: _Layer, size: float, side: int, rng: np.random.Generator) -> Field:
    along = layer.direction, layer.elongation
    if layer.shape == "coat":
        return coat(side, layer.direction, rng)
    if layer.shape == "cells":
        numbers = cells(side, size, rng)
        return np.asarray(rng.choice([-1.0, 1.0], numbers.max() + 1)[numbers], np.float32)
    if layer.shape == "blobs":
        return blobs(side, size, *along, rng) - np.float32(layer.level + rng.normal(0, 0.15))
    if layer.shape == "bands":
        return bands(side, size, *along, rng) - np.float32(0.6 * layer.level)
    if layer.shape == "cracks":
        return cracks(side, size, int(rng.integers(1, 5)), rng.uniform(0.02, 0.25), rng)
    covered = rng.uniform(0.05, 0.3) * side**2
    count = int(covered / (np.pi * size**2 * layer.elongation * np.exp(2 * layer.spread**2)))
    if layer.shape == "specks":
        count = min(count, int(rng.uniform(10, 90)))
    found = ellipses(side, size, layer.spread, max(count, 2), *along, rng)
    rough = np.float32(layer.raggedness * min(1, size / 6))
    return found + rough * blobs(side, 8.0, 0.0, 1.0, rng) if rough else found


def _texture(surface: _Surface, side: int, rng: np.random.Generator) -> Field:
    if not surface.strength:
        return np.zeros((side, side), np.float32)
    kind = bands if surface.banded else blobs
    size = max(surface.size, 3.0) if surface.banded else surface.size
    return np.float32(surface.strength) * kind(side, size, surface.direction, surface.elongation, rng)


def _recorded(image: Field, material: Material, rng: np.random.Generator) -> Field:
    """Blur a picture and add noise and shading, both as shares of its contrast."""
    image = blur(image, material.blur * float(np.exp(rng.normal(0, 0.15))))
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    if material.noise_blur:
        noise = blur(noise, material.noise_blur)
        noise /= noise.std()
    y, x = (np.linspace(-1, 1, length, dtype=np.float32) for length in image.shape)
    tilt, turn, bowl = rng.standard_normal(3, dtype=np.float32)
    shade = tilt * y[:, None] + turn * x + bowl * (y[:, None] ** 2 + x**2 - np.float32(0.6))
    contrast = max(float(image.std()), 0.05)
    return np.asarray(
        image + np.float32(contrast) * (np.float32(material.noise) * noise + material.shading * shade), np.float32
    )
