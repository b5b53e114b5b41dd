"""An image and its masks in one OME-Zarr: the image in the root, the masks as images of labels below it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_microcnn.io.errors import WriteError
from napari_microcnn.io.multiscale import create_multiscale, open_multiscale
from napari_microcnn.micrograph import Micrograph, Pixels

_CHUNK = 1024
"""Side of the chunks in pixels."""
_ORDER = "TCZYX"
"""Order of the axes in NGFF: time, channels, space."""
_STORED = {"b": np.dtype("uint8"), "f2": np.dtype("float32")}
"""Types of numbers that other programs do not know, and what holds the same numbers."""


def write_labelled_to(
    path: Path, micrograph: Micrograph, masks: Mapping[str, Pixels], about: Mapping[str, Any] | None = None
) -> None:
    """Write an image with its masks as OME-Zarr (NGFF 0.5), plane by plane; dask arrays are computed on the way.

    Parameters
    ----------
    path : Path
        A folder that must not exist.
    micrograph : Micrograph
        With its pixel size.
    masks : mapping of str to numpy.ndarray or dask.array.Array
        Whole numbers of the image's shape without channels, below 2**31.
    about : mapping, optional
        Further attributes of the root, for JSON.

    Raises
    ------
    WriteError
        If a mask has another shape, or the folder cannot be written; one sentence.
    """
    shape = (*micrograph.stack_shape, *micrograph.plane_shape)
    for name, mask in masks.items():
        if mask.shape != shape:
            raise WriteError(
                f"The {name} have the shape {mask.shape}, their image {shape}: choose the image that they belong to."
            )
    pixels, axes = _ordered(micrograph)
    create_multiscale(
        path,
        pixels.shape,
        _CHUNK,
        axes,
        micrograph.calibration,
        name=micrograph.name,
        dtype=str(_STORED.get(pixels.dtype.kind, _STORED.get(pixels.dtype.str[1:], pixels.dtype.newbyteorder("=")))),
        labels=list(masks),
        about=dict(about or {}),
    )
    image, labels = open_multiscale(path, "r+")
    _fill(image, pixels)
    for name, mask in masks.items():
        _fill(labels[name], mask)


def _ordered(micrograph: Micrograph) -> tuple[Any, str]:
    """Return pixels and axes in the order of NGFF."""
    axes = micrograph.axes
    order = sorted(range(len(axes)), key=lambda place: _ORDER.index(axes[place]))
    return micrograph.pixels.transpose(order), "".join(axes[place] for place in order)


def _fill(image: Any, pixels: Any) -> None:
    """Write an image in bands of whole chunks."""
    height, width = pixels.shape[-2:]
    for plane in np.ndindex(pixels.shape[:-2]):
        for top in range(0, height, _CHUNK):
            band = slice(top, min(top + _CHUNK, height))
            image[(*plane, band, slice(0, width))] = np.asarray(pixels[(*plane, band)])
