"""The place of a step, and whether its error bar can be believed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from napari_microcnn.measure.transition import find_transition


def outputs(seed: int, place: float = 2.27, number: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Return temperatures, and answers that are right with a chance that steps up at `place`."""
    rng = np.random.default_rng(seed)
    temperatures = np.tile(np.linspace(1.3, 3.3, 41), number)
    return temperatures, (rng.random(len(temperatures)) < expit((temperatures - place) / 0.08)).astype(float)


def test_the_step_is_found_where_it_is() -> None:
    found = find_transition(*outputs(0, 2.4, 400))
    assert found.temperature == pytest.approx(2.4, abs=0.005)
    assert found.width == pytest.approx(0.16, rel=0.05)
    assert found.temperatures.shape == found.means.shape == found.spreads.shape == (41,)
    assert found.step(found.temperature) == pytest.approx(0.5)
    assert f"{found}" == f"{found.temperature:.4f} ± {found.margin:.4f}"
    assert found.margin == pytest.approx(1.96 * found.error, rel=1e-3)  # one network: only the normal law


def test_the_error_bar_is_the_spread_of_repetitions() -> None:
    found = [find_transition(*outputs(seed)) for seed in range(12)]
    places, errors = np.array([one.temperature for one in found]), np.array([one.error for one in found])
    # Twelve repetitions know their spread to about a fifth.
    assert 0.5 < places.std(ddof=1) / errors.mean() < 1.7
    assert (np.abs(places - 2.27) < 3 * errors).all()


def test_networks_that_disagree_widen_the_error_bar() -> None:
    temperatures, first = outputs(0, 2.2)
    alike = find_transition(temperatures, np.stack([first, first]))
    apart = find_transition(temperatures, np.stack([first, outputs(0, 2.4)[1]]))
    assert apart.temperature == pytest.approx(2.3, abs=0.03)
    assert alike.error < 0.02 < 0.05 < apart.error
    assert apart.margin > 8 * apart.error  # two networks know their own spread badly


def test_the_interval_of_few_networks_contains_the_place_as_often_as_it_says() -> None:
    """Networks that scatter by 0.01 around the true place, judged by many configurations."""
    rng = np.random.default_rng(4)
    temperatures = np.linspace(1.3, 3.3, 41)
    hits = 0
    for _ in range(60):
        outputs = np.stack([expit((temperatures - place) / 0.08) for place in rng.normal(2.27, 0.01, 3)])
        hits += find_transition(temperatures, outputs).contains(2.27)
    assert hits >= 53


def test_the_same_seed_gives_the_same_error_bar() -> None:
    first, second, other = (find_transition(*outputs(3), seed=seed) for seed in (1, 1, 2))
    assert first.error == second.error != other.error


@pytest.mark.parametrize("values", [np.full(41, 0.9), np.linspace(0, 0.4, 41), np.linspace(1, 0, 41)])
def test_no_crossing_is_told(values: np.ndarray) -> None:
    with pytest.raises(ValueError, match="needs at least four, from below one half to above"):
        find_transition(np.linspace(1, 3, 41), values)


def test_outputs_without_temperatures_are_told() -> None:
    with pytest.raises(ValueError, match="needs its temperature"):
        find_transition([1, 2, 3, 4], [0, 1])
