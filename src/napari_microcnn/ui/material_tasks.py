"""What the Synthesize dock lets a worker do with lattices, steels and particles; see `tasks`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_microcnn.config import IsingConfig, NanoparticlesConfig, SteelConfig, SteelKind
from napari_microcnn.events import Alive, Finished, Job
from napari_microcnn.ui.tasks import Array


@dataclass(frozen=True, eq=False)
class Lattices:
    """Configurations from the coldest to the hottest.

    Attributes
    ----------
    images : numpy.ndarray
        (T, Y, X) uint8.
    temperatures, energies, magnetisations : numpy.ndarray, (T,)
        Energies and magnetisations per spin.
    exact_energies, exact_magnetisations : numpy.ndarray, (T,)
        Of the infinite lattice.
    phases : tuple of str
        ``"below"`` or ``"above"`` the critical temperature.
    """

    images: Array
    temperatures: Array
    energies: Array
    magnetisations: Array
    exact_energies: Array
    exact_magnetisations: Array
    phases: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class ParticlePicture:
    """A picture of nanoparticles.

    Attributes
    ----------
    image : numpy.ndarray
        (Y, X) uint8.
    labels : numpy.ndarray
        (Y, X) int32, number of every particle, 0 = background.
    count : int
    coverage : float
        Share of the image that particles cover.
    """

    image: Array
    labels: Array
    count: int
    coverage: float


def draw_particles(config: NanoparticlesConfig, seed: int) -> Job[ParticlePicture]:
    """Make one picture with its labels."""
    from napari_microcnn.synth import nanoparticles

    made = nanoparticles(config, seed)
    yield Finished(ParticlePicture(made.image, made.labels, int(made.labels.max()), float(made.mask.mean())))


def write_particles(config: NanoparticlesConfig, seed: int, count: int, folder: Path) -> Job[Path]:
    """Write pictures with their labels; see `napari_microcnn.make_nanoparticles`."""
    from napari_microcnn.data.pictures import make_nanoparticles

    yield from make_nanoparticles(config, seed, count, folder)


def draw_lattices(config: IsingConfig, seed: int) -> Job[Lattices]:
    """Draw the configurations that a folder of pictures would begin with, in the order of their temperatures."""
    import numpy as np

    from napari_microcnn.synth import ising, onsager

    made = []
    for index in range(config.temperatures):
        made.append(ising(config, seed + index))
        yield Alive()
    made.sort(key=lambda one: one.temperature)
    at = np.array([one.temperature for one in made])
    yield Finished(
        Lattices(
            np.stack([one.image for one in made]),
            at,
            np.array([one.energy for one in made]),
            np.array([one.magnetisation for one in made]),
            onsager.energy(at),
            onsager.magnetisation(at),
            tuple(one.phase for one in made),
        )
    )


def draw_steel(config: SteelConfig, kind: SteelKind, seed: int) -> Job[Array]:
    """Make one picture, (Y, X) uint8."""
    from napari_microcnn.synth import steel

    yield Finished(steel(config, kind, seed).image)


def write_lattices(config: IsingConfig, seed: int, count: int, folder: Path) -> Job[Path]:
    """Write configurations; see `napari_microcnn.make_ising`."""
    from napari_microcnn.data.pictures import make_ising

    yield from make_ising(config, seed, count, folder)


def write_steels(config: SteelConfig, seed: int, count: int, folder: Path) -> Job[Path]:
    """Write textures; see `napari_microcnn.make_steel`."""
    from napari_microcnn.data.pictures import make_steel

    yield from make_steel(config, seed, count, folder)
