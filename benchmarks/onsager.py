"""Our Monte Carlo against Onsager's energy and Yang's magnetisation."""

from __future__ import annotations

from itertools import islice

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import Table
from napari_microcnn.synth import CRITICAL_TEMPERATURE, onsager
from napari_microcnn.synth.ising import chain, energies

SIDE, LATTICES = 128, 24
FORGET, KEEP = 60, 60
TEMPERATURES = (1.5, 1.8, 2.0, 2.1, 2.2, 2.4, 2.6, 3.0, 4.0)


def run() -> Table:
    """Draw configurations at every temperature; lattices are independent, sweeps of one are not."""
    table = Table(
        f"Swendsen-Wang on {SIDE} x {SIDE} spins against what is known exactly",
        ("temperature", "energy", "exact", "standard errors off", "magnetisation", "exact ", "standard errors off "),
        note=f"{LATTICES} lattices, {KEEP} sweeps each after {FORGET} to forget the start; the bar is 3 standard "
        "errors. Exact: the infinite lattice (Onsager, Yang), at the critical temperature this lattice (Kaufman). "
        "Magnetisation: mean of |m| below, of m above the critical temperature.",
    )
    for index, temperature in enumerate(TEMPERATURES):
        energy, m = _drawn(temperature, index)
        magnetisation = np.abs(m) if temperature < CRITICAL_TEMPERATURE else m
        table.add(
            temperature,
            *_against(energy, float(onsager.energy(temperature))),
            *_against(magnetisation, float(onsager.magnetisation(temperature))),
        )
    energy, _ = _drawn(CRITICAL_TEMPERATURE, len(TEMPERATURES))
    exact = onsager.energy_of_lattice(CRITICAL_TEMPERATURE, SIDE)
    table.add(f"{CRITICAL_TEMPERATURE:.4f}", *_against(energy, exact), "", "", "")
    off = max(abs(float(cell)) for row in table.rows for cell in (row[3], row[6]) if cell)
    table.at_most("largest distance from what is exact (standard errors)", off, 3)
    return table


def _drawn(temperature: float, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return energy and magnetisation, (sweeps, lattices)."""
    lattices = chain(SIDE, np.full(LATTICES, temperature), np.random.default_rng([0, seed]))
    kept = [(energies(spins), spins.mean(axis=(1, 2))) for spins in islice(lattices, FORGET, FORGET + KEEP)]
    return np.array([one[0] for one in kept]), np.array([one[1] for one in kept])


def _against(values: NDArray[np.float64], exact: float) -> tuple[str, str, str]:
    """Return mean and exact value, and their distance in standard errors."""
    means = values.mean(axis=0)
    error = means.std(ddof=1) / np.sqrt(len(means))
    return f"{means.mean():.5f} ± {error:.5f}", f"{exact:.5f}", f"{(means.mean() - exact) / error:+.2f}"
