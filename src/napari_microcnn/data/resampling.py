"""Planes at another magnification, resampled piece by piece as they are read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from napari_microcnn.micrograph import Pixels


class Resampled:
    """A plane seen with more or fewer pixels.

    Behaves as an array that is read by slices of rows and columns; only what they need of the
    plane is read, and a pixel has the same value whichever slice it is read with.

    Parameters
    ----------
    plane : array, (Y, X) or (Y, X, C)
        May be lazy.
    shape : tuple of int
        New height and width. More pixels: linear interpolation. Fewer: mean weighted by a triangle
        of twice the new pixel's width, so that nothing is aliased.
    kind : type
        Of the values. float64 for images: one in 8 and one in 16 bits are the same then, to the last bit of what is
        made of them.
    """

    def __init__(self, plane: Pixels, shape: tuple[int, int], kind: type[np.floating[Any]] = np.float32) -> None:
        self._plane = plane
        self.shape: tuple[int, ...] = (*shape, *(int(n) for n in plane.shape[2:]))
        self.ndim = len(self.shape)
        self.dtype = np.dtype(kind)

    def __getitem__(self, region: tuple[slice, slice]) -> NDArray[Any]:
        """Return rows and columns; NaN and infinite values spread to their neighbours."""
        (top, rows), (left, cols) = (
            _weights(part, size, int(full), self.dtype)
            for part, size, full in zip(region, self.shape[:2], self._plane.shape[:2], strict=True)
        )
        read = np.s_[top : top + rows.shape[1], left : left + cols.shape[1]]
        with np.errstate(over="ignore"):  # then infinite
            pixels: NDArray[Any] = np.asarray(self._plane[read]).astype(self.dtype)
        channels = pixels.reshape(*pixels.shape[:2], -1)
        result = np.stack([(cols @ (rows @ channels[..., c]).T).T for c in range(channels.shape[-1])], -1)
        return np.ascontiguousarray(result.reshape(*result.shape[:2], *self.shape[2:]), dtype=self.dtype)


def _weights(part: slice, size: int, full: int, kind: np.dtype[Any]) -> tuple[int, sparse.csr_matrix]:
    """Return the first input pixel needed for a slice of the output, and the weights (out, in) from there on."""
    wanted = np.arange(size)[part]
    ratio = full / size
    reach = max(1.0, ratio)
    centre = (wanted + 0.5) * ratio - 0.5
    first = np.floor(centre - reach).astype(int)
    taps = first[:, None] + np.arange(int(2 * reach) + 3)
    weights = np.maximum(0, 1 - np.abs(taps - centre[:, None]) / reach)
    weights /= weights.sum(1, keepdims=True)
    inside = np.clip(taps, 0, full - 1)  # beyond the edge the edge is repeated
    rows, used = np.nonzero(weights)
    columns = inside[rows, used]
    low = int(columns.min())
    shape = (len(wanted), int(columns.max()) + 1 - low)
    matrix = sparse.coo_matrix((weights[rows, used], (rows, columns - low)), shape=shape)
    return low, matrix.tocsr().astype(kind)


def zoomed_shape(shape: tuple[int, ...], factor: float) -> tuple[int, int]:
    """Return height and width of a plane at `factor` times as many pixels per side, at least 1."""
    return max(1, round(int(shape[0]) * factor)), max(1, round(int(shape[1]) * factor))


def sample_windows(plane: Pixels | Resampled, side: int, count: int = 3) -> list[NDArray[Any]]:
    """Read windows that stand for the whole plane, so that a large one need not be read.

    Parameters
    ----------
    plane : array or Resampled, (Y, X) or (Y, X, C)
    side : int
        Height and width of a window in pixels.
    count : int
        There are ``count**2`` windows, evenly spread; one that holds everything where the plane is small.
    """
    height, width = (int(n) for n in plane.shape[:2])
    if height * width <= (side * count) ** 2:
        return [np.asarray(plane[0:height, 0:width])]
    corners = [np.linspace(0, max(0, length - side), count).astype(int) for length in (height, width)]
    return [np.asarray(plane[y : y + side, x : x + side]) for y in corners[0] for x in corners[1]]
