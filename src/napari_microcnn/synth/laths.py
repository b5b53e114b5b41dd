"""Laths in packets: martensite and bainite, as fields of grey around zero, dark below."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_microcnn.config import SteelConfig, VoronoiConfig
from napari_microcnn.synth.fields import Field, smooth_field
from napari_microcnn.synth.voronoi import Microstructure, voronoi

_HABITS = 4
"""Habit planes of the martensite of one austenite grain, which make packets of as many directions."""


def martensite(config: SteelConfig, rng: np.random.Generator) -> Field:
    """Fine laths, side by side in blocks, in packets within the former austenite grains."""
    packets, directions = _packets(config, rng)
    along, across = _frame(packets, directions, 0.35 * config.lath_width, 6 * config.lath_width, rng)
    number, edge = _laths(along, across, config.lath_width, float(rng.uniform(8, 25)), rng)
    grey = rng.uniform(-1, 1, 4093).astype(np.float32)
    block = np.floor(across / np.float32(config.lath_width * rng.uniform(3, 7))).astype(np.int64)
    own, shared = grey[_mixed(packets, number)], grey[_mixed(packets, block + 7919)]
    share = np.float32(rng.uniform(0.2, 0.6))
    lines = np.clip(1 - edge / np.float32(max(0.6, 0.22 * config.lath_width)), 0, 1)
    depth = rng.choice([-1.0, 1.0], p=[0.7, 0.3]) * rng.uniform(0.3, 1.1)
    fine = smooth_field(packets.shape, 1.5, rng) * np.float32(rng.uniform(0.05, 0.25))
    whole = grey[packets % 4093] * np.float32(rng.uniform(0, 0.4))
    return np.asarray((1 - share) * own + share * shared + whole + np.float32(depth) * lines + fine, np.float32)


def bainite(config: SteelConfig, rng: np.random.Generator) -> Field:
    """Sheaves of broader laths with carbides between them (upper), in them (lower), or islands (granular)."""
    packets, directions = _packets(config, rng)
    width = 2 * config.lath_width
    along, across = _frame(packets, directions, 0.5 * width, 4 * width, rng)
    number, edge = _laths(along, across, width, float(rng.uniform(3, 8)), rng)
    grey = rng.uniform(-1, 1, 4093).astype(np.float32)
    ground = np.float32(rng.uniform(0.1, 0.35)) * grey[_mixed(packets, number)]
    ground += np.float32(rng.uniform(0, 0.3)) * grey[packets % 4093]
    ground += np.float32(rng.uniform(0.05, 0.2)) * smooth_field(packets.shape, 2.5, rng)
    form = rng.choice(3, p=[0.5, 0.25, 0.25])
    if form == 0:
        particles = _broken_films(edge, width, rng)
    elif form == 1:
        particles = _carbides_in_laths(along, across, edge, width, rng)
    else:
        particles = _islands(along, across, width, rng)
    sign = rng.choice([-1.0, 1.0], p=[0.6, 0.4])
    return np.asarray(ground + np.float32(sign * rng.uniform(0.9, 1.6)) * particles, np.float32)


def polygons(config: SteelConfig, size: float, rng: np.random.Generator, **more: float) -> Microstructure:
    """Return grains of about this diameter in pixels."""
    grains = max(2, round(config.height * config.width / (0.8 * size**2)))
    structure = VoronoiConfig(height=config.height, width=config.width, grains=grains, **more)
    return voronoi(structure, int(rng.integers(2**31)))


def turned(shape: tuple[int, int], numbers: NDArray[np.int32], angles: NDArray[np.float64]) -> tuple[Field, Field]:
    """Return coordinates in pixels along and across the direction of every region, from a place of its own."""
    y, x = (axis.astype(np.float32) for axis in np.ogrid[: shape[0], : shape[1]])
    sine, cosine = np.sin(angles).astype(np.float32)[numbers], np.cos(angles).astype(np.float32)[numbers]
    return x * cosine + y * sine, y * cosine - x * sine


def _packets(config: SteelConfig, rng: np.random.Generator) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return the number of the packet of every pixel, and the direction of every packet."""
    rough = {"curvature": 0.4, "roughness": 0.6, "size_spread": 0.4, "regularity": 0.3}
    austenite = polygons(config, 2 * config.grain_size, rng, **rough).grains
    parts = polygons(config, config.grain_size, rng, **rough, merging=0.3).grains
    habits = rng.uniform(0, np.pi, (int(austenite.max()) + 1, _HABITS))
    # The same habit plane in two parts of a grain is one packet.
    packets = (austenite * _HABITS + parts % _HABITS).astype(np.int32)
    return packets, habits.ravel()


