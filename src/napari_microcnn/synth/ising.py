"""Configurations of the two-dimensional Ising model, drawn by the cluster algorithm of Swendsen and Wang.

R. H. Swendsen and J.-S. Wang, Physical Review Letters 58 (1987) 86. Clusters are flipped as a whole,
so that configurations forget their start within a few sweeps at the critical temperature too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from napari_microcnn.config import IsingConfig
from napari_microcnn.synth.onsager import CRITICAL_TEMPERATURE

Spins = NDArray[np.int8]
DOWN, UP = 0, 255
"""Grey of the two directions of a spin in pictures."""


@dataclass(frozen=True, eq=False)
class IsingConfiguration:
    """One configuration.

    Attributes
    ----------
    spins : numpy.ndarray
        (Y, X) int8, -1 or 1.
    temperature : float
        In units of the coupling.
    """

    spins: Spins
    temperature: float

    @property
    def image(self) -> NDArray[np.uint8]:
        """(Y, X) uint8: 255 = up, 0 = down."""
        return np.where(self.spins > 0, UP, DOWN).astype(np.uint8)

    @property
    def energy(self) -> float:
        """Energy per spin, -2 to 2."""
        return float(energies(self.spins))

    @property
    def magnetisation(self) -> float:
        """Mean spin, -1 to 1."""
        return float(self.spins.mean())

    @property
    def phase(self) -> str:
        """``"below"`` or ``"above"`` the critical temperature of the infinite lattice."""
        return "below" if self.temperature < CRITICAL_TEMPERATURE else "above"


def ising(config: IsingConfig, seed: int = 0) -> IsingConfiguration:
    """Draw one configuration; those of different seeds know nothing of each other.

    Parameters
    ----------
    config : IsingConfig
    seed : int
        The same seed gives the same configuration; successive seeds go through the temperatures in turn.

    Examples
    --------
    >>> made = ising(IsingConfig(coldest=1.0, temperatures=1), seed=3)
    >>> made.phase, made.energy < -1.9
    ('below', True)
    """
    temperature = temperatures_of(config)[seed % config.temperatures]
    rng = np.random.default_rng([seed, 4])
    spins = _hot(1, config.side, rng)
    for _ in range(config.sweeps):
        spins = sweep(spins, temperature, rng)
    return IsingConfiguration(spins[0], float(temperature))


def temperatures_of(config: IsingConfig) -> NDArray[np.float64]:
    """Return the temperatures, from the lowest to the highest."""
    return np.linspace(config.coldest, config.hottest, config.temperatures)


def chain(side: int, temperatures: ArrayLike, rng: np.random.Generator) -> Iterator[Spins]:
    """Yield the configurations of several lattices after every sweep, without end.

    Parameters
    ----------
    side : int
        Height and width in spins.
    temperatures : array-like, (N,)
        One lattice for each.
    rng : numpy.random.Generator

    Yields
    ------
    numpy.ndarray
        (N, side, side) int8.
    """
    values = np.asarray(temperatures, float)
    spins = _hot(len(values), side, rng)
    while True:
        spins = sweep(spins, values, rng)
        yield spins


def sweep(spins: Spins, temperatures: ArrayLike, rng: np.random.Generator) -> Spins:
    """Sweep several lattices once and return them.

    Parameters
    ----------
    spins : numpy.ndarray
        (N, Y, X) int8, -1 or 1.
    temperatures : array-like
        One, or one for each lattice.
    rng : numpy.random.Generator
    """
    chance = -np.expm1(-2 / np.broadcast_to(np.asarray(temperatures, float), len(spins)))[:, None, None]
    sites = np.arange(spins.size, dtype=np.int32).reshape(spins.shape)
    bonds = np.empty((*spins.shape, 2), bool)
    ends = np.empty((*spins.shape, 2), np.int32)
    for axis in (1, 2):
        alike = spins == np.roll(spins, -1, axis)
        bonds[..., axis - 1] = alike & (rng.random(spins.shape, np.float32) < chance)
        ends[..., axis - 1] = np.roll(sites, -1, axis)
    starts = np.concatenate([[0], np.cumsum(bonds.sum(axis=-1, dtype=np.int32).ravel(), dtype=np.int32)])
    there = ends[bonds]
    graph = sparse.csr_array((np.ones(len(there)), there, starts), shape=(spins.size, spins.size))
    count, cluster = sparse.csgraph.connected_components(graph, directed=False)
    directions = rng.integers(0, 2, count, dtype=np.int8) * np.int8(2) - np.int8(1)
    return np.asarray(directions[cluster].reshape(spins.shape))


def energies(spins: Spins) -> NDArray[np.float64]:
    """Return the energy per spin of configurations, (..., Y, X) int8 to (...) float64."""
    bonds = spins * (np.roll(spins, -1, -1) + np.roll(spins, -1, -2))
    return np.asarray(-bonds.mean(axis=(-2, -1)))


def _hot(number: int, side: int, rng: np.random.Generator) -> Spins:
    return rng.integers(0, 2, (number, side, side), dtype=np.int8) * np.int8(2) - np.int8(1)
