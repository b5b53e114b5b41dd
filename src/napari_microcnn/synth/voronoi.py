"""Polycrystals from Voronoi tessellations, with exact labels.

A grain is a cell of a power (Laguerre) diagram: the plane z = 0 through a three-dimensional
Voronoi tessellation whose seeds lie at heights given by the grain sizes. Curved boundaries come
from looking the cells up at smoothly displaced positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.spatial import cKDTree
from skimage.measure import label

from napari_microcnn.config import VoronoiConfig
from napari_microcnn.synth.fields import Field, smooth_field

_NEIGHBOURS = 10
"""Cells looked at per block of pixels. Fewer miss boundaries, more change none (measured against 48)."""


@dataclass(frozen=True, eq=False)
class Microstructure:
    """A polycrystal without any imaging.

    Attributes
    ----------
    grains : numpy.ndarray
        (Y, X) int32, 1..N; every grain is one connected region.
    distance : numpy.ndarray
        (Y, X) float32, distance to the nearest grain boundary in pixels; infinite far inside large grains.
    segment : numpy.ndarray
        (Y, X) int32, number of the nearest boundary segment (the same from both sides).
    twins : numpy.ndarray
        (Y, X) bool, twin bands; their edges are not grain boundaries.
    config : VoronoiConfig
    seed : int
    """

    grains: NDArray[np.int32]
    distance: Field
    segment: NDArray[np.int32]
    twins: NDArray[np.bool_]
    config: VoronoiConfig
    seed: int

    @property
    def boundaries(self) -> NDArray[np.bool_]:
        """(Y, X) bool, pixels within half a thickness of a grain boundary."""
        return self.distance <= max(self.config.thickness / 2, 0.75)

    @property
    def triple_points(self) -> NDArray[np.float64]:
        """(N, 2) positions (y, x) where three or more grains meet, in pixels."""
        g = self.grains
        a, b, c, d = g[:-1, :-1], g[:-1, 1:], g[1:, :-1], g[1:, 1:]
        distinct = 1 + (b != a) + ((c != a) & (c != b)).astype(np.int8) + ((d != a) & (d != b) & (d != c))
        spots, n = ndimage.label(distinct >= 3, np.ones((3, 3)))
        if n == 0:
            return np.empty((0, 2))
        return np.asarray(ndimage.center_of_mass(spots > 0, spots, range(1, n + 1))).reshape(-1, 2) + 0.5


def voronoi(config: VoronoiConfig, seed: int = 0) -> Microstructure:
    """Make a polycrystal.

    Parameters
    ----------
    config : VoronoiConfig
    seed : int
        The same seed gives the same polycrystal.

    Returns
    -------
    Microstructure
    """
    rng = np.random.default_rng([seed, 1])
    shape = (config.height, config.width)
    spacing = float(np.sqrt(config.height * config.width / config.grains))
    y, x = _displaced_grid(shape, spacing, config, rng)
    seeds, to_space = _seeds(config, spacing, rng)
    group = _merge(seeds, config.merging, rng)
    cell, other, distance = _nearest_cells(y, x, seeds, group, to_space, spacing)
    region, segment = cell, _segment_numbers(cell, other)
    if config.lamellae:
        band, edge = _bands(y, x, cell, config.lamellae, spacing, rng)
        region = cell * 2 + band
        segment = np.where(edge < distance, cell.max() + 1 + cell, segment)
        distance = np.minimum(distance, edge)
    twins = np.zeros(shape, bool)
    if config.twins:
        twins = _bands(y, x, cell, config.twins, spacing, rng)[0]
    grains = label(region, background=-1, connectivity=1).astype(np.int32)  # type: ignore[no-untyped-call]
    return Microstructure(grains, distance, segment.astype(np.int32), twins, config, seed)


def _displaced_grid(
    shape: tuple[int, int], spacing: float, config: VoronoiConfig, rng: np.random.Generator
) -> tuple[Field, Field]:
    """Return the positions (y, x) at which the cells are looked up."""
    y = np.broadcast_to(np.arange(shape[0], dtype=np.float32)[:, None], shape)
    x = np.broadcast_to(np.arange(shape[1], dtype=np.float32), shape)
    waves = (config.curvature * 0.12, 0.8 * spacing), (config.roughness * 0.06, max(3.0, 0.15 * spacing))
    for amount, scale in waves:
        if amount:
            y = y + np.float32(amount * spacing) * smooth_field(shape, scale, rng)
            x = x + np.float32(amount * spacing) * smooth_field(shape, scale, rng)
    return y, x


def _seeds(
    config: VoronoiConfig, spacing: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the seeds, (N, 3) as (v, u, height), and the (2, 2) map from pixels (y, x) to (v, u)."""
    angle, stretch = np.radians(config.direction), np.sqrt(config.elongation)
    along = np.array([np.sin(angle), np.cos(angle)])
    across = np.array([np.cos(angle), -np.sin(angle)])
    to_space = np.stack([across * stretch, along / stretch])
    corners = np.array([[0, 0], [config.height, 0], [0, config.width], [config.height, config.width]]) @ to_space.T
    sigma = 0.3 * spacing * (1 / max(config.regularity, 0.12) - 1)
    margin = 3 * spacing + 2 * sigma
    low, high = corners.min(0) - margin, corners.max(0) + margin
    if config.regularity < 0.12:
        flat = rng.uniform(low, high, (int(np.prod(high - low) / spacing**2), 2))
    else:
        side = spacing * np.sqrt(2 / np.sqrt(3))
        v = np.arange(low[0], high[0], side * np.sqrt(3) / 2)
        u = np.arange(low[1], high[1], side)
        rows, cols = np.meshgrid(v, u, indexing="ij")
        cols = cols + (np.arange(len(v)) % 2)[:, None] * side / 2
        start = rng.uniform(0, side, 2)
        flat = np.stack([rows.ravel(), cols.ravel()], 1) + start + rng.normal(0, 1, (rows.size, 2)) * sigma
    radius = 0.6 * spacing * np.minimum(np.exp(config.size_spread * rng.standard_normal(len(flat))), 4)
    height = np.sqrt(np.maximum(radius.max() ** 2 - radius**2, 0))
    return np.column_stack([flat, height]), to_space


