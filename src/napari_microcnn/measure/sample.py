"""All numbers of one segmented image, as a batch and a report tell them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from napari_microcnn.measure.grain_size import grain_size
from napari_microcnn.measure.objects import Table
from napari_microcnn.measure.particles import particle_statistics
from napari_microcnn.measure.summary import summarise
from napari_microcnn.micrograph import Calibration


def sample_numbers(
    *,
    classes: np.ndarray[Any, Any] | None = None,
    labels: np.ndarray[Any, Any] | None = None,
    table: Table | None = None,
    calibration: Calibration | None = None,
    class_names: Mapping[int, str] | None = None,
    grains: bool = False,
) -> tuple[dict[str, float | int], list[str]]:
    """Return the numbers of an image with their 95 % intervals, and what a standard objects to.

    Parameters
    ----------
    classes, labels : numpy.ndarray, (..., Y, X), optional
        Class map and object numbers, without the databar.
    table : dict, optional
        What `measure_objects` found in `labels`, if it is at hand.
    calibration : Calibration, optional
        Size of a pixel.
    class_names : mapping of int to str, optional
        Names of the classes.
    grains : bool
        Whether the objects are grains, which fill the image, or particles.

    Returns
    -------
    numbers : dict of str to float or int
        As from `summarise`, and from `grain_size` or `particle_statistics`; ends of intervals end in ``_low``
        and ``_high``.
    warnings : list of str
    """
    numbers = summarise(classes=classes, labels=labels, table=table, calibration=calibration, class_names=class_names)
    if labels is None or not labels.any():
        return numbers, []
    planes = [labels[index] for index in np.ndindex(labels.shape[:-2])]
    if not grains:
        return {**numbers, **particle_statistics(planes, calibration).summary()}, []
    size = grain_size(planes, calibration)
    return {**numbers, **size.summary()}, size.warnings
