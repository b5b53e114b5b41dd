"""The mean lineal intercept, against structures where it is known."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.morphology import skeletonize

from napari_microcnn.measure import bands, grains, mean_intercept
from napari_microcnn.micrograph import Calibration


def chequers(side: int, n: int) -> np.ndarray:
    return np.kron(np.arange(1, n * n + 1).reshape(n, n), np.ones((side, side), int))


def test_squares() -> None:
    # Along each line n squares of that side and n - 1 crossings.
    labels = chequers(20, 6)
    assert mean_intercept(labels) == pytest.approx(20 * 6 / 5)


def test_boundary_mask_of_the_same_squares() -> None:
    boundary = np.zeros((120, 120), bool)
    boundary[19:101:20] = boundary[:, 19:101:20] = True
    boundary[20:101:20] = boundary[:, 20:101:20] = True
    assert mean_intercept(boundary) == pytest.approx(24, rel=0.05)


def test_boundary_mask_equals_the_plain_definition() -> None:
    boundary = np.random.default_rng(0).random((80, 90)) > 0.93
    thin = skeletonize(boundary)
    crossings = 0
    for lines in (thin, thin.T):
        before = np.pad(lines, ((0, 0), (1, 0)))[:, :-1]
        crossings += int((lines & ~before).sum())
    assert mean_intercept(boundary) == 2 * boundary.size / crossings


@pytest.mark.parametrize("gap", [1, 3])
def test_unlabelled_boundaries_change_nothing(gap: int) -> None:
    labels = chequers(20, 6)
    open_labels = labels.copy()
    for at in range(20, 120, 20):
        open_labels[at - gap : at] = 0
        open_labels[:, at - gap : at] = 0
    rows = open_labels[open_labels.any(1)][:, open_labels.any(0)]
    assert mean_intercept(rows) == pytest.approx(mean_intercept(labels[: len(rows), : rows.shape[1]]), rel=0.25)
    # A line that lies in a boundary meets nothing; all others cross as often as before.
    assert grains._changes(open_labels) == 5 * (120 - 5 * gap)


def test_a_hole_in_a_grain_is_no_boundary() -> None:
    labels = np.ones((30, 30), int)
    labels[10:20, 10:20] = 0
    assert mean_intercept(labels) == float("inf")


@pytest.mark.parametrize(
    "empty", [np.zeros((5, 5), bool), np.zeros((5, 5), int), np.ones((5, 5), int), np.ones((1, 1), int)]
)
def test_without_any_crossing(empty: np.ndarray) -> None:
    assert mean_intercept(empty) == float("inf")


def test_calibrated() -> None:
    labels = chequers(20, 6)
    assert mean_intercept(labels, Calibration((0.25, 0.25), "um", "test")) == pytest.approx(24 * 0.25)
    stretched = mean_intercept(labels, Calibration((1.0, 0.5), "um", "test"))
    assert stretched == pytest.approx(24 * 0.75)


def test_bands_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = chequers(7, 9)
    whole = mean_intercept(labels)
    monkeypatch.setattr(bands, "BAND_PIXELS", 100)
    assert mean_intercept(labels) == whole


@pytest.mark.parametrize("wrong", [np.zeros((3, 3)), np.zeros((2, 3, 3), int)])
def test_what_is_neither(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="boundary mask or labels"):
        mean_intercept(wrong)
