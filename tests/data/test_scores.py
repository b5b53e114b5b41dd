"""Scores of a classification against scikit-learn's definitions, written out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from napari_microcnn.data.scores import (
    Predictions,
    accuracy,
    balanced_accuracy,
    confusion_of,
    intervals,
    macro_f1,
)

COUNTS = np.array([[8, 2, 0], [1, 3, 0], [0, 1, 5]])


def test_scores_of_a_confusion_matrix() -> None:
    assert accuracy(COUNTS) == pytest.approx(16 / 20)
    assert balanced_accuracy(COUNTS) == pytest.approx((8 / 10 + 3 / 4 + 5 / 6) / 3)
    assert macro_f1(COUNTS) == pytest.approx((16 / 19 + 6 / 10 + 10 / 11) / 3)


def test_a_class_that_does_not_occur_does_not_count() -> None:
    counts = np.array([[5, 0, 0], [0, 4, 1], [0, 0, 0]])
    assert balanced_accuracy(counts) == pytest.approx((1 + 0.8) / 2)
    assert macro_f1(counts) == pytest.approx((1 + 8 / 9 + 0) / 3)  # it was predicted


def test_the_matrix_counts_truth_in_rows() -> None:
    found = confusion_of(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
    assert found.tolist() == [[1, 1], [0, 1]]


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Of many experiments with known shares about 95 % must have the true balanced accuracy inside."""
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(120):
        counts = np.array([rng.multinomial(15, row) for row in ((0.9, 0.1), (0.2, 0.8))])
        score = intervals(counts, [15, 15])["balanced accuracy"]
        inside += score.low <= 0.85 <= score.high
    assert 0.88 <= inside / 120 <= 1


def test_ten_of_ten_are_no_certainty_and_more_micrographs_are_surer() -> None:
    perfect = np.array([[10, 0], [0, 10]])
    few, many = (intervals(perfect, [number] * 2)["macro-F1"] for number in (2, 10))
    assert few.value == many.value == many.high == 1
    assert few.low < many.low < 0.99


def test_the_worst_mistakes_come_first() -> None:
    shares = np.array([[0.6, 0.4], [0.95, 0.05], [0.1, 0.9], [0.7, 0.3]], np.float32)
    found = Predictions(tuple("abcd"), tuple("abcd"), np.array([1, 1, 1, 0]), shares)
    assert found.worst() == [1, 0]
    assert found.confusion.tolist() == [[1, 0], [2, 1]]
    both = Predictions.joined([found, found])
    assert both.confusion.sum() == 8
    assert set(both.scores()) == {"accuracy", "balanced accuracy", "macro-F1"}
    assert 0 < found.doubt < 0.5
