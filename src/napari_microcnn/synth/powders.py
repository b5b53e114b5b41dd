"""Powders and deposited particles in a scanning electron microscope: relief, bright edges, several layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_microcnn.config import NanoparticlesConfig
from napari_microcnn.synth.fields import Field, smooth_field
from napari_microcnn.synth.particle_shapes import Particle
from napari_microcnn.synth.supports import substrate


def sem(particles: Sequence[Particle], config: NanoparticlesConfig, rng: np.random.Generator) -> Field:
    """Return the signal, (Y, X) float32 between 0 and about 1.5, of particles lying on each other, first ones lowest.

    More secondary electrons leave where the surface is steep, as 1/cos of the slope, and fewer from
    where other particles are in the way (Reimer, "Scanning Electron Microscopy", 1998, chapter 4).
    """
    picture = substrate(config, rng)
    angle = rng.uniform(0, 2 * np.pi)
    light = np.float32(np.sin(angle)), np.float32(np.cos(angle))
    relief, edge = np.float32(rng.uniform(0, 0.6)), np.float32(rng.uniform(0, 1.2))
    grey, deep = rng.uniform(0.3, 0.8), rng.uniform(0, 0.6) * min(1.0, config.coverage)
    shadow, rough = np.float32(rng.uniform(0, 0.7)), config.carbon * rng.uniform(0, 1)
    grey = max(grey * (0.4 + config.contrast), 0.15)
    for place, particle in enumerate(particles):
        own = grey * float(np.exp(0.5 * config.contrast_spread * rng.normal()))
        own *= 1 - deep * (1 - (place + 1) / len(particles))
        surface = _surface(particle, light, relief, edge)
        if rough and particle.radius > 6:
            surface = surface * (1 + np.float32(rough) * smooth_field(surface.shape, max(2, particle.radius / 3), rng))
        inside = np.clip(particle.depth + np.float32(0.5), 0, 1)
        below = picture[particle.window]
        reach = np.float32(max(1.5, 0.2 * particle.radius))
        shaded = below * (1 - shadow * np.exp(np.minimum(particle.depth, 0) / reach))
        picture[particle.window] = shaded * (1 - inside) + np.float32(own) * surface * inside
    return picture


def _surface(particle: Particle, light: tuple[np.float32, np.float32], relief: np.float32, edge: np.float32) -> Field:
    """Return the brightness of a particle's surface: about 1, more at its edge and on the side of the detector."""
    height = particle.thickness
    down, across = np.gradient(height * np.float32(particle.radius))
    steep = np.sqrt(down**2 + across**2)
    slope = steep / np.sqrt(1 + steep**2)
    lit = (down * light[0] + across * light[1]) / np.sqrt(1 + steep**2)
    return np.asarray(np.clip(0.75 + edge * slope**4 + relief * lit, 0.1, 2.2), np.float32)
