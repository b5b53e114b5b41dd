"""The case study of the phase transition, small."""

from __future__ import annotations

import numpy as np
import pytest

from napari_microcnn.config import IsingConfig, TransitionConfig
from napari_microcnn.events import Finished, Progress, result_of
from napari_microcnn.measure.transition import find_transition
from napari_microcnn.synth import CRITICAL_TEMPERATURE, ising
from napari_microcnn.train.transition import NetworkDone, study_transition

LATTICE = IsingConfig(side=16, coldest=1.3, hottest=3.3, temperatures=9, sweeps=15)
SMALL = TransitionConfig(repeats=8, networks=2, epochs=8)


@pytest.fixture(scope="module")
def events() -> list:
    return list(study_transition(LATTICE, SMALL, seed=3))


def test_the_networks_see_the_transition_near_onsagers_temperature(events: list) -> None:
    study = events[-1].result
    assert study.outputs.shape == (2, 288)
    found = find_transition(study.temperatures, study.outputs)
    assert found.temperature == pytest.approx(CRITICAL_TEMPERATURE, abs=0.25)  # of lattices so small
    assert found.means[0] < 0.2 < 0.8 < found.means[-1]


def test_nothing_that_is_judged_was_learnt(events: list) -> None:
    study = events[-1].result
    judged = [ising(LATTICE, 3_000_000 - 3_000_000 % 9 + index) for index in range(288)]
    np.testing.assert_array_equal(study.energies, [one.energy for one in judged])
    np.testing.assert_array_equal(study.magnetisations, [one.magnetisation for one in judged])
    assert len({one.spins.tobytes() for one in judged}) > 240
    assert not np.array_equal(study.outputs[0], study.outputs[1])  # networks learnt from others, too
    assert list(study.table()) == [
        "temperature", "energy", "magnetisation", "p(above), network 1", "p(above), network 2",
    ]  # fmt: skip


def test_progress_runs_from_the_beginning_to_the_end(events: list) -> None:
    shares = [event.done / event.total for event in events if isinstance(event, Progress)]
    assert shares == sorted(shares)
    assert shares[0] < 0.1 < 0.7 < shares[-1] <= 1
    assert any("network 2 of 2" in event.message for event in events if isinstance(event, Progress))


def test_a_number_of_epochs_gives_the_same_answers_again(events: list) -> None:
    again = result_of(study_transition(LATTICE, SMALL.model_copy(update={"networks": 1}), seed=3))
    np.testing.assert_array_equal(again.outputs[0], events[-1].result.outputs[0])


def test_the_networks_so_far_give_a_result(events: list) -> None:
    first, whole = (event.study for event in events if isinstance(event, NetworkDone))
    assert len(first.classifiers) == 1
    np.testing.assert_array_equal(first.outputs, events[-1].result.outputs[:1])
    assert whole is events[-1].result
    assert find_transition(first.temperatures, first.outputs).temperature > 1.3


def test_it_can_be_stopped() -> None:
    job = study_transition(LATTICE, SMALL)
    for event in job:
        if isinstance(event, Progress) and "Training" in event.message:
            break
    job.close()
    assert not any(isinstance(event, Finished) for event in job)


@pytest.mark.parametrize(("coldest", "hottest", "gap"), [(1.0, 2.0, 0.0), (2.5, 4.0, 0.0), (1.3, 3.3, 1.5)])
def test_one_phase_alone_is_told(coldest: float, hottest: float, gap: float) -> None:
    lattice = LATTICE.model_copy(update={"coldest": coldest, "hottest": hottest, "sweeps": 1})
    with pytest.raises(ValueError, match=r"on both sides of 2\.2692"):
        result_of(study_transition(lattice, SMALL.model_copy(update={"gap": gap})))
