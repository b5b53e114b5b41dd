"""Adaptive sampling: kinds with a high loss come more often, in bounds, whatever is made ahead."""

from __future__ import annotations

import numpy as np
import pytest

from napari_microcnn.config import ImagingConfig, VoronoiConfig
from napari_microcnn.synth import random_look
from napari_microcnn.train.sampling import BLOCK, KINDS, AdaptiveSampler, kind_of


def taught(hard: int, blocks: int, **settings: bool) -> AdaptiveSampler:
    sampler = AdaptiveSampler(KINDS, 10 * BLOCK, **settings)
    kinds = np.arange(KINDS)
    for _ in range(blocks * BLOCK):
        sampler.learn(kinds, np.where(kinds == hard, 5.0, 0.5))
    return sampler


def test_random_looks_are_of_many_kinds() -> None:
    kinds = {kind_of(*random_look(seed, 96, 96)) for seed in range(200)}
    assert len(kinds) > KINDS // 2
    assert max(kinds) < KINDS


def test_what_makes_a_kind() -> None:
    plain = VoronoiConfig(), ImagingConfig(texture=0, shot_noise=0, readout_noise=0)
    changes = [
        (plain[0].model_copy(update={"grains": 400}), plain[1]),
        *((plain[0], plain[1].model_copy(update=change)) for change in (
            {"texture": 0.2}, {"readout_noise": 0.1}, {"lines": "none"}, {"lines": "bright"},
        )),
    ]  # fmt: skip
    assert len({kind_of(*look) for look in [plain, *changes]}) == 6


def test_the_hard_kind_is_drawn_most_and_no_kind_is_left_out() -> None:
    shares = taught(7, 3).shares
    assert shares[7] == max(shares) == 1
    mean = (5.0 + (KINDS - 1) * 0.5) / KINDS
    assert min(shares) == pytest.approx(0.5 / mean / 2)  # their loss against at most twice the mean


def test_without_adapting_all_are_accepted() -> None:
    assert set(taught(7, 3, adaptive=False).shares) == {1.0}


def test_shares_of_a_batch_do_not_depend_on_how_far_the_pictures_are_ahead() -> None:
    near, far = AdaptiveSampler(2, 4 * BLOCK), AdaptiveSampler(2, 4 * BLOCK)
    orders = {}
    for name, sampler, ahead in (("near", near, 0), ("far", far, BLOCK - 1)):
        drawn = iter(sampler)
        made = [next(drawn) for _ in range(ahead)]
        for number in range(3 * BLOCK):
            made.append(next(drawn))
            sampler.learn(np.array([number % KINDS, 3]), np.array([0.3, 2.0]))
        orders[name] = made[: 3 * BLOCK]
    assert orders["near"] == orders["far"]
    assert orders["near"][-1][0][1] != orders["near"][0][0][1]


def test_a_kind_never_seen_is_drawn_as_the_average() -> None:
    sampler = AdaptiveSampler(1, 400)
    for _ in range(BLOCK):
        sampler.learn(np.array([0]), np.array([1.0]))
    assert set(sampler.shares) == {1.0}
