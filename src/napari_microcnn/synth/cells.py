"""Which cell of a power diagram every pixel lies in, and how far from its border."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_microcnn.synth.fields import Field

_NEIGHBOURS = 10
"""Cells looked at per block of pixels. Fewer miss boundaries, more change none (measured against 48)."""


def nearest_cells(
    y: Field,
    x: Field,
    seeds: NDArray[np.float64],
    group: NDArray[np.int32],
    to_space: NDArray[np.float64],
    spacing: float,
    wanted: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.int32], NDArray[np.int32], Field]:
    """Return own grain, nearest other grain and the distance to it, for every pixel.

    The pixels of a block share the cells that come into question.

    Parameters
    ----------
    y, x : numpy.ndarray, (Y, X) float32
        Positions at which the cells are looked up.
    seeds : numpy.ndarray, (N, 3)
        Seeds as (v, u, height).
    group : numpy.ndarray, (N,) int32
        Grain of every cell.
    to_space : numpy.ndarray, (2, 2)
        Map from (y, x) to (v, u).
    spacing : float
        Typical distance of the seeds in pixels.
    wanted : numpy.ndarray, (Y, X) bool, optional
        Where the answer is needed; elsewhere it may be 0, 0 and infinite.

    Returns
    -------
    own, other, distance : numpy.ndarray
        (Y, X) int32, int32, and float32 in pixels; infinite where no other grain is near.
    """
    shape, block = y.shape, int(np.clip(spacing * 0.5, 4, 24))
    y, x = _to_blocks(y, block), _to_blocks(x, block)
    asked = slice(None) if wanted is None else np.flatnonzero(_to_blocks(wanted, block).any(1))
    blocks = y.shape
    y, x = y[asked], x[asked]
    v, u = ((m[0] * y + m[1] * x).astype(np.float32) for m in to_space)
    centre = np.stack([v.mean(1), u.mean(1), np.zeros(len(v))], 1)
    found = cKDTree(seeds).query(centre, k=min(_NEIGHBOURS, len(seeds)))[1]
    # Positions relative to the block keep float32 exact enough at any image size.
    relative = seeds[found] - centre[:, None]
    v, u = v - centre[:, :1].astype(np.float32), u - centre[:, 1:2].astype(np.float32)
    power = np.empty((found.shape[1], *v.shape), np.float32)
    for k, (sv, su, height) in enumerate(np.moveaxis(relative, 0, -1)[..., None].astype(np.float32)):
        np.square(v - sv, out=power[k])
        power[k] += np.square(u - su)
        power[k] += height**2
    own, other, distance = _boundary_distance(power, (relative[..., :2] @ to_space).astype(np.float32), group[found])
    whole = np.zeros(blocks, np.int32), np.zeros(blocks, np.int32), np.full(blocks, np.inf, np.float32)
    for result, part in zip(whole, (own, other, distance), strict=True):
        result[asked] = part
    own, other = (_from_blocks(a, block, shape) for a in whole[:2])
    return own, other, _from_blocks(whole[2], block, shape)


def _boundary_distance(
    power: Field, seeds: Field, groups: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32], Field]:
    """Return own group, nearest other group and the distance to it, for every pixel of every block.

    The distance to the boundary between the cells i and j is (p_j - p_i) / (2 |s_j - s_i|) with the
    power distances p, (K, blocks, pixels), and the seeds s in pixels, (blocks, K, 2).
    """
    lowest, first = power[0].copy(), np.zeros(power.shape[1:], np.int64)
    for k in range(1, len(power)):
        np.copyto(first, k, where=power[k] < lowest)
        np.minimum(lowest, power[k], out=lowest)
    own_y, own_x = (np.take_along_axis(seeds[..., axis], first, 1) for axis in (0, 1))
    own = np.take_along_axis(groups, first, 1)
    distance, other = np.full(own.shape, np.inf, np.float32), own.copy()
    for k in range(len(power)):
        length = np.square(seeds[:, k, 0, None] - own_y)
        length += np.square(seeds[:, k, 1, None] - own_x)
        np.sqrt(length, out=length)
        np.maximum(length, np.float32(1e-6), out=length)
        reach = np.divide(power[k] - lowest, length, out=length)
        closer = reach < distance
        closer &= groups[:, k, None] != own
        np.copyto(distance, reach, where=closer)
        np.copyto(other, np.broadcast_to(groups[:, k, None], own.shape), where=closer)
    return own, other, distance * np.float32(0.5)


def _to_blocks(field: NDArray[Any], block: int) -> NDArray[Any]:
    """Cut (Y, X) into (blocks, pixels of a block), repeating the last row and column as needed."""
    rows, cols = (-(-side // block) for side in field.shape)
    padded = np.pad(field, ((0, rows * block - field.shape[0]), (0, cols * block - field.shape[1])), mode="edge")
    return padded.reshape(rows, block, cols, block).swapaxes(1, 2).reshape(rows * cols, block * block)


def _from_blocks(blocks: NDArray[Any], block: int, shape: tuple[int, ...]) -> NDArray[Any]:
    """Undo `_to_blocks`."""
    rows, cols = (-(-side // block) for side in shape)
    whole = blocks.reshape(rows, cols, block, block).swapaxes(1, 2).reshape(rows * block, cols * block)
    return np.ascontiguousarray(whole[: shape[0], : shape[1]])
