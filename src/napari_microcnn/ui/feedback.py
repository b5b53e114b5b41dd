"""From predictions and corrected results to annotation: which class is which, and writing it so that Undo works."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image, Labels

from napari_microcnn.config import PALETTE, ClassInfo
from napari_microcnn.ui import layers
from napari_microcnn.ui.gradual import edit

if TYPE_CHECKING:
    from napari_microcnn.ui.annotate import AnnotateDock

_UNNAMED = re.compile(r"class \d+")
_LARGEST_ID = 254


@dataclass(frozen=True)
class Matching:
    """Which class of a model is which class of the annotation.

    Attributes
    ----------
    classes : tuple of ClassInfo
        Classes of the annotation, with those of the model that were missing.
    ids : tuple of (int, int)
        Id in the model's class map, and in the annotation, where 0 means "not annotated".
    """

    classes: tuple[ClassInfo, ...]
    ids: tuple[tuple[int, int], ...]

    def id_of(self, model_id: int) -> int:
        """Return the annotation's id of a class of the model; 0 for none."""
        return dict(self.ids).get(model_id, 0)


def match_classes(found: Sequence[ClassInfo], own: Sequence[ClassInfo]) -> Matching:
    """Find the classes of a model among those of an annotation; the missing ones are added.

    Classes are the same when their names are, or their number and colour: then one was renamed
    after the model had learned it. Class 0, of models that learned from dense masks, gets another
    number.

    Examples
    --------
    >>> grain = ClassInfo(id=0, name="grain", colour="#009e73")
    >>> match_classes([grain], [ClassInfo(id=1, name="boundary", colour="#e69f00")]).ids
    ((0, 2),)
    """
    classes, ids = list(own), []
    for info in found:
        same = next((one for one in own if one.name == info.name), None) or next(
            (one for one in own if (one.id, one.colour) == (info.id, info.colour)), None
        )
        if same is None:
            used = {one.id for one in classes} | ({one.id for one in found} if info.id == 0 else set())
            number = info.id if info.id and info.id not in used else _free(used | {one.id for one in found})
            colours = {one.colour for one in classes}
            other = (one for one in PALETTE if one not in colours | {each.colour for each in found})
            colour = info.colour if info.colour not in colours else next(other, info.colour)
            same = info.model_copy(update={"id": number, "colour": colour})
            classes.append(same)
        ids.append((info.id, same.id))
    return Matching(tuple(sorted(classes, key=lambda one: one.id)), tuple(ids))


def _free(used: set[int]) -> int:
    free = next((number for number in range(1, _LARGEST_ID + 1) if number not in used), None)
    if free is None:
        raise ValueError("There are no more numbers for classes; remove a class first.")
    return free


def adopt_classes(dock: AnnotateDock, found: Sequence[ClassInfo]) -> Matching:
    """Make sure that the Annotate & train dock has a model's classes; its first, unnamed ones make room for them."""
    own = dock.classes.classes
    fresh = all(_UNNAMED.fullmatch(one.name) for one in own) and not set(own) & set(found)
    if fresh and not any(np.any(annotation.data) for _, annotation in dock.pairs.pairs):
        own = ()
    matching = match_classes(found, own)
    if matching.classes != dock.classes.classes:
        dock.classes.set_classes(matching.classes)
    return matching


def annotation_of(dock: AnnotateDock, image: Image) -> Labels:
    """Return the annotation layer that is paired with an image, made when there is none.

    Raises
    ------
    ValueError
        If the annotation has another size than its image, or cannot be changed.
    """
    found = next((annotation for one, annotation in dock.pairs.pairs if one is image), None)
    if found is None:
        dock.pairs.image.layer = image
        dock.pairs.new_annotation()
        found = next(annotation for one, annotation in dock.pairs.pairs if one is image)
    if found.data.shape != layers.shape_of(image) or not isinstance(found.data, np.ndarray):
        raise ValueError(
            f"The annotation {found.name!r} does not fit its image {image.name!r}, or cannot be changed; remove the "
            "pair and make a new annotation layer."
        )
    return found


def write_annotation(
    annotation: Labels,
    plane: tuple[int, ...],
    region: tuple[slice, slice],
    values: np.ndarray,
    *,
    replace: bool,
) -> Iterator[None]:
    """Write class ids into an annotation band by band, as one step for Undo.

    Parameters
    ----------
    annotation : Labels
    plane : tuple of int
        Stack index.
    region : tuple of slice
        Rows and columns.
    values : numpy.ndarray, (Y, X) uint8
        For that region; 0 changes nothing.
    replace : bool
        Whether what is painted already may be replaced.
    """
    top, left = region[0].start, region[1].start

    def change(rows: slice) -> tuple[np.ndarray, np.ndarray]:
        present = annotation.data[(*plane, rows)]
        wanted = np.zeros(present.shape, np.uint8)
        first, last = max(rows.start, top), min(rows.stop, region[0].stop)
        if first < last:
            part = values[first - top : last - top]
            wanted[first - rows.start : last - rows.start, left : region[1].stop] = part
        mask = (wanted > 0) & (wanted != present) if replace else (wanted > 0) & (present == 0)
        return mask, wanted[mask]

    return edit(annotation, plane, change)
