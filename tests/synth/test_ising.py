"""The Monte Carlo against what is known exactly."""

from __future__ import annotations

import numpy as np
import pytest

from napari_microcnn.config import IsingConfig
from napari_microcnn.synth import CRITICAL_TEMPERATURE, ising, onsager
from napari_microcnn.synth.ising import chain, energies, sweep, temperatures_of


def every_configuration(side: int) -> np.ndarray:
    bits = (np.arange(2 ** (side * side))[:, None] >> np.arange(side * side)) & 1
    return (2 * bits - 1).astype(np.int8).reshape(-1, side, side)


@pytest.mark.parametrize("temperature", [1.5, CRITICAL_TEMPERATURE, 4.0])
def test_configurations_come_as_often_as_boltzmann_says(temperature: float) -> None:
    every = every_configuration(4)
    energy, magnetisation = energies(every), np.abs(every.mean(axis=(1, 2)))
    weight = np.exp(-16 * (energy + 2) / temperature)
    expected = [(weight * one).sum() / weight.sum() for one in (energy, energy**2, magnetisation, magnetisation**4)]
    lattices = chain(4, np.full(500, temperature), np.random.default_rng(1))
    drawn = np.array([next(lattices) for _ in range(80)])[20:]
    found = energies(drawn), np.abs(drawn.mean(axis=(2, 3)))
    for values, exact in zip((found[0], found[0] ** 2, found[1], found[1] ** 4), expected, strict=True):
        own = values.mean(axis=0)  # lattices know nothing of each other, sweeps do
        assert abs(own.mean() - exact) < 3.5 * own.std(ddof=1) / np.sqrt(len(own))


@pytest.mark.parametrize("temperature", [1.0, CRITICAL_TEMPERATURE, 3.0])
def test_kaufmans_energy_is_that_of_all_configurations(temperature: float) -> None:
    every = every_configuration(4)
    weight = np.exp(-16 * (energies(every) + 2) / temperature)
    exact = (weight * energies(every)).sum() / weight.sum()
    assert onsager.energy_of_lattice(temperature, 4) == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize("temperature", [1.5, 2.0, 2.6, 3.5])
def test_onsagers_energy_is_that_of_a_large_lattice(temperature: float) -> None:
    assert float(onsager.energy(temperature)) == pytest.approx(onsager.energy_of_lattice(temperature, 128), abs=1e-5)


def test_figures_from_the_literature() -> None:
    assert pytest.approx(2.269185314, abs=1e-9) == CRITICAL_TEMPERATURE
    assert float(onsager.energy(CRITICAL_TEMPERATURE)) == pytest.approx(-np.sqrt(2), abs=1e-6)
    assert float(onsager.magnetisation(2.0)) == pytest.approx(0.911319, abs=1e-6)
    assert onsager.magnetisation([2.2691, 2.2693, 5]).tolist()[1:] == [0, 0]
    with pytest.raises(ValueError, match="above zero"):
        onsager.energy([1.0, 0.0])


def test_magnetisation_and_energy_of_a_picture_are_its_own() -> None:
    made = ising(IsingConfig(side=16, coldest=1.5, hottest=1.5, temperatures=1), seed=2)
    assert made.image.dtype == np.uint8
    assert set(np.unique(made.image)) <= {0, 255}
    assert made.magnetisation == pytest.approx(made.image.mean() / 127.5 - 1, abs=1e-6)
    up = made.image > 0
    broken = (up != np.roll(up, 1, 0)).sum() + (up != np.roll(up, 1, 1)).sum()
    assert made.energy == pytest.approx(-2 + 2 * broken / up.size)


def test_same_seed_same_picture_and_the_temperatures_in_turn() -> None:
    config = IsingConfig(side=8, coldest=1, hottest=3, temperatures=3)
    made = [ising(config, seed) for seed in range(6)]
    assert [one.temperature for one in made] == [1, 2, 3, 1, 2, 3]
    assert [one.phase for one in made[:3]] == ["below", "below", "above"]
    np.testing.assert_array_equal(ising(config, 1).spins, made[1].spins)
    assert not np.array_equal(made[2].spins, made[5].spins)
    assert temperatures_of(config).tolist() == [1, 2, 3]


def test_a_sweep_at_no_temperature_to_speak_of_leaves_one_cluster() -> None:
    spins = np.ones((2, 5, 5), np.int8)
    after = sweep(spins, [1e-3, 1e-3], np.random.default_rng(3))
    assert (np.abs(after.sum(axis=(1, 2))) == 25).all()


def test_temperatures_in_the_wrong_order_are_told() -> None:
    with pytest.raises(ValueError, match="lies above the highest"):
        IsingConfig(coldest=3, hottest=2)
