"""Particles on a film as a beam that goes through shows them: HRTEM, bright field and HAADF-STEM."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_microcnn.config import NanoparticlesConfig
from napari_microcnn.synth.fields import Field, blur, smooth_field
from napari_microcnn.synth.fringes import amorphous_film, lattice_fringes
from napari_microcnn.synth.particle_shapes import Particle
from napari_microcnn.synth.supports import halo, support_thickness


def hrtem(particles: Sequence[Particle], config: NanoparticlesConfig, rng: np.random.Generator) -> Field:
    """Return the intensity, (Y, X) float32 of about 1, of crystals on an amorphous film."""
    shape = (config.height, config.width)
    thickness = support_thickness(config, rng)
    film = amorphous_film(shape, config.first_zero, rng.uniform(0.12, 0.5), rng)
    picture = 1 + np.float32(config.carbon) * np.sqrt(thickness) * film
    picture -= np.float32(0.25 * rng.uniform(0.2, 1)) * (thickness - 1)
    mass, fringes = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    spacing = config.fringe_spacing
    delocalised = rng.uniform(0, 0.25)
    for particle in particles:
        amount = particle.thickness * np.float32(_strength(config, rng))
        mass[particle.window] += amount
        if config.fringes:
            lattice = _lattice(particle, spacing * float(np.exp(rng.normal(0, 0.08))), delocalised, rng)
            fringes[particle.window] += lattice * np.float32(_visibility(config, rng))
    picture -= np.float32(0.5 * config.contrast) * mass
    if rng.random() < 0.6:  # rims out of focus, more of them far from focus
        width = float(np.clip(0.25 / config.first_zero, 0.8, 5))
        picture += np.float32(rng.normal(0, 0.25) * config.contrast + rng.normal(0, 0.08)) * halo(mass, width)
        if config.holes:
            picture += np.float32(rng.normal(0, 0.2)) * halo(thickness, width)
    return np.asarray(picture + fringes, np.float32)


def _strength(config: NanoparticlesConfig, rng: np.random.Generator) -> float:
    return float(np.clip(np.exp(config.contrast_spread * rng.normal(0, 1)), 0.3, 4))


def _visibility(config: NanoparticlesConfig, rng: np.random.Generator) -> float:
    """Return how strongly a crystal shows fringes: few lie so that they show none, and then only their mass tells."""
    if config.contrast > 0.15 and rng.random() < 0.25:
        return float(config.fringes * rng.uniform(0, 0.3))
    return float(config.fringes * rng.uniform(0.55, 1.2))


def _lattice(particle: Particle, spacing: float, delocalised: float, rng: np.random.Generator) -> Field:
    """Return the fringes of one particle, as strong as it is thick, in parts weaker, and a little beyond its rim."""
    height, width = particle.thickness.shape
    y = np.arange(height, dtype=np.float32)[:, None] - np.float32(height / 2)
    x = np.arange(width, dtype=np.float32)[None, :] - np.float32(width / 2)
    lattice = lattice_fringes(y, x, particle.radius, spacing, rng)
    soft = np.float32(max(0.8, delocalised * min(spacing, particle.radius)))
    shown = np.clip(particle.depth / soft + np.float32(0.5), 0, 1) * (0.45 + 0.55 * particle.thickness)
    uneven = 1 + np.float32(rng.uniform(0, 0.45)) * smooth_field((height, width), max(4.0, particle.radius), rng)
    return np.asarray(lattice * shown * np.clip(uneven, 0.25, 2), np.float32)


def bright_field(particles: Sequence[Particle], config: NanoparticlesConfig, rng: np.random.Generator) -> Field:
    """Return the intensity, (Y, X) float32 of at most about 1, of dark particles, some darker by diffraction."""
    shape = (config.height, config.width)
    thickness = support_thickness(config, rng)
    film = amorphous_film(shape, config.first_zero, rng.uniform(0.1, 0.4), rng)
    absorbed = np.float32(0.15 * rng.uniform(0.3, 1.5)) * thickness
    mass = np.zeros(shape, np.float32)
    typical = config.diameter / 2
    by_size = rng.uniform(0, 0.6)
    for particle in particles:
        amount = _strength(config, rng) * float(np.clip((particle.radius / typical) ** by_size, 0.6, 2))
        if config.contrast_spread and rng.random() < 0.2:  # in Bragg condition
            amount *= 1 + 2.5 * config.contrast_spread * rng.uniform(0, 1)
        mass[particle.window] += np.float32(amount) * particle.thickness * _diffraction(particle, config, rng)
    picture = np.exp(-absorbed - np.float32(1.6 * config.contrast) * mass)
    picture += np.float32(config.carbon) * np.sqrt(thickness) * film * (0.4 + 0.6 * picture)
    if rng.random() < 0.6:
        width = float(np.clip(0.25 / config.first_zero, 0.8, 6))
        picture -= np.float32(rng.normal(0.1, 0.25) * config.contrast) * halo(np.minimum(mass, 1.5), width)
        if config.holes:
            picture += np.float32(rng.normal(0, 0.15)) * halo(thickness, width)
    if config.fringes:
        for particle in particles:
            if rng.random() < 0.5:
                lattice = _lattice(particle, config.fringe_spacing, 0.1, rng)
                picture[particle.window] += np.float32(0.5 * config.fringes) * lattice
    return np.asarray(picture, np.float32)


def _diffraction(particle: Particle, config: NanoparticlesConfig, rng: np.random.Generator) -> Field | np.float32:
    """Return a factor, 1 or a pattern of bands, twins and thickness contours inside a crystal."""
    if particle.radius < 5 or rng.random() > 0.8 * config.contrast_spread + 0.1:
        return np.float32(1)
    height, width = particle.thickness.shape
    y = np.arange(height, dtype=np.float32)[:, None] - np.float32(height / 2)
    x = np.arange(width, dtype=np.float32)[None, :] - np.float32(width / 2)
    angle, depth = rng.uniform(0, 2 * np.pi), np.float32(rng.uniform(0.1, 0.55))
    across = (x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))) / np.float32(particle.radius)
    kind = rng.random()
    if kind < 0.4:  # twinned: one side darker
        step = np.clip((across - np.float32(rng.uniform(-0.5, 0.5))) * np.float32(particle.radius), -1, 1)
        return np.asarray(1 + depth * step, np.float32)
    if kind < 0.7:  # bent: dark bands
        bands = np.cos(across * np.float32(rng.uniform(2, 9)) + np.float32(rng.uniform(0, 6)))
        return np.asarray(1 + depth * bands, np.float32)
    contours = np.cos(particle.thickness * np.float32(rng.uniform(4, 14)))
    return np.asarray(1 + np.float32(0.7) * depth * contours, np.float32)


def haadf(particles: Sequence[Particle], config: NanoparticlesConfig, rng: np.random.Generator) -> Field:
    """Return the intensity, (Y, X) float32 of at most about 1, of particles as bright as they are thick and heavy."""
    shape = (config.height, config.width)
    thickness = support_thickness(config, rng)
    signal = np.zeros(shape, np.float32)
    typical, by_size = config.diameter / 2, rng.uniform(0, 1)
    for particle in particles:
        amount = _strength(config, rng) * float(np.clip((particle.radius / typical) ** by_size, 0.45, 2.5))
        part = np.float32(amount) * particle.thickness
        if config.fringes and rng.random() < 0.8:
            lattice = _lattice(particle, config.fringe_spacing, 0.0, rng)
            part = part * (1 + np.float32(0.8 * config.fringes) * lattice)
        signal[particle.window] += part
    ground = np.float32(rng.uniform(0.02, 0.35)) * thickness
    ground *= 1 + np.float32(config.carbon) * blur(smooth_field(shape, rng.uniform(1.5, 4), rng), 0.7)
    return np.asarray(ground + np.float32(0.15 + config.contrast) * np.maximum(signal, 0), np.float32)
