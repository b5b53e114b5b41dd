"""What is written about a classifier: its answers as a table, its scores, its confusion matrix as a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.io.atomic import make_folder
from napari_microcnn.io.charts import Curve, draw_confusion, draw_curves
from napari_microcnn.io.export import write_all
from napari_microcnn.io.write import write_image_to, write_json_to, write_table_to


def write_report(
    folder: Path,
    *,
    table: Mapping[str, Sequence[Any]],
    about: Mapping[str, Any],
    confusion: NDArray[np.int64] | None = None,
    names: Sequence[str] = (),
    curves: Mapping[str, Mapping[str, Curve]] | None = None,
) -> list[Path]:
    """Write ``predictions.csv`` and ``report.json``, and as far as known ``confusion.png``, its table and curves.

    Parameters
    ----------
    folder : Path
        Made where it does not exist.
    table : mapping of str to sequence
        Columns of the predictions.
    about : mapping
        Scores, settings and provenance, for the JSON file.
    confusion : numpy.ndarray, (K, K), optional
    names : sequence of str
        Of the classes.
    curves : mapping, optional
        See `napari_microcnn.io.charts.draw_curves`.

    Returns
    -------
    list of Path
        The files; all of them appear, or none.

    Raises
    ------
    WriteError
        If they cannot be written there.
    """
    make_folder(folder)
    writers: dict[str, Callable[[Path], None]] = {
        "predictions.csv": partial(write_table_to, columns=table),
        "report.json": partial(write_json_to, content=about),
    }
    if confusion is not None:
        picture = draw_confusion(confusion, names)
        counts = {"true class": list(names)} | {name: confusion[:, i] for i, name in enumerate(names)}
        writers["confusion.png"] = partial(write_image_to, pixels=picture, axes="YXC", calibration=None, format="png")
        writers["confusion.csv"] = partial(write_table_to, columns=counts)
    if curves is not None:
        drawn = draw_curves(curves)
        writers["curves.png"] = partial(write_image_to, pixels=drawn, axes="YXC", calibration=None, format="png")
    return write_all(folder, writers)


def prediction_columns(
    names: Sequence[str],
    classes: Sequence[str],
    probabilities: NDArray[np.float32],
    truth: Sequence[str] | None = None,
    micrographs: Sequence[str] | None = None,
) -> dict[str, Sequence[Any]]:
    """Return the columns of a table of predictions.

    Parameters
    ----------
    names : sequence of str
        Of the images.
    classes : sequence of str
        Of the columns of `probabilities`, (N, K).
    truth, micrographs : sequence of str, optional
    """
    best = probabilities.argmax(axis=1)
    columns: dict[str, Sequence[Any]] = {"image": list(names)}
    if micrographs is not None:
        columns["micrograph"] = list(micrographs)
    if truth is not None:
        columns["true class"] = list(truth)
    columns["class"] = [classes[index] for index in best]
    columns["probability"] = [round(float(value), 4) for value in probabilities.max(axis=1)]
    for index, name in enumerate(classes):
        columns[f"p({name})"] = [round(float(value), 4) for value in probabilities[:, index]]
    return columns
