"""Held-out images: whole micrographs, every class on both sides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_microcnn.data.collections import ClassifiedImage, Collection, named_classes
from napari_microcnn.data.partition import folds, hold_out

PICTURE = np.zeros((8, 8), np.uint8)


def collection(pairs: list[tuple[int, str]], classes: int = 3) -> Collection:
    images = tuple(ClassifiedImage(PICTURE, value, str(i), owner) for i, (value, owner) in enumerate(pairs))
    return Collection(images, named_classes("abcdefgh"[:classes]))


def sides(found: Collection, held: np.ndarray) -> tuple[set[str], set[str]]:
    owners = np.array([image.micrograph for image in found.images])
    return set(owners[held]), set(owners[~held])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5)), min_size=12, max_size=60), st.integers(0, 5))
def test_no_micrograph_is_on_both_sides(pairs: list[tuple[int, int]], seed: int) -> None:
    # Micrographs of their own for every class, two at least.
    named = [(value, f"{value}-{owner}") for value, owner in pairs]
    named += [(value, f"{value}-extra{number}") for value in range(3) for number in range(2)]
    found = collection(named)
    held, notices = hold_out(found, np.random.default_rng(seed))
    assert notices == ()
    assert not set.intersection(*sides(found, held))
    ids = np.array([image.class_id for image in found.images])
    for value in range(3):
        assert 0 < held[ids == value].sum() < (ids == value).sum()


def test_about_a_fifth_of_every_class_is_held_out() -> None:
    found = collection([(i % 3, f"m{i}") for i in range(90)])
    held, _ = hold_out(found, np.random.default_rng(0))
    ids = np.array([image.class_id for image in found.images])
    assert [int(held[ids == value].sum()) for value in range(3)] == [6, 6, 6]


def test_micrographs_that_show_several_classes_stay_whole() -> None:
    found = collection([(value, f"m{number}") for value in range(3) for number in range(6) for _ in range(4)])
    held, notices = hold_out(found, np.random.default_rng(1))
    assert not set.intersection(*sides(found, held))
    assert notices == ()
    assert len(sides(found, held)[0]) == 1


def test_a_class_of_a_single_micrograph_is_told() -> None:
    pairs = [(0, "only")] * 10 + [(1, f"m{i}") for i in range(10)]
    found = collection(pairs, 2)
    held, notices = hold_out(found, np.random.default_rng(0))
    assert 0 < held[:10].sum() < 10
    assert "All images of a are of one micrograph" in notices[0]


def test_folds_hold_out_every_image_once_and_no_micrograph_twice() -> None:
    rng = np.random.default_rng(0)
    pairs = [
        (value, f"{value}-{number}") for value in range(3) for number in range(7) for _ in range(rng.integers(1, 9))
    ]
    found = collection(pairs)
    dealt = folds(found, 5, np.random.default_rng(0))
    np.testing.assert_array_equal(np.sum(dealt, axis=0), 1)
    ids = np.array([image.class_id for image in found.images])
    for held in dealt:
        assert not set.intersection(*sides(found, held))
        assert all(held[ids == value].any() for value in range(3))


def test_too_many_folds_are_refused() -> None:
    found = collection([(0, "m0"), (0, "m1"), (1, "m2"), (1, "m3"), (1, "m4")], 2)
    assert len(folds(found, 2, np.random.default_rng(0))) == 2
    with pytest.raises(ValueError, match="3 folds need as many micrographs of every class, at least 2, but a has 2"):
        folds(found, 3, np.random.default_rng(0))
