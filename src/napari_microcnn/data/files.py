"""Images with their label images, from files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.data.annotations import Annotated
from napari_microcnn.io.read import read_labels, read_micrograph


def read_annotated(
    image: str | os.PathLike[str], labels: str | os.PathLike[str], *, validation: bool = False
) -> Annotated:
    """Read an image and its label image.

    Parameters
    ----------
    image, labels : str or path-like
        A micrograph, and a label image of the same size: strokes (0 = not annotated) or a complete
        mask. In a black and white mask 255 counts as 1.
    validation : bool
        Whether the image judges the network and never trains it.

    Raises
    ------
    ValueError
        If a file cannot be read, is a stack, or the two do not fit together.
    """
    micrograph, annotation = read_micrograph(image), read_labels(labels)
    if micrograph.stack_shape or annotation.ndim != 2:
        raise ValueError(f"{Path(image).name} and {Path(labels).name}: single images are needed here, not stacks.")
    return Annotated(micrograph.pixels, _numbered(annotation), Path(image).name, micrograph.calibration, validation)


def read_class_ids(labels: str | os.PathLike[str]) -> list[int]:
    """Return the values that occur in a label image, sorted, as `read_annotated` understands them.

    Raises
    ------
    ValueError
        If the file cannot be read.
    """
    return [int(value) for value in np.unique(_numbered(read_labels(labels)))]


def _numbered(annotation: NDArray[Any]) -> NDArray[Any]:
    """Turn the white of a black and white mask into 1: other programs save masks so, and 255 can be no class."""
    if annotation.dtype == np.uint8 and set(np.flatnonzero(np.bincount(annotation.ravel()))) == {0, 255}:
        annotation = (annotation == 255).astype(np.uint8)
    return annotation
