"""Lattice fringes of crystals, and the grain of amorphous films, as a transmission microscope shows them."""

from __future__ import annotations

import numpy as np
from scipy import fft

from napari_microcnn.synth.fields import Field

_ANGLES = (np.pi / 2, np.deg2rad(70.5), np.deg2rad(54.7), np.pi / 3)
"""Between the sets of fringes of a cubic crystal along <001>, <011> (twice) and <111>."""


def lattice_fringes(y: Field, x: Field, radius: float, spacing: float, rng: np.random.Generator) -> Field:
    """Return one to three crossing sets of fringes of one crystal.

    Parameters
    ----------
    y, x : numpy.ndarray
        Rows (H, 1) and columns (1, W), counted from the middle of the crystal.
    radius : float
        Of the crystal in pixels: how far its fringes bend, and where it may be twinned.
    spacing : float
        Of the first set in pixels.
    rng : numpy.random.Generator

    Returns
    -------
    numpy.ndarray
        (H, W) float32, about between -1 and 1.
    """
    angle, between = rng.uniform(0, np.pi), float(rng.choice(_ANGLES))
    bend = np.float32(rng.normal(0, 0.04) / max(radius, 1) / spacing)
    directions = [(angle, 1.0, 1.0)]
    if rng.random() < 0.5:
        directions.append((angle + between, float(rng.choice([1.0, 1.0, 0.87])), rng.uniform(0.3, 1)))
        if rng.random() < 0.4:
            directions.append((angle + between / 2, 0.7, rng.uniform(0.2, 0.7)))
    fringes = _waves(y, x, directions, spacing, bend, rng)
    twin = rng.random()
    if twin < 0.25:  # mirrored beyond a plane
        mirrored = [
            (2 * angle - way + rng.choice([0.0, np.deg2rad(70.5)]), ratio, part) for way, ratio, part in directions
        ]
        normal, offset = rng.uniform(0, 2 * np.pi), np.float32(rng.uniform(-0.3, 0.5) * radius)
        beyond = x * np.float32(np.cos(normal)) + y * np.float32(np.sin(normal)) > offset
        fringes = np.where(beyond, _waves(y, x, mirrored, spacing, bend, rng), fringes)
    elif twin < 0.33:  # five twins around an axis
        sector = np.floor((np.arctan2(y, x) + np.float32(angle)) * np.float32(5 / (2 * np.pi)))
        for k in range(-2, 4, 2):
            turned = [(way + k * 2 * np.pi / 5, ratio, part) for way, ratio, part in directions]
            fringes = np.where(sector == k, _waves(y, x, turned, spacing, bend, rng), fringes)
    return np.asarray(fringes, np.float32)


def _waves(
    y: Field,
    x: Field,
    directions: list[tuple[float, float, float]],
    spacing: float,
    bend: np.float32,
    rng: np.random.Generator,
) -> Field:
    """Sum plane waves of these directions, relative spacings and strengths."""
    total = np.zeros(np.broadcast_shapes(y.shape, x.shape), np.float32)
    for angle, ratio, strength in directions:
        distance = max(2.05, spacing * ratio)
        wave = np.float32(2 * np.pi / distance)
        across = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
        total += np.float32(strength) * np.cos(wave * across + bend * across**2 + np.float32(rng.uniform(0, 6)))
    return np.asarray(total / np.float32(1 + 0.5 * (len(directions) - 1)), np.float32)


def amorphous_film(shape: tuple[int, int], first_zero: float, fall_off: float, rng: np.random.Generator) -> Field:
    """Return the grain of a thin amorphous film of unit variance, with Thon rings in its spectrum.

    White noise times the contrast transfer function of a weak phase object, sin(chi), where chi grows
    with the square of the spatial frequency (defocus), and an envelope (Williams and Carter,
    "Transmission Electron Microscopy", 2009, chapter 28).

    Parameters
    ----------
    shape : tuple of int
        Height and width in pixels.
    first_zero : float
        Spatial frequency, per pixel, of the first dark ring.
    fall_off : float
        Spatial frequency, per pixel, at which the envelope has fallen to 1/e.
    rng : numpy.random.Generator
    """
    size = tuple(fft.next_fast_len(side, real=True) for side in shape)
    noise = rng.standard_normal(size, dtype=np.float32)
    squared = np.fft.fftfreq(size[0])[:, None] ** 2 + np.fft.rfftfreq(size[1])[None, :] ** 2
    transfer = np.sin(np.pi * squared / first_zero**2) * np.exp(-squared / fall_off**2)
    spectrum = fft.rfft2(noise) * transfer.astype(np.float32)
    film = fft.irfft2(spectrum, size)[: shape[0], : shape[1]]
    return np.asarray(film / max(float(film.std()), 1e-6), np.float32)