def _merge(seeds: NDArray[np.float64], share: float, rng: np.random.Generator) -> NDArray[np.int32]:
    """Return the grain number of every cell, some cells being joined to their nearest neighbour."""
    n = len(seeds)
    if not share:
        return np.arange(n, dtype=np.int32)
    neighbours = cKDTree(seeds).query(seeds, k=min(4, n))[1]
    chosen = np.flatnonzero(rng.random(n) < share)
    partner = neighbours[chosen, rng.integers(1, neighbours.shape[1], len(chosen))]
    graph = sparse.coo_matrix((np.ones(len(chosen)), (chosen, partner)), shape=(n, n))
    return np.asarray(sparse.csgraph.connected_components(graph, directed=False)[1], dtype=np.int32)


def _nearest_cells(
    y: Field,
    x: Field,
    seeds: NDArray[np.float64],
    group: NDArray[np.int32],
    to_space: NDArray[np.float64],
    spacing: float,
) -> tuple[NDArray[np.int32], NDArray[np.int32], Field]:
    """Return own grain, nearest other grain and the distance to it, for every pixel.

    The pixels of a block share the cells that come into question.
    """
    shape, block = y.shape, int(np.clip(spacing * 0.5, 4, 24))
    y, x = _to_blocks(y, block), _to_blocks(x, block)
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
    own, other = (_from_blocks(a, block, shape) for a in (own, other))
    return own, other, _from_blocks(distance, block, shape)


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


def _to_blocks(field: Field, block: int) -> Field:
    """Cut (Y, X) into (blocks, pixels of a block), repeating the last row and column as needed."""
    rows, cols = (-(-side // block) for side in field.shape)
    padded = np.pad(field, ((0, rows * block - field.shape[0]), (0, cols * block - field.shape[1])), mode="edge")
    return padded.reshape(rows, block, cols, block).swapaxes(1, 2).reshape(rows * cols, block * block)


def _from_blocks(blocks: NDArray[Any], block: int, shape: tuple[int, ...]) -> NDArray[Any]:
    """Undo `_to_blocks`."""
    rows, cols = (-(-side // block) for side in shape)
    whole = blocks.reshape(rows, cols, block, block).swapaxes(1, 2).reshape(rows * block, cols * block)
    return np.ascontiguousarray(whole[: shape[0], : shape[1]])


def _segment_numbers(cell: NDArray[np.int32], other: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return a number for the boundary between two grains that is the same from both sides."""
    low, high = np.minimum(cell, other).astype(np.int64), np.maximum(cell, other)
    return np.asarray((low * 7919 + high * np.int64(104729)) % 1000003, dtype=np.int64)


def _bands(
    y: Field, x: Field, cell: NDArray[np.int32], share: float, spacing: float, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], Field]:
    """Return straight parallel bands in a share of the grains, and the distance to their edges."""
    n = int(cell.max()) + 1
    angle = rng.uniform(0, np.pi, n)
    period = spacing * rng.uniform(0.35, 1.6, n)
    filled = rng.uniform(0.2, 0.5, n)
    start, wanted = rng.random(n), rng.random(n) < share
    sin, cos, rate = ((table.astype(np.float32))[cell] for table in (np.sin(angle), np.cos(angle), 1 / period))
    phase = (y * sin + x * cos) * rate + start.astype(np.float32)[cell]
    phase -= np.floor(phase)
    width = filled.astype(np.float32)[cell]
    inside = phase < width
    edge = np.where(inside, np.minimum(phase, width - phase), np.minimum(phase - width, 1 - phase)) / rate
    chosen = wanted[cell]
    return inside & chosen, np.where(chosen, edge, np.float32(np.inf)).astype(np.float32)
