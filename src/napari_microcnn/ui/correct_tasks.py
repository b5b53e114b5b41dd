"""What the Correct dock lets a worker do; see `tasks`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from napari_microcnn.events import Finished, Job
from napari_microcnn.measure.editing import Objects
from napari_microcnn.ui.tasks import Array, outlines

Kind = Literal["grains", "particles", "classes"]
_REACH = 4
"""Pixels: further away no grain decides what is a boundary, not even at the edge of a part."""


@dataclass(frozen=True, eq=False)
class Counted:
    """What there is to select in a plane.

    Attributes
    ----------
    objects : Objects
    regions : numpy.ndarray or None
        (Y, X) int32, the regions of a class map; they are the objects then.
    outlines : numpy.ndarray or None
        (Y, X) uint8, 1 on the outlines, where asked for.
    """

    objects: Objects
    regions: Array | None
    outlines: Array | None


@dataclass(frozen=True)
class Meaning:
    """What a corrected plane says in terms of an annotation.

    Attributes
    ----------
    kind : {"grains", "particles", "classes"}
    ids : tuple of (int, int)
        Class map: its ids, and those of the annotation.
    object_class, other_class : int
        Grains and particles: ids of the annotation for boundary and grain, or object and background.
    """

    kind: Kind
    ids: tuple[tuple[int, int], ...] = ()
    object_class: int = 0
    other_class: int = 0


def count(plane: Array, kind: Kind, with_outlines: bool) -> Job[Counted]:
    """Find the objects of a plane, or the regions of its classes."""
    from napari_microcnn.measure.editing import count_objects
    from napari_microcnn.measure.regions import number_regions

    regions = number_regions(plane) if kind == "classes" else None
    found = count_objects(plane if regions is None else regions)
    yield Finished(Counted(found, regions, outlines(plane) if with_outlines else None))


def surroundings(classes: Array, regions: Array, ids: Array) -> Job[Array]:
    """Find the class around each region that shall go, see `measure.regions.enclosing_classes`."""
    from napari_microcnn.measure.regions import enclosing_classes

    yield Finished(enclosing_classes(classes, regions, ids))


def as_annotation(plane: Array, original: Array | None, meaning: Meaning) -> Job[Array]:
    """Turn a corrected plane into annotation: all of it, or where it says something else than the original."""
    if original is None:
        yield Finished(_said(plane, meaning))
        return
    found = np.zeros(plane.shape, np.uint8)
    where = _around(plane != original)
    if where is not None:
        said = _said(plane[where], meaning)
        found[where] = np.where(said == _said(original[where], meaning), np.uint8(0), said)
    yield Finished(found)


def _around(changed: Array) -> tuple[slice, slice] | None:
    """Return the rows and columns that hold all changes and what they have a say in; None without changes."""
    spans = []
    for axis in (1, 0):
        touched = np.flatnonzero(changed.any(axis))
        if not len(touched):
            return None
        spans.append(slice(max(0, int(touched[0]) - _REACH), int(touched[-1]) + _REACH + 1))
    return spans[0], spans[1]


def _said(plane: Array, meaning: Meaning) -> Array:
    from napari_microcnn.measure.feedback import annotation_of_objects, translated

    if meaning.kind == "classes":
        return translated(plane, meaning.ids)
    return np.asarray(annotation_of_objects(plane, meaning.kind, meaning.object_class, meaning.other_class))
