"""Twins, in and out."""

from __future__ import annotations

import numpy as np
import pytest

from napari_microcnn.measure.twins import with_twins, without_twin_boundaries


def banded() -> tuple[np.ndarray, np.ndarray]:
    """Return a grain that a twin divides, 1 | 2 | 3, above another grain, 4, and strokes over both twin boundaries."""
    labels = np.full((40, 60), 4)
    labels[:20] = np.repeat([1, 2, 3], 20)
    strokes = np.zeros(labels.shape, bool)
    strokes[:20, 19], strokes[:20, 41] = True, True
    return labels, strokes


def test_a_divided_grain_is_whole_again() -> None:
    labels, strokes = banded()
    joined = without_twin_boundaries(labels, strokes)
    assert np.unique(joined[:20]).tolist() == [1]
    assert np.unique(joined[20:]).tolist() == [4]


def test_half_marked_is_not_enough_and_drawn_boundaries_do_not_matter() -> None:
    labels, strokes = banded()
    strokes[:13, 41] = False
    drawn = labels.copy()
    drawn[:20, 20] = drawn[:20, 40] = 0
    assert np.unique(without_twin_boundaries(drawn, strokes)).tolist() == [1, 3, 4]


def test_background_is_no_grain() -> None:
    labels = np.zeros((60, 60), int)
    labels[:10, :10], labels[:10, 10:20] = 7, 9
    joined = without_twin_boundaries(labels, np.ones(labels.shape, bool))
    assert (joined[30:, 30:] == 0).all()
    assert joined[0, 0] == joined[0, 15] == 7
    np.testing.assert_array_equal(without_twin_boundaries(labels, np.zeros(labels.shape, bool))[:9, :9], 7)


def test_out_undoes_in() -> None:
    labels = np.ones((30, 30), int)
    twins = np.zeros(labels.shape, bool)
    twins[:, 10:20] = True
    pieces = with_twins(labels, twins)
    assert pieces.max() == 3
    edges = twins ^ np.roll(twins, 1, axis=1)
    assert without_twin_boundaries(pieces, edges).max() == 1


def test_masks_must_fit() -> None:
    with pytest.raises(ValueError, match="shape"):
        without_twin_boundaries(np.ones((4, 4), int), np.ones((4, 5), bool))
