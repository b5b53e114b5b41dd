"""What is painted in the layers of the Annotate dock, plane by plane."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

import numpy as np
from napari.layers import Image, Labels

from napari_microcnn.micrograph import Micrograph
from napari_microcnn.ui import layers
from napari_microcnn.ui.pairing import OnDisk, PaintedImage
from napari_microcnn.ui.pairs import PairTable


@dataclass(frozen=True, eq=False)
class Plane:
    """A painted plane: for the worker, and where it is in the viewer."""

    painted: PaintedImage
    layer: Image
    index: tuple[int, ...]


def planes_to_train(table: PairTable) -> list[Plane]:
    """Return what is painted; may be empty where there are pairs of files.

    Raises
    ------
    ValueError
        If there is nothing at all to train on.
    """
    planes = painted_planes(table.pairs)
    if not planes and not table.files:
        raise ValueError(
            "Nothing is annotated yet: click a class and paint a few strokes of it, then of the others."
            if table.pairs
            else "Press 'New annotation layer' first, and paint a few strokes of every class."
        )
    return planes


def painted_planes(
    pairs: list[tuple[Image, Labels]], besides: Container[tuple[int, tuple[int, ...]]] = ()
) -> list[Plane]:
    """Return every plane with strokes, with copies of these.

    Parameters
    ----------
    pairs : list of (Image, Labels)
    besides : container
        Planes to leave out: the ``id`` of the image layer and the stack index.

    Raises
    ------
    ValueError
        If an annotation has another size than its image.
    """
    planes = []
    for image, annotation in pairs:
        shape, painted = layers.shape_of(image), np.asarray(annotation.data)
        if painted.shape != shape:
            raise ValueError(
                f"The annotation {annotation.name!r} is {_size(painted.shape)} pixels, but its image {image.name!r} "
                f"is {_size(shape)}; make a new annotation layer for it."
            )
        source = layers.source_of(image)
        held = layers.for_validation(annotation)
        for index in np.ndindex(shape[:-2]):
            if (id(image), index) not in besides and painted[index].any():
                plane = source if isinstance(source, OnDisk) or not index else _plane(source, index)
                planes.append(Plane(PaintedImage(plane, painted[index].copy(), held), image, index))
    return planes


def _plane(micrograph: Micrograph, index: tuple[int, ...]) -> Micrograph:
    pixels = micrograph.pixels[index]
    return Micrograph(pixels, "YX" if pixels.ndim == 2 else "YXC", micrograph.calibration, micrograph.name)


def _size(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
