"""The samples that come with the package."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_microcnn.config import ClassInfo
from napari_microcnn.io.errors import ReadError
from napari_microcnn.io.read import read_labels, read_micrograph
from napari_microcnn.micrograph import Micrograph

NANOPOROUS_CLASSES = (
    ClassInfo(id=1, name="pore", colour="#e69f00"),
    ClassInfo(id=2, name="ligament", colour="#56b4e9"),
)
"""What the values in the annotation of `nanoporous` mean."""

NANOPOROUS_ROWS = 690
"""Rows of the micrograph; below is the databar."""

NANOPOROUS_REGION = (slice(384, 640), slice(384, 640))
"""Rows and columns that `nanoporous_region` paints densely; the strokes leave them out."""


def sample_path(name: str) -> Path:
    """Find a file of ``sample_data``.

    Parameters
    ----------
    name : str
        Path inside the folder, for example ``"nanoporous/nanoporous.tif"``.

    Raises
    ------
    ReadError
        If there is no such sample.
    """
    package = Path(__file__).resolve().parents[1]
    # In a wheel the folder lies inside the package, in a checkout at the top of the repository.
    for folder in (package / "sample_data", package.parents[1] / "sample_data"):
        if (folder / name).exists():
            return folder / name
    raise ReadError(f"There is no sample named {name!r}; install the package again if it should be there.")


def nanoporous(*, databar: bool = False) -> tuple[Micrograph, np.ndarray[Any, Any]]:
    """Open the real sample: nanoporous gold in a scanning electron microscope, with a few strokes.

    Parameters
    ----------
    databar : bool
        Keep the strip with text below the micrograph, which is no material.

    Returns
    -------
    micrograph : Micrograph
        (690, 1024) uint8, 0.5429688 nm per pixel; (768, 1024) with the databar.
    annotation : numpy.ndarray
        uint8 of the same shape: 0 = not annotated, 1 = pore, 2 = ligament.
    """
    micrograph = read_micrograph(sample_path("nanoporous/nanoporous.tif"))
    annotation = read_labels(sample_path("nanoporous/nanoporous_strokes.tif"))
    if databar:
        return micrograph, annotation
    pixels = np.asarray(micrograph.pixels)[:NANOPOROUS_ROWS]
    return replace(micrograph, pixels=pixels), annotation[:NANOPOROUS_ROWS]


def nanoporous_region() -> np.ndarray[Any, Any]:
    """Return the mask painted by hand for `NANOPOROUS_REGION`: (256, 256) uint8, 1 = pore, 2 = ligament."""
    return read_labels(sample_path("nanoporous/nanoporous_region_mask.tif"))


def ising_samples() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return configurations of the Ising model, from the coldest to the hottest.

    Returns
    -------
    images : numpy.ndarray
        (200, 64, 64) uint8: 255 = up, 0 = down.
    temperatures : numpy.ndarray
        (200,) float32, in units of the coupling.
    """
    with np.load(sample_path("ising/ising.npz"), allow_pickle=False) as data:
        up = np.unpackbits(data["spins_packed"], axis=-1)
        return np.where(up, 255, 0).astype(np.uint8), np.asarray(data["temperature"])
