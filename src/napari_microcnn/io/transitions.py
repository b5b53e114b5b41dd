"""What is written about a phase transition: tables of the outputs, the crossing as JSON, and a picture."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_microcnn.io.atomic import make_folder
from napari_microcnn.io.charts import Curve, draw_curves
from napari_microcnn.io.export import write_all
from napari_microcnn.io.write import write_image_to, write_json_to, write_table_to


def write_transition(
    folder: Path,
    *,
    outputs: Mapping[str, NDArray[Any]],
    means: Mapping[str, NDArray[Any]],
    curves: Mapping[str, Curve],
    about: Mapping[str, Any],
) -> list[Path]:
    """Write ``outputs.csv``, ``transition.csv``, ``transition.json`` and ``transition.png``.

    Parameters
    ----------
    folder : Path
        Made where it does not exist.
    outputs : mapping of str to numpy.ndarray
        Columns of the table of all configurations.
    means : mapping of str to numpy.ndarray
        Columns of the table of all temperatures.
    curves : mapping
        What the picture shows over the temperature.
    about : mapping
        Crossing, error bar, settings and provenance.

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
    drawn = draw_curves({"probability of the phase above": curves}, (640, 360), "temperature")
    return write_all(
        folder,
        {
            "outputs.csv": partial(write_table_to, columns=outputs),
            "transition.csv": partial(write_table_to, columns=means),
            "transition.json": partial(write_json_to, content=about),
            "transition.png": partial(write_image_to, pixels=drawn, axes="YXC", calibration=None, format="png"),
        },
    )