def _frame(
    packets: NDArray[np.int32], directions: NDArray[np.float64], wave: float, scale: float, rng: np.random.Generator
) -> tuple[Field, Field]:
    """Return coordinates along and across the laths, which are not quite straight."""
    along, across = turned((packets.shape[0], packets.shape[1]), packets, directions)
    across += np.float32(wave) * smooth_field((packets.shape[0], packets.shape[1]), scale, rng)
    return along + 4096, across + 4096


def _laths(
    along: Field, across: Field, width: float, aspect: float, rng: np.random.Generator
) -> tuple[NDArray[np.int64], Field]:
    """Return the number of the lath of every pixel, and the distance to its edge in pixels.

    Widths differ, and laths end: each row is cut at places of its own, and rows shift as they go.
    """
    count = int(across.max() / width) + 3
    borders = (np.arange(count + 1) + rng.uniform(-0.35, 0.35, count + 1)) * width
    drift = np.float32(0.5 * width) * np.sin(along / np.float32(aspect * width)).astype(np.float32)
    place = across + np.float32(rng.uniform(0, 1)) * drift
    row = np.clip(np.searchsorted(borders, place) - 1, 0, count - 1)
    edge = np.minimum(place - borders[row].astype(np.float32), borders[row + 1].astype(np.float32) - place)
    length = np.float32(aspect * width)
    starts = (rng.uniform(0, 1, count + 1) * length).astype(np.float32)
    piece = np.floor((along + starts[row]) / length).astype(np.int64)
    return row * 977 + piece, np.asarray(np.maximum(edge, 0), np.float32)


def _mixed(packets: NDArray[np.int32], number: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return an index below 4093 that differs between packets and between laths."""
    return (packets.astype(np.int64) * 2_654_435 + number * 40_503) % 4093


def _broken_films(edge: Field, width: float, rng: np.random.Generator) -> Field:
    """Films between laths, broken into rods."""
    rods = smooth_field((edge.shape[0], edge.shape[1]), width * float(rng.uniform(0.8, 1.6)), rng)
    gaps = 1 / (1 + np.exp(-4 * (rods + np.float32(rng.uniform(0, 0.7)))))
    half = np.float32(width * rng.uniform(0.1, 0.22) + 0.3)
    return np.asarray(np.clip(half + 0.5 - edge, 0, 1) * gaps, np.float32)


def _carbides_in_laths(along: Field, across: Field, edge: Field, width: float, rng: np.random.Generator) -> Field:
    """Short carbides at about 60 degrees to the lath."""
    steep = np.float32(np.cos(np.pi / 3)) * along + np.float32(np.sin(np.pi / 3)) * across
    pitch = np.float32(max(3.0, width * rng.uniform(0.4, 0.7)))
    stripes = np.abs(steep / pitch - np.floor(steep / pitch) - 0.5) * 2 - 1
    broken = smooth_field((edge.shape[0], edge.shape[1]), float(pitch), rng)
    inside = np.clip(edge / np.float32(0.2 * width), 0, 1)
    return np.asarray(np.clip(2.2 * (stripes + 0.55), 0, 1) * (broken > -0.2) * inside, np.float32)


def _islands(along: Field, across: Field, width: float, rng: np.random.Generator) -> Field:
    """Blocky islands, a little longer along the sheaf."""
    shape = (along.shape[0], along.shape[1])
    field = smooth_field(shape, 0.8 * width, rng) + 0.5 * np.sin(across * np.float32(2 * np.pi / (2 * width)))
    level = float(np.quantile(field, 1 - rng.uniform(0.12, 0.25)))
    return np.asarray(ndimage.gaussian_filter((field > level).astype(np.float32), 0.5), np.float32)
