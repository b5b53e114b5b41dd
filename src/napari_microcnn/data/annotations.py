"""What the user painted, as training targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.micrograph import Calibration, Pixels

IGNORE = 255
"""Target of pixels that nobody annotated."""


@dataclass(frozen=True, eq=False)
class Annotated:
    """An image and what the user knows about it.

    Attributes
    ----------
    image : array, (Y, X) or (Y, X, C)
        Real numbers of any type; may be lazy.
    annotation : array, (Y, X)
        Integers. Strokes: 0 = not annotated, otherwise the id of a class. Dense: the id of a
        class at every pixel.
    name : str
        For messages.
    calibration : Calibration or None
        Size of a pixel.
    validation : bool
        Whether this image is held out: used to judge the network, never to train it.

    Raises
    ------
    ValueError
        If the sizes differ, or the annotation is not made of integers.
    """

    image: Pixels
    annotation: NDArray[Any]
    name: str = "image"
    calibration: Calibration | None = None
    validation: bool = False

    def __post_init__(self) -> None:
        if self.image.ndim not in (2, 3) or 0 in self.image.shape:
            raise ValueError(f"{self.name}: an image has the axes YX or YXC, not the shape {self.image.shape}.")
        if self.image.dtype.kind not in "buif":
            raise ValueError(f"{self.name}: pixels must be real numbers, not {self.image.dtype}.")
        if self.annotation.dtype.kind not in "bui":
            raise ValueError(
                f"{self.name}: an annotation is made of whole numbers (class ids), not {self.annotation.dtype}; "
                f"save it as a label image."
            )
        if self.annotation.shape != self.image.shape[:2]:
            raise ValueError(
                f"{self.name}: the annotation has the shape {self.annotation.shape}, its image {self.image.shape[:2]} "
                f"(rows, columns); they must be equal."
            )

    @property
    def channels(self) -> int:
        """Number of channels; 1 without a channel axis."""
        return int(self.image.shape[2]) if self.image.ndim == 3 else 1


def to_targets(annotation: NDArray[Any], class_ids: Sequence[int], dense: bool) -> NDArray[np.uint8]:
    """Turn class ids into class indices.

    Parameters
    ----------
    annotation : numpy.ndarray, (Y, X) of integers
        Class ids; 0 means "not annotated" unless `dense`.
    class_ids : sequence of int
        Ids in the order of the network's outputs.
    dense : bool
        Whether 0 is a class too.

    Returns
    -------
    numpy.ndarray, (Y, X) uint8
        Index into `class_ids`, or `IGNORE`.

    Raises
    ------
    ValueError
        If a value is the id of no class.

    Examples
    --------
    >>> to_targets(np.array([[0, 1, 7]]), [1, 7], dense=False)
    array([[255,   0,   1]], dtype=uint8)
    """
    # Sorting sixteen million pixels takes two seconds, looking them up a tenth of one.
    small = annotation.dtype.itemsize == 1 and annotation.dtype.kind in "bu"
    values = np.flatnonzero(np.bincount(annotation.ravel(), minlength=256)) if small else np.unique(annotation)
    index_of = {class_id: index for index, class_id in enumerate(class_ids)}
    if not dense:
        index_of[0] = IGNORE
    unknown = [int(value) for value in values if int(value) not in index_of]
    if unknown:
        raise ValueError(
            f"The annotation holds the value {unknown[0]}, which is no class; the classes are "
            f"{', '.join(str(class_id) for class_id in class_ids)}"
            f"{'' if dense else ', and 0 means not annotated'}."
        )
    indices = np.array([index_of[int(value)] for value in values], np.uint8)
    if not small:
        return indices[np.searchsorted(values, annotation)]
    table = np.zeros(256, np.uint8)
    table[values] = indices
    return table[annotation.astype(np.uint8, copy=False)]
