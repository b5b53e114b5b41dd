"""Training pictures with exact labels, as files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from napari_microcnn.config import ImagingConfig, VoronoiConfig
from napari_microcnn.events import Finished, Job, Progress
from napari_microcnn.io.atomic import make_folder
from napari_microcnn.io.write import write_image, write_json
from napari_microcnn.synth import polycrystal


def make_pictures(
    structure: VoronoiConfig, imaging: ImagingConfig, seed: int, number: int, folder: str | os.PathLike[str]
) -> Job[Path]:
    """Write synthetic polycrystals one by one, each complete.

    Parameters
    ----------
    structure, imaging : VoronoiConfig, ImagingConfig
    seed : int
        Of the first picture; the next ones count on.
    number : int
        How many.
    folder : str or path-like
        Gets ``images/``, ``labels/`` (0 = grain, 1 = boundary), ``grains/`` (the number of every
        grain) and ``synth.json``, which holds all that is needed to make the pictures again.

    Yields
    ------
    Progress, Finished
        ``Finished`` holds the folder.

    Raises
    ------
    ValueError
        If the folder cannot be written.
    """
    folder = Path(folder)
    for name in ("images", "labels", "grains"):
        make_folder(folder / name)
    told = {"structure": structure.model_dump(), "imaging": imaging.model_dump(), "first_seed": seed, "number": number}
    write_json(folder / "synth.json", told)
    for index in range(number):
        made = polycrystal(structure, imaging, seed + index)
        name = f"voronoi_{seed + index:06d}.tif"
        write_image(folder / "grains" / name, made.structure.grains)
        write_image(folder / "labels" / name, made.structure.boundaries.astype(np.uint8))
        write_image(folder / "images" / name, made.image)
        yield Progress(index + 1, number, f"{index + 1} of {number}")
    yield Finished(folder)
