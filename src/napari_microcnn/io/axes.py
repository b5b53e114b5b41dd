"""From whatever axes a file has to those of a `Micrograph`: T, Z, Y, X, C."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_microcnn.io.errors import ReadError
from napari_microcnn.micrograph import Pixels

_CHANNELS = "CS"  # tifffile's letters for channels and for samples of a pixel


def normalise_axes(pixels: Pixels, axes: str, name: str = "The image") -> tuple[Pixels, str]:
    """Squeeze, rename and reorder axes.

    Axes of length one vanish, except Y and X. Channels (C) and samples (S) become one last
    axis C. Axes that count pages (I, Q and others) become Z where that is free, else T.

    Parameters
    ----------
    pixels : numpy.ndarray or dask.array.Array
        Any number of dimensions.
    axes : str
        One letter per dimension, as tifffile names them.
    name : str
        What messages call the image.

    Returns
    -------
    pixels : numpy.ndarray or dask.array.Array
        A view of the input where possible.
    axes : str
        ``"YX"`` with T or Z before and C after.

    Raises
    ------
    ReadError
        If more than four dimensions are left, or there is no image plane.
    """
    pixels, axes = _squeeze(pixels, axes)
    if "Y" not in axes or "X" not in axes:
        raise ReadError(f"{name} has the axes {axes!r}, but a micrograph needs rows and columns (YX).")
    if pixels.ndim > 4:
        lengths = " x ".join(f"{axis}={n}" for axis, n in zip(axes, pixels.shape, strict=True))
        raise ReadError(
            f"{name} has {pixels.ndim} dimensions ({lengths}), but at most four can be used; "
            "save one time point, one depth or one channel of it as a file of its own."
        )
    axes = _name_pages(axes)
    order = sorted(range(len(axes)), key=lambda i: "TZYXCS".index(axes[i]))
    pixels, axes = pixels.transpose(order), "".join(axes[i] for i in order)
    if axes.endswith("CS"):
        pixels, axes = pixels.reshape((*pixels.shape[:-2], -1)), axes[:-1]
    return pixels, axes.replace("S", "C")


def _squeeze(pixels: Pixels, axes: str) -> tuple[Pixels, str]:
    gone = tuple(i for i, axis in enumerate(axes) if axis not in "YX" and pixels.shape[i] == 1)
    return pixels.squeeze(gone), "".join(axis for i, axis in enumerate(axes) if i not in gone)


def _name_pages(axes: str) -> str:
    """Call axes of unknown meaning Z, or T when Z is taken; four dimensions leave room for both."""
    named = ""
    for axis in axes:
        if axis in "TZYX" or axis in _CHANNELS:
            named += axis
        else:
            named += "Z" if "Z" not in axes + named else "T"
    return named


def grey_if_equal(pixels: np.ndarray[Any, Any], axes: str) -> tuple[np.ndarray[Any, Any], str]:
    """Drop the channel axis of a grey picture that was saved as RGB.

    Only for three channels in memory: cameras and screenshots save grey micrographs this way.
    """
    if not axes.endswith("C") or pixels.shape[-1] != 3:
        return pixels, axes
    red = pixels[..., 0]
    if np.array_equal(red, pixels[..., 1]) and np.array_equal(red, pixels[..., 2]):
        return np.ascontiguousarray(red), axes[:-1]
    return pixels, axes
