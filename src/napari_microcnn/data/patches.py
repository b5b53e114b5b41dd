"""Training patches: where they are taken and how they are cut out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.data.annotations import IGNORE
from napari_microcnn.data.normalisation import IntensityLimits, normalise


@dataclass(frozen=True, eq=False)
class Source:
    """The annotated part of an image, in memory.

    Attributes
    ----------
    pixels : numpy.ndarray, (Y, X) or (Y, X, C)
        As in the file.
    targets : numpy.ndarray, (Y, X) uint8
        Class indices or `IGNORE`.
    limits : IntensityLimits
        Of the whole image, without its databar.
    outside : numpy.ndarray or None, (Y, X) bool
        Where the microscope wrote.
    """

    pixels: NDArray[Any]
    targets: NDArray[np.uint8]
    limits: IntensityLimits
    outside: NDArray[np.bool_] | None = None

    def with_targets(self, targets: NDArray[np.uint8]) -> Source:
        """Return the same image with other targets."""
        return replace(self, targets=targets)


def annotated_box(targets: NDArray[np.uint8], margin: int) -> tuple[slice, slice]:
    """Return rows and columns that hold all annotated pixels, of which there is one, and `margin` around them."""
    annotated = targets != IGNORE
    rows, columns = (np.flatnonzero(annotated.any(axis=axis)) for axis in (1, 0))
    return (
        slice(max(0, int(rows[0]) - margin), int(rows[-1]) + 1 + margin),
        slice(max(0, int(columns[0]) - margin), int(columns[-1]) + 1 + margin),
    )


def crop(source: Source, top: int, left: int, side: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Cut a square out of a source; beyond the image it is mirrored and not annotated.

    Returns
    -------
    image : numpy.ndarray, (C, side, side) float32
        Normalised.
    targets : numpy.ndarray, (side, side) uint8
    """
    height, width = source.targets.shape
    if 0 <= top <= height - side and 0 <= left <= width - side:
        inside = slice(top, top + side), slice(left, left + side)
        return normalise(source.pixels[inside], source.limits), source.targets[inside].copy()
    rows, inside_rows = _mirrored(top, side, height)
    columns, inside_columns = _mirrored(left, side, width)
    targets = source.targets[rows][:, columns]  # rows first: half the time of both at once
    targets[~inside_rows] = IGNORE
    targets[:, ~inside_columns] = IGNORE
    return normalise(source.pixels[rows][:, columns], source.limits), targets


def _mirrored(start: int, count: int, length: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return indices that run to and fro within 0..length-1, and which of them are not mirrored."""
    positions = np.arange(start, start + count)
    folded = positions % (2 * length)
    return np.minimum(folded, 2 * length - 1 - folded), (positions >= 0) & (positions < length)


class PatchSampler:
    """Draws squares around annotated pixels, every class equally often unless told otherwise.

    Parameters
    ----------
    sources : sequence of Source
    classes : int
        Number of classes; those without an annotated pixel are left out.
    side : int
        Side of the squares in pixels.
    reach : int
        The annotated pixel lies up to this far from the centre, in both directions.
    rng : numpy.random.Generator
    shares : numpy.ndarray, (K,) float, optional
        Part of the squares that lie around every class.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        classes: int,
        side: int,
        reach: int,
        rng: np.random.Generator,
        shares: NDArray[np.float64] | None = None,
    ) -> None:
        self._sources, self._side, self._reach, self._rng = sources, side, reach, rng
        found = [self._places_of(index) for index in range(classes)]
        self._places = [places for places in found if len(places)]
        if not self._places:
            raise ValueError("There is no annotated pixel to draw patches from; annotate some of every class.")
        kept = None if shares is None else shares[[len(places) > 0 for places in found]]
        self._shares = None if kept is None else kept / kept.sum()

    def _places_of(self, index: int) -> NDArray[np.int32]:
        """Return (source, row, column) of every pixel of a class."""
        found = []
        for number, source in enumerate(self._sources):
            rows, columns = np.nonzero(source.targets == index)
            found.append(np.stack([np.full_like(rows, number), rows, columns], axis=1).astype(np.int32))
        return np.concatenate(found)

    def draw(self, count: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Return `count` squares: images (N, C, S, S) float32 and targets (N, S, S) uint8."""
        pairs = []
        for index in self._rng.choice(len(self._places), size=count, p=self._shares):
            places = self._places[index]
            number, row, column = places[self._rng.integers(len(places))]
            shift = self._rng.integers(-self._reach, self._reach + 1, size=2)
            top, left = row + shift[0] - self._side // 2, column + shift[1] - self._side // 2
            pairs.append(crop(self._sources[number], int(top), int(left), self._side))
        return np.stack([image for image, _ in pairs]), np.stack([targets for _, targets in pairs])
