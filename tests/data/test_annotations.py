"""What the user painted."""

from __future__ import annotations

import numpy as np
import pytest

from napari_microcnn.data import IGNORE, Annotated, to_targets


def test_strokes_leave_the_rest_unannotated() -> None:
    targets = to_targets(np.array([[0, 3, 9]]), [9, 3], dense=False)
    assert targets.tolist() == [[IGNORE, 1, 0]]
    assert targets.dtype == np.uint8


def test_dense_masks_know_class_zero() -> None:
    assert to_targets(np.array([[0, 1]]), [0, 1], dense=True).tolist() == [[0, 1]]


def test_boolean_masks_work() -> None:
    assert to_targets(np.array([[False, True]]), [0, 1], dense=True).tolist() == [[0, 1]]


@pytest.mark.parametrize(("value", "dense"), [(4, False), (-1, False), (300, True)])
def test_a_value_without_a_class_is_named(value: int, dense: bool) -> None:
    with pytest.raises(ValueError, match=f"holds the value {value}, which is no class; the classes are 1, 2"):
        to_targets(np.array([[1, 2, value]]), [1, 2], dense)


@pytest.mark.parametrize(
    ("image", "annotation", "message"),
    [
        (np.zeros((4, 5)), np.zeros((5, 4), int), r"shape \(5, 4\), its image \(4, 5\)"),
        (np.zeros((4, 5)), np.zeros((4, 5)), "whole numbers .* not float64"),
        (np.zeros((4, 5), complex), np.zeros((4, 5), int), "real numbers, not complex128"),
        (np.zeros((2, 4, 5, 3)), np.zeros((4, 5), int), r"YX or YXC, not the shape \(2, 4, 5, 3\)"),
        (np.zeros((0, 5)), np.zeros((0, 5), int), "not the shape"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_name(image: np.ndarray, annotation: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=f"^steel: .*{message}"):
        Annotated(image, annotation, "steel")


def test_channels() -> None:
    assert Annotated(np.zeros((4, 5)), np.zeros((4, 5), int)).channels == 1
    assert Annotated(np.zeros((4, 5, 3)), np.zeros((4, 5), int)).channels == 3
