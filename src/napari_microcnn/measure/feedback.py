"""From corrected objects and class maps to annotation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_microcnn.measure.editing import Labels, check_labels


def annotation_of_objects(
    labels: Labels, kind: Literal["grains", "particles"], object_class: int, other_class: int
) -> NDArray[np.uint8]:
    """Turn corrected objects into annotation.

    Parameters
    ----------
    labels : numpy.ndarray, (Y, X) of integers
        Object numbers; 0 is background, or no grain.
    kind : {"grains", "particles"}
        Grains: pixels that see two grains become `object_class`, the boundary; the insides of grains
        become `other_class`; a pixel between them stays open, because nobody knows how thick the
        boundary is. Particles: objects become `object_class`, the background `other_class`.
    object_class, other_class : int
        Ids of classes; 0 leaves those pixels open.

    Returns
    -------
    numpy.ndarray
        (Y, X) uint8; 0 = not annotated.
    """
    check_labels(labels)
    if kind == "particles":
        return np.where(labels > 0, np.uint8(object_class), np.uint8(other_class))
    between = _between_grains(labels)
    near = ndimage.binary_dilation(between, np.ones((3, 3), bool))
    result = np.where(near | (labels == 0), np.uint8(0), np.uint8(other_class))
    result[between] = object_class
    return result


def _between_grains(labels: Labels) -> NDArray[np.bool_]:
    """Return the pixels that have two grains within one pixel, whether these touch or leave a line of 0."""
    highest = ndimage.maximum_filter(labels, 3)
    none = np.iinfo(labels.dtype).max
    lowest = ndimage.minimum_filter(np.where(labels == 0, none, labels), 3)
    return np.asarray((highest > 0) & (lowest < highest))


def translated(classes: Labels, ids: Sequence[tuple[int, int]]) -> NDArray[np.uint8]:
    """Return a class map in the ids of an annotation.

    Parameters
    ----------
    classes : numpy.ndarray of integers from 0 to 255
    ids : sequence of (int, int)
        Class of the map, and what it is called in the annotation; all others become 0, not annotated.
    """
    table = np.zeros(256, np.uint8)
    for old, new in ids:
        table[old] = new
    return table[np.minimum(classes, 255)]
