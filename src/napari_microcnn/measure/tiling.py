"""Parts of a field, whose spread tells how sure its mean is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LEAST, _MOST = 3, 10
"""Parts along a side: fewer leave the spread unknown, more cut what belongs together."""


@dataclass(frozen=True)
class Tiling:
    """A field cut into equal parts.

    Attributes
    ----------
    shape : tuple of int
        Height and width of the field in pixels.
    rows, columns : int
        Number of parts along each side.
    """

    shape: tuple[int, int]
    rows: int
    columns: int

    @property
    def number(self) -> int:
        """How many parts there are."""
        return self.rows * self.columns

    def of(self, points: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the part in which every point, (N, 2) as (y, x) in pixels, lies."""
        row = np.clip((points[:, 0] + 0.5) * self.rows / self.shape[0], 0, self.rows - 1).astype(np.intp)
        column = np.clip((points[:, 1] + 0.5) * self.columns / self.shape[1], 0, self.columns - 1).astype(np.intp)
        return row * self.columns + column

    def sums(self, points: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Add up the weights of the points in every part."""
        return np.asarray(np.bincount(self.of(points), weights, self.number), np.float64)

    def boxes(self) -> list[tuple[slice, slice]]:
        """Return rows and columns of every part."""
        y = np.linspace(0, self.shape[0], self.rows + 1).round().astype(int)
        x = np.linspace(0, self.shape[1], self.columns + 1).round().astype(int)
        return [
            (slice(int(y[i]), int(y[i + 1])), slice(int(x[j]), int(x[j + 1])))
            for i in range(self.rows)
            for j in range(self.columns)
        ]


def planes_of(fields: NDArray[Any] | Sequence[NDArray[Any]], kinds: str = "iu") -> list[NDArray[Any]]:
    """Return the fields, (Y, X) each, of one image, of a stack, or of several of them.

    Parameters
    ----------
    fields : numpy.ndarray or sequence of numpy.ndarray
        Label images or class maps.
    kinds : str
        Kinds of numbers that they may hold, as numpy calls them.

    Raises
    ------
    ValueError
        If there is none, or one is something else.
    """
    images = [fields] if isinstance(fields, np.ndarray) else list(fields)
    if not images:
        raise ValueError("There is no field; give an image of shape (Y, X).")
    for image in images:
        if image.dtype.kind not in kinds or image.ndim < 2:
            raise ValueError(
                f"A field must hold whole numbers and have the shape (Y, X), not {image.dtype} of shape {image.shape}; "
                "number the regions of a mask first."
            )
    return [image[index] for image in images for index in np.ndindex(image.shape[:-2])]


def tiling(shape: tuple[int, int], objects: int, parts: int | None = None) -> Tiling:
    """Cut a field into parts of some fifty objects each, but at least three by three.

    Parameters
    ----------
    shape : tuple of int
        Height and width in pixels.
    objects : int
        How many grains or particles it shows.
    parts : int, optional
        Parts along every side; 1 leaves the field whole.
    """
    side = parts if parts is not None else int(np.clip(round(np.sqrt(objects / 50)), _LEAST, _MOST))
    return Tiling(shape, min(side, shape[0]), min(side, shape[1]))
