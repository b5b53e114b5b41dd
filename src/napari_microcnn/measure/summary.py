"""A segmentation in a few numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from napari_microcnn.measure.objects import Table, measure_objects
from napari_microcnn.measure.phases import area_fractions
from napari_microcnn.measure.units import length_unit
from napari_microcnn.micrograph import Calibration, Pixels

_DIAMETER = "equivalent_circular_diameter"


def summarise(
    *,
    classes: Pixels | None = None,
    labels: Pixels | None = None,
    calibration: Calibration | None = None,
    class_names: Mapping[int, str] | None = None,
    table: Table | None = None,
    ignore: np.ndarray[Any, Any] | None = None,
) -> dict[str, float | int]:
    """Summarise a class map, its objects, or both.

    Parameters
    ----------
    classes : numpy.ndarray or dask.array.Array, optional
        Class map.
    labels : numpy.ndarray or dask.array.Array, optional
        Numbered objects.
    calibration : Calibration, optional
        Size of a pixel.
    class_names : mapping of int to str, optional
        Names of the classes; those that do not occur are told with 0.
    table : dict, optional
        What `measure_objects` found in `labels`, if it is at hand.
    ignore : numpy.ndarray, optional
        Pixels that count for no class.

    Returns
    -------
    dict of str to float or int
        ``area_fraction_NAME`` per class; ``objects``, ``objects_touching_border``, and mean,
        median and standard deviation of the equivalent circular diameter, with its unit at the
        end of the name. Objects that the border cuts are left out of these, unless it cuts all.
        nan without objects.
    """
    summary: dict[str, float | int] = {}
    if classes is not None:
        names = dict(class_names or {})
        fractions = area_fractions(classes, ignore=ignore)
        for i in sorted({*names, *fractions}):
            summary[f"area_fraction_{names.get(i, i)}"] = fractions.get(i, 0.0)
    if labels is not None or table is not None:
        table = measure_objects(labels, calibration) if table is None and labels is not None else table
        summary |= _objects(table or {}, length_unit(calibration))
    return summary


def _objects(table: Table, unit: str) -> dict[str, float | int]:
    cut = table["touches_border"]
    sizes = table[f"{_DIAMETER}_{unit}"]
    whole = sizes if cut.all() else sizes[~cut]
    return {
        "objects": len(sizes),
        "objects_touching_border": int(cut.sum()),
        f"mean_{_DIAMETER}_{unit}": float(whole.mean()) if len(whole) else float("nan"),
        f"median_{_DIAMETER}_{unit}": float(np.median(whole)) if len(whole) else float("nan"),
        f"std_{_DIAMETER}_{unit}": float(whole.std()) if len(whole) else float("nan"),
    }
