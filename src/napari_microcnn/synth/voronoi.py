"""Polycrystals from Voronoi tessellations, with exact labels.

A grain is a cell of a power (Laguerre) diagram: the plane z = 0 through a three-dimensional
Voronoi tessellation whose seeds lie at heights given by the grain sizes. Curved boundaries come
from looking the cells up at smoothly displaced positions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.spatial import cKDTree
from skimage.measure import label

from napari_microcnn.config import VoronoiConfig
from napari_microcnn.synth.cells import nearest_cells
from napari_microcnn.synth.fields import Field, smooth_field


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
    subgrains : numpy.ndarray
        (Y, X) int32, number of the subgrain, 0 in grains without; their borders are not grain boundaries.
    inner : numpy.ndarray
        (Y, X) float32, distance to the nearest edge of a twin or subgrain in pixels; infinite where there is none.
    config : VoronoiConfig
    seed : int
    """

    grains: NDArray[np.int32]
    distance: Field
    segment: NDArray[np.int32]
    twins: NDArray[np.bool_]
    subgrains: NDArray[np.int32]
    inner: Field
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
    cell, other, distance = nearest_cells(y, x, seeds, group, to_space, spacing)
    region, segment = cell, _segment_numbers(cell, other)
    if config.lamellae:
        band, edge = _bands(y, x, cell, config.lamellae, spacing, rng)
        region = cell * 2 + band
        segment = np.where(edge < distance, cell.max() + 1 + cell, segment)
        distance = np.minimum(distance, edge)
    twins, inner = np.zeros(shape, bool), np.full(shape, np.inf, np.float32)
    if config.twins:
        twins, inner = _bands(y, x, cell, config.twins, spacing, rng)
    subgrains = np.zeros(shape, np.int32)
    if config.subgrains:
        finer = _finer(config, spacing, rng)
        divided = (rng.random(int(cell.max()) + 1) < config.subgrains)[cell]
        number, _, edge = nearest_cells(y, x, *finer, to_space, _fine(spacing), divided)
        subgrains = np.where(divided, number, 0).astype(np.int32)
        inner = np.where(divided, np.minimum(inner, edge), inner)
    made = Microstructure(region, distance, segment.astype(np.int32), twins, subgrains, inner, config, seed)
    if config.fine_grains:
        fine, numbers = _finer(config, spacing, rng)
        chosen = rng.random(int(group.max()) + 1) < config.fine_grains
        numbers = _colonies(fine, numbers, seeds, chosen[group])
        # Fine grains reach out of the coarse ones by less than twice their own size.
        reach = round(2 * _fine(spacing) * float(np.sqrt(config.elongation)))
        near = ndimage.maximum_filter(chosen[cell], 2 * reach + 1)
        made = _refined(made, *nearest_cells(y, x, fine, numbers, to_space, _fine(spacing), near))
    grains = label(made.grains, background=-1, connectivity=1).astype(np.int32)  # type: ignore[no-untyped-call]
    return replace(made, grains=grains)


def _refined(made: Microstructure, number: NDArray[np.int32], beside: NDArray[np.int32], edge: Field) -> Microstructure:
    """Put fine grains, those with a number above 0, in the place of what was there."""
    within = number > 0
    segment = np.where(within | (edge < made.distance), _segment_numbers(number, beside), made.segment)
    return replace(
        made,
        grains=np.where(within, made.grains.max() + number, made.grains).astype(np.int32),
        distance=np.where(within, edge, np.minimum(made.distance, edge)),
        segment=segment.astype(np.int32),
        twins=made.twins & ~within,
        subgrains=np.where(within, 0, made.subgrains).astype(np.int32),
        inner=np.where(within, np.float32(np.inf), made.inner),
    )


def _fine(spacing: float) -> float:
    """Return the distance of the seeds of subgrains and of fine grains: a quarter, but never a few pixels only."""
    return max(6.0, 0.25 * spacing)


def _finer(
    config: VoronoiConfig, spacing: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Return the seeds of a finer polycrystal, and the number of each from 1."""
    seeds = _seeds(config, _fine(spacing), rng)[0]
    return seeds, np.arange(1, len(seeds) + 1, dtype=np.int32)


def _colonies(
    fine: NDArray[np.float64],
    numbers: NDArray[np.int32],
    seeds: NDArray[np.float64],
    chosen: NDArray[np.bool_],
) -> NDArray[np.int32]:
    """Return the numbers of the fine seeds within the chosen coarse cells, 0 for all others."""
    flat = np.column_stack([fine[:, :2], np.zeros(len(fine))])
    within = chosen[cKDTree(seeds).query(flat)[1]]
    return np.where(within, numbers, 0).astype(np.int32)


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
    if config.drift:
        # Slow drift of the stage, and lines of the scan that start a little early or late.
        y = y + np.float32(3 * config.drift) * smooth_field((shape[0], 4), shape[0] / 3, rng)[:, :1]
        for amount, scale in ((3.0, shape[0] / 4), (0.3, 1.0)):
            x = x + np.float32(amount * config.drift) * smooth_field((shape[0], 4), scale, rng)[:, :1]
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
