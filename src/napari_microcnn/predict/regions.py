"""Which parts of an image are worth annotating next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_WIDTH = 7
"""Unsure areas that are narrower, in pixels, are taken for the seam between two classes."""
_SEAM = 0.1
"""What an unsure pixel of a seam counts, against 1 in the middle of an unsure area."""
_PARTS = 16
"""Cells along the side of a region: as fine as annotation and overlap are looked at."""
_STRIDE = 4
_ALIKE = 0.25
"""Regions whose shares of the classes differ by less are alike."""
_LEAST = 0.02
_BAND = 512


@dataclass(frozen=True)
class Region:
    """A part of an image.

    Attributes
    ----------
    rows, cols : slice
        Where it lies.
    uncertainty : float
        Mean uncertainty in it, 0 to 1.
    """

    rows: slice
    cols: slice
    uncertainty: float

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to index an array with."""
        return self.rows, self.cols


def region_side(shape: tuple[int, int]) -> int:
    """Return the side of a region in pixels that a person looks at and annotates at once."""
    return int(np.clip(min(shape) // 4, 16, 128))


def rank_regions(
    uncertainty: NDArray[np.uint8],
    classes: NDArray[np.uint8],
    annotation: NDArray[np.integer] | None = None,
    *,
    count: int = 10,
    side: int | None = None,
) -> tuple[Region, ...]:
    """Find the regions whose annotation would teach a model most, the best one first.

    A region counts by its uncertainty summed up. Pixels in narrow unsure bands count little: along
    every seam between two classes a model is unsure, and an annotation there hardly helps. What is
    near annotated pixels counts less. Regions do not overlap, and one that holds the same mixture
    of classes as an earlier one has to be more unsure than one of another mixture, so that the first few
    ask different questions (after the maximal marginal relevance of Carbonell and Goldstein, SIGIR 1998).

    Parameters
    ----------
    uncertainty : numpy.ndarray, (Y, X) uint8
        0 = sure, 255 = all classes are equally probable.
    classes : numpy.ndarray, (Y, X) uint8
        Predicted class map.
    annotation : numpy.ndarray, (Y, X) of integers, optional
        What is annotated already; 0 = not.
    count : int
        How many regions to find, at most.
    side : int, optional
        Height and width of a region in pixels; found from the image's size when not given.

    Returns
    -------
    tuple of Region
        None at all where the model is sure everywhere.

    Raises
    ------
    ValueError
        If the arrays have different shapes.
    """
    shape = (int(uncertainty.shape[0]), int(uncertainty.shape[1]))
    for other in (classes, annotation):
        if other is not None and other.shape != shape:
            raise ValueError(f"Uncertainty, classes and annotation must be equally large, not {shape}, {other.shape}.")
    side = min(side or region_side(shape), *shape)
    cell = max(1, side // _PARTS)
    grid = _Grid(shape, cell, side // cell * cell)
    weights = _Weights(grid, uncertainty, classes, annotation)
    return tuple(_pick(grid, weights, count))


class _Grid:
    """Cells of a plane, and the windows that begin on every few of them."""

    def __init__(self, shape: tuple[int, int], cell: int, side: int) -> None:
        self.shape, self.cell, self.side = shape, cell, side
        self.cells = (-(-shape[0] // cell), -(-shape[1] // cell))
        self.span = max(1, side // cell)
        starts = [np.arange(0, max(1, n - self.span + 1), max(1, self.span // _STRIDE)) for n in self.cells]
        ends = [n - self.span for n in self.cells]
        self.starts = [np.unique(np.append(start, max(0, end))) for start, end in zip(starts, ends, strict=True)]

    def reduce(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Sum up over cells; rows and columns beyond the plane count nothing."""
        rows, cols = -values.shape[0] % self.cell, -values.shape[1] % self.cell
        padded = np.pad(values, ((0, rows), (0, cols)))
        blocks = padded.reshape(padded.shape[0] // self.cell, self.cell, padded.shape[1] // self.cell, self.cell)
        return np.asarray(blocks.sum((1, 3)), np.float32)

    def sums(self, cells: NDArray[np.float32]) -> NDArray[np.float64]:
        """Sum up over the cells of every window."""
        total = np.pad(cells.astype(np.float64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
        top, left = self.starts
        below = np.minimum(top + self.span, self.cells[0])
        beside = np.minimum(left + self.span, self.cells[1])
        corners = total[np.ix_(below, beside)] - total[np.ix_(top, beside)] - total[np.ix_(below, left)]
        return np.asarray(corners + total[np.ix_(top, left)])

    def box(self, row: int, col: int) -> tuple[slice, slice]:
        """Return a window in pixels, within the plane."""
        corner = (int(self.starts[0][row]) * self.cell, int(self.starts[1][col]) * self.cell)
        first = [max(0, min(start, length - self.side)) for start, length in zip(corner, self.shape, strict=True)]
        return slice(first[0], first[0] + self.side), slice(first[1], first[1] + self.side)


class _Weights:
    """What every window counts, and its mixture of classes."""

    def __init__(
        self,
        grid: _Grid,
        uncertainty: NDArray[np.uint8],
        classes: NDArray[np.uint8],
        annotation: NDArray[np.integer] | None,
    ) -> None:
        ids = np.flatnonzero(np.bincount(classes.ravel(), minlength=256))
        rows = max(1, _BAND // grid.cell) * grid.cell
        parts: list[list[NDArray[np.float32]]] = [[] for _ in range(len(ids) + 1)]
        for top in range(0, grid.shape[0], rows):
            stop = min(top + rows, grid.shape[0])
            parts[0].append(grid.reduce(_weighted(uncertainty, top, stop)))
            for index, number in enumerate(ids):
                parts[index + 1].append(grid.reduce((classes[top:stop] == number).astype(np.float32)))
        weight, *shares = (np.concatenate(part) for part in parts)
        self.score = grid.sums(weight * _away(grid, annotation))
        mixture = np.stack([grid.sums(share) for share in shares])
        self.mixture = mixture / mixture.sum(0)
        self.mean = uncertainty


def _weighted(uncertainty: NDArray[np.uint8], top: int, stop: int) -> NDArray[np.float32]:
    """Return what every pixel of a band of rows counts: nearly nothing in narrow unsure bands."""
    first, last = max(0, top - _WIDTH), min(len(uncertainty), stop + _WIDTH)
    band = uncertainty[first:last]
    wide = ndimage.grey_opening(band, (_WIDTH, _WIDTH))[top - first : stop - first]
    return np.asarray((1 - _SEAM) * wide + _SEAM * uncertainty[top:stop].astype(np.float32), np.float32)


def _away(grid: _Grid, annotation: NDArray[np.integer] | None) -> NDArray[np.float32]:
    """Return 0 in annotated cells, growing to 1 at half a region's side from them."""
    if annotation is None or not annotation.any():
        return np.ones(grid.cells, np.float32)
    rows = max(1, _BAND // grid.cell) * grid.cell
    bands = [annotation[top : top + rows] != 0 for top in range(0, grid.shape[0], rows)]
    painted = np.concatenate([grid.reduce(band.astype(np.float32)) for band in bands]) > 0
    distance = ndimage.distance_transform_edt(~painted)
    return np.asarray((distance / (grid.span / 2)).clip(0, 1), np.float32)


def _relative(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values / max(float(values.max()), 1e-9)


def _pick(grid: _Grid, weights: _Weights, count: int) -> list[Region]:
    """Take the best window, then the best of those that do not overlap it, and so on."""
    # Of windows that hold the same unsure spot the one with it in its middle comes first.
    score = weights.score * (0.9 + 0.1 * _relative(ndimage.gaussian_filter(weights.score, _STRIDE / 2)))
    novelty, found = np.ones_like(score), list[Region]()
    floor = max(_LEAST * float(score.max()), 1e-9)
    while len(found) < count:
        row, col = np.unravel_index(np.argmax(score * (0.5 + 0.5 * novelty)), score.shape)
        if score[row, col] < floor:
            break
        rows, cols = grid.box(int(row), int(col))
        found.append(Region(rows, cols, float(weights.mean[rows, cols].mean()) / 255))
        difference = np.abs(weights.mixture - weights.mixture[:, row, col][:, None, None]).sum(0) / 2
        novelty = np.minimum(novelty, difference / _ALIKE).clip(0, 1)
        near = [np.abs(start - start[place]) < grid.span for start, place in zip(grid.starts, (row, col), strict=True)]
        score[np.ix_(*near)] = 0
    return found
