"""How much numbers depend on where exactly a boundary is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.measure.filling import fill_boundaries
from napari_microcnn.measure.objects import Table

Fields = list[NDArray[Any]]
Measure = Callable[[Fields], Mapping[str, float]]


def shifted(labels: NDArray[Any], pixels: int) -> NDArray[Any]:
    """Move the outline of every object by whole pixels.

    Parameters
    ----------
    labels : numpy.ndarray, (Y, X)
        Whole numbers, 0 is background.
    pixels : int
        Outwards where positive, inwards where negative; objects never grow into each other. The border of the image
        is no outline.

    Returns
    -------
    numpy.ndarray
        (Y, X), of the same type.
    """
    if pixels > 0:
        return fill_boundaries(labels, 2 * pixels)
    moved = labels.copy()
    for _ in range(-pixels):
        outer = np.zeros(labels.shape, bool)
        for one, other in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
            outer[one] |= moved[one] != moved[other]
            outer[other] |= moved[one] != moved[other]
        moved[outer] = 0
    return moved


def sureness_of_outlines(measure: Measure, fields: Fields, pixels: int = 1) -> Table:
    """Say how every number moves when all outlines are drawn a pixel farther in or out.

    Parameters
    ----------
    measure : callable
        Takes a list of labels of shape (Y, X) and returns numbers by name.
    fields : list of numpy.ndarray, (Y, X)
        Whole numbers, 0 is background.
    pixels : int
        How far the outlines move.

    Returns
    -------
    dict of str to numpy.ndarray
        One row for every number: ``quantity``, ``value``, ``inwards``, ``outwards``.
    """
    moves = {"value": 0, "inwards": -pixels, "outwards": pixels}
    return _compared(measure, {name: [shifted(field, by) for field in fields] for name, by in moves.items()})


def sureness_of_threshold(
    measure: Measure,
    fields: list[NDArray[np.floating[Any]]],
    number: Callable[[NDArray[np.bool_]], NDArray[Any]],
    threshold: float = 0.5,
    step: float = 0.1,
) -> Table:
    """Say how every number moves when the threshold of a probability is a little lower or higher.

    Parameters
    ----------
    measure : callable
        Takes a list of labels or class maps and returns numbers by name.
    fields : list of numpy.ndarray, (Y, X)
        Probabilities, 0 to 1.
    number : callable
        Makes of the mask above the threshold what `measure` takes.
    threshold, step : float
        Between 0 and 1.

    Returns
    -------
    dict of str to numpy.ndarray
        One row for every number: ``quantity``, ``value``, ``lower_threshold``, ``higher_threshold``.

    Raises
    ------
    ValueError
        If a threshold is not between 0 and 1.
    """
    if not 0 < threshold - step <= threshold + step < 1:
        raise ValueError(f"Thresholds of {threshold} +- {step} do not all lie between 0 and 1; take a smaller step.")
    names = {"value": 0.0, "lower_threshold": -step, "higher_threshold": step}
    return _compared(measure, {n: [number(field > threshold + by) for field in fields] for n, by in names.items()})


def _compared(measure: Measure, cases: Mapping[str, Fields]) -> Table:
    found = {name: measure(case) for name, case in cases.items()}
    quantities = list(found["value"])
    columns = {name: np.array([values.get(q, np.nan) for q in quantities]) for name, values in found.items()}
    return {"quantity": np.array(quantities, object), **columns}
