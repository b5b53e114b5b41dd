"""What is held out."""

from __future__ import annotations

import numpy as np
import pytest

from napari_microcnn.data import IGNORE
from napari_microcnn.data.splitting import hold_out, split_images, without

SEEDS = range(8)


def strokes(per_class: int, length: int = 40) -> np.ndarray:
    targets = np.full((200, 200), IGNORE, np.uint8)
    for number in range(per_class):
        targets[5 + 10 * number, 5 : 5 + length] = 0
        targets[5 + 10 * number, 120 : 120 + length] = 1
    return targets


@pytest.mark.parametrize("seed", SEEDS)
def test_whole_strokes_are_held_out_when_there_are_many(seed: int) -> None:
    targets = strokes(10)
    held, too_small = hold_out(targets, 2, np.random.default_rng(seed))
    assert too_small == []
    for index in (0, 1):
        per_stroke = [held[row][targets[row] == index] for row in range(5, 105, 10)]
        assert all(one.all() or not one.any() for one in per_stroke)
        assert 1 <= sum(one.all() for one in per_stroke) <= 3
    assert not held[targets == IGNORE].any()


@pytest.mark.parametrize("seed", SEEDS)
def test_blocks_are_held_out_when_strokes_are_few(seed: int) -> None:
    targets = np.full((200, 200), IGNORE, np.uint8)
    targets[:100], targets[100:] = 0, 1  # as with a dense mask
    held, too_small = hold_out(targets, 2, np.random.default_rng(seed))
    assert too_small == []
    for index in (0, 1):
        assert 0.1 < held[targets == index].mean() < 0.35


def test_a_single_dot_cannot_be_held_out() -> None:
    targets = strokes(10)
    targets[targets == 1] = IGNORE
    targets[150, 150] = 1
    held, too_small = hold_out(targets, 2, np.random.default_rng(0))
    assert too_small == [1]
    assert not held[150, 150]
    assert held.any()


@pytest.mark.parametrize("seed", SEEDS)
def test_images_are_held_out_with_every_class_on_both_sides(seed: int) -> None:
    both, only = np.array([[0, 1]], np.uint8), np.array([[0, IGNORE]], np.uint8)
    held = split_images([only, both, both, only, only], 2, np.random.default_rng(seed))
    assert held is not None
    assert held[1] != held[2]


def test_no_split_of_images_where_a_class_is_in_one_only() -> None:
    first, second = np.array([[0, 1]], np.uint8), np.array([[0, 0]], np.uint8)
    assert split_images([first, second], 2, np.random.default_rng(0)) is None


def test_a_fifth_of_many_images() -> None:
    images = [np.array([[0, 1]], np.uint8)] * 20
    assert sum(split_images(images, 2, np.random.default_rng(0)) or []) == 4


def test_without() -> None:
    assert without(np.array([[0, 1]], np.uint8), np.array([[True, False]])).tolist() == [[IGNORE, 1]]
