"""Pictures of nanoparticles with exact labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.config import NanoparticlesConfig, ParticleImaging
from napari_microcnn.synth.exposure import expose
from napari_microcnn.synth.fields import Field
from napari_microcnn.synth.particle_places import places
from napari_microcnn.synth.particle_shapes import Particle, draw_particle
from napari_microcnn.synth.powders import sem
from napari_microcnn.synth.recording import databar_rows
from napari_microcnn.synth.transmission import bright_field, haadf, hrtem

LEAST_AREA = 9
"""What is left of a particle beneath others counts from this many pixels on."""

_MICROSCOPES: dict[ParticleImaging, Callable[[Sequence[Particle], NanoparticlesConfig, np.random.Generator], Field]] = {
    "HRTEM": hrtem,
    "HAADF": haadf,
    "bright field": bright_field,
    "SEM": sem,
}


@dataclass(frozen=True, eq=False)
class Nanoparticles:
    """A picture of particles with everything that is true about it.

    Attributes
    ----------
    image : numpy.ndarray
        (Y, X) uint8.
    labels : numpy.ndarray
        (Y, X) int32, number of every particle from 1, 0 = background. Where particles overlap, a pixel belongs to
        the upper one, or, where the beam goes through both, to the one that it lies deeper inside.
    config : NanoparticlesConfig
    seed : int
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.int32]
    config: NanoparticlesConfig
    seed: int

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Whether a pixel belongs to a particle, (Y, X) bool."""
        return self.labels > 0

    @property
    def outlines(self) -> NDArray[np.bool_]:
        """Pixels of particles, (Y, X) bool, that touch something else."""
        result = np.zeros(self.labels.shape, bool)
        for one, other in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
            border = self.labels[one] != self.labels[other]
            result[one] |= border
            result[other] |= border
        return result & self.mask


def nanoparticles(config: NanoparticlesConfig, seed: int = 0) -> Nanoparticles:
    """Make a picture of nanoparticles.

    Parameters
    ----------
    config : NanoparticlesConfig
    seed : int
        The same seed gives the same particles and the same picture.

    Examples
    --------
    >>> made = nanoparticles(NanoparticlesConfig(height=64, width=96), seed=1)
    >>> made.image.shape, bool(made.labels.max() > 0)
    ((64, 96), True)
    """
    rng = np.random.default_rng([seed, 6])
    particles = _particles(config, rng)
    labels = _labels(particles, config)
    picture = _MICROSCOPES[config.imaging](particles, config, rng)
    covered = databar_rows(config.height, config.databar)
    if covered:
        labels[-covered:] = 0
    return Nanoparticles(expose(picture, config, rng), _numbered(labels), config, seed)


def _particles(config: NanoparticlesConfig, rng: np.random.Generator) -> list[Particle]:
    alike, common = rng.random() < 0.3, rng.uniform(0, np.pi)  # rods may lie side by side
    drawn = []
    for y, x, radius in places(config, rng):
        angle = common + rng.normal(0, 0.15) if alike else rng.uniform(0, 2 * np.pi)
        drawn.append(draw_particle((y, x), radius, angle, config, rng))
    return [particle for particle in drawn if particle is not None]


def _labels(particles: Sequence[Particle], config: NanoparticlesConfig) -> NDArray[np.int32]:
    labels = np.zeros((config.height, config.width), np.int32)
    deepest = np.zeros(labels.shape, np.float32)
    for number, particle in enumerate(particles, start=1):
        depth = particle.depth / np.float32(particle.radius)
        mine = depth > (0 if config.imaging == "SEM" else np.maximum(deepest[particle.window], 0))
        labels[particle.window][mine] = number
        deepest[particle.window][mine] = depth[mine]
    return labels


def _numbered(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Number the particles of which enough is left, 1..N without gaps."""
    kept = np.bincount(labels.ravel()) >= LEAST_AREA
    kept[0] = False
    numbers = np.where(kept, np.cumsum(kept), 0).astype(np.int32)
    return np.asarray(numbers[labels], np.int32)
