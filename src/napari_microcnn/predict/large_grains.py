"""Grains enclosed by boundaries, found block by block: those that `instances.close_grains` finds in the whole plane."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from napari_microcnn.data.windows import Box
from napari_microcnn.events import Alive, Event
from napari_microcnn.predict.canvas import Canvas, Columns, Readable
from napari_microcnn.predict.instances import (
    CORE_BELOW,
    CORE_SHARE,
    JOINED_BELOW,
    LEVELS,
    NEAR,
    NECK,
    REACH,
    largest_around,
    meeting,
    nearest_number,
    smoothed,
)
from napari_microcnn.predict.seams import SeamLabels

MESSAGE = "Closing the grains"
_LIMIT = CORE_BELOW * LEVELS
_MARGIN = 8
"""More than the blur of the boundary and the search for necks reach together."""


class GrainCloser:
    """Closes the grains of one plane; see `instances.close_grains` for the steps.

    Equal to it number by number, but where the nearest core is more than `instances.REACH` pixels away.

    Parameters
    ----------
    canvas : Canvas
    boundary : Readable
        (Y, X) float32 of the size of the canvas, probability of a grain boundary.
    min_size : int
        As for `instances.close_grains`.
    """

    def __init__(self, canvas: Canvas, boundary: Readable, min_size: int) -> None:
        self._canvas, self._boundary, self._min_size = canvas, boundary, min_size
        self._ridge = canvas.array("ridge", np.uint8)
        """Largest probability of a boundary within a pixel."""
        self._regions = canvas.array("regions", np.int32)
        """Cores before they are cut; where they are left when thinned, the number of that part, negative."""
        self._cores = canvas.array("cores", np.int32)
        """Cores as they are cut; those that are narrow all over have negative numbers of their own."""
        self.grown = canvas.array("grown", np.int32)

    def run(self) -> Generator[Event, None, NDArray[np.int32]]:
        """Do all passes; returns what the numbers in `grown` stand for: grains 1..N."""
        necks = yield from self._find_cores()
        cut = yield from self._cut(necks)
        self._canvas.drop("regions")
        yield from self._grow(cut["kept"], cut["numbers"])
        self._canvas.drop("cores")
        joined = yield from self._join(cut["kept"])
        self._canvas.drop("ridge")
        return joined["numbers"]

    def drop(self) -> None:
        """Delete the grains from the scratch."""
        self._canvas.drop("grown")

    def _find_cores(self) -> Generator[Event, None, Columns]:
        """Number the cores, and what is left of them when they are thinned."""
        whole, parts = SeamLabels(self._canvas.shape[1]), SeamLabels(self._canvas.shape[1])
        owners = [np.zeros(1, np.int32)]

        def prepare(box: Box) -> tuple[NDArray[Any], ...]:
            outer, core = self._canvas.grown(box, _MARGIN)
            level = smoothed(np.asarray(self._boundary[outer.slices]))
            thin = largest_around(level, NECK // 2)[core] < _LIMIT
            return level[core] < _LIMIT, thin, largest_around(level)[core]

        def work(box: Box, ready: tuple[NDArray[Any], ...]) -> None:
            deep, thin, ridge = ready
            first = parts.count
            one, other = whole.add(box, deep), parts.add(box, thin)
            owner = np.zeros(parts.count - first, np.int32)
            owner[other[thin] - first - 1] = one[thin]
            owners.append(owner)
            self._ridge[box.slices] = ridge
            self._regions[box.slices] = np.where(thin, -other, one)

        def finish() -> Columns:
            wholes, divided = whole.merged(), parts.merged()
            owner = wholes.numbers[np.concatenate(owners)]
            of_part = np.zeros(divided.count + 1, np.int32)
            of_part[divided.numbers] = owner
            several = np.bincount(of_part, minlength=wholes.count + 1) > 1
            several[0] = False
            whole_of, nothing = _table(wholes.numbers, owner), np.zeros_like(wholes.numbers)
            part_of = np.where(several[whole_of], _table(nothing, divided.numbers), 0)
            counts = np.array([wholes.count, divided.count])
            return {"whole": whole_of, "part": part_of, "divided": several[whole_of], "counts": counts}

        return (yield from self._canvas.run("cores-found", MESSAGE, prepare, work, finish))

    def _cut(self, necks: Columns) -> Generator[Event, None, Columns]:
        """Cut the cores at their necks.

        Returns
        -------
        dict
            ``kept``: the cores that are large or wide enough; none at all where there is none. ``numbers``: what the
            numbers in the array are, 0 for cores that are not kept.
        """
        n, m = (int(count) for count in necks["counts"])
        narrow, slim = SeamLabels(self._canvas.shape[1]), [np.zeros(0, np.int32)]
        size, wide = np.zeros(n + m + 1, np.int64), np.zeros(n + m + 1, bool)

        def prepare(box: Box) -> tuple[NDArray[Any], ...]:
            outer, core = self._canvas.grown(box, _MARGIN)
            regions = np.asarray(self._regions[outer.slices])
            divided = necks["divided"][regions]
            cores = necks["whole"][regions[core]]
            parts = necks["part"][regions]
            if divided.any():
                for _ in range(NECK // 2 + 1):  # back to where the parts were before they were thinned
                    np.copyto(parts, largest_around(parts), where=(parts == 0) & divided)
            inside, parts = divided[core], parts[core]
            cores = np.where(inside, np.where(parts > 0, n + parts, 0), cores)
            return cores, inside & (parts == 0), np.asarray(self._ridge[box.slices]) < _LIMIT

        def work(box: Box, ready: tuple[NDArray[Any], ...]) -> None:
            cores, left, deep = ready
            np.copyto(cores, -narrow.add(box, left), where=left)
            self._cores[box.slices] = cores
            np.add.at(size, np.maximum(cores, 0).ravel(), 1)
            sure = cores[deep]
            wide[sure[sure > 0]] = True
            slim.append(np.unique(-sure[sure < 0]))

        def finish() -> Columns:
            merged, flags = narrow.merged(), np.zeros(narrow.count + 1, bool)
            flags[np.concatenate(slim)] = True
            # The middle of a neck belongs to neither side; as a core it would join what was just cut.
            middle = merged.sizes < NECK**2
            sizes = np.append(size, np.where(middle, 0, merged.sizes)[1:])
            kept = sizes >= self._min_size * CORE_SHARE
            kept &= (sizes >= self._min_size) | np.append(wide, merged.flags(flags)[1:])
            kept[0] = False
            numbers = np.where(kept, np.arange(len(kept)), 0).astype(np.int32)
            of_narrow = np.where(merged.numbers > 0, numbers[merged.numbers + n + m], 0).astype(np.int32)
            return {"kept": kept[: len(kept) * kept.any()], "numbers": _table(numbers[: n + m + 1], of_narrow)}

        return (yield from self._canvas.run("necks-cut", MESSAGE, prepare, work, finish))

    def _grow(self, kept: NDArray[np.bool_], numbers: NDArray[np.int32]) -> Generator[Event, None, None]:
        """Give every pixel the number of the nearest core that is kept; 1 where there is none in the whole plane."""
        empty: list[Box] = []

        def prepare(box: Box) -> NDArray[np.int32] | None:
            filled = None
            for reach in (NEAR, REACH):
                outer, core = self._canvas.grown(box, reach)
                found = numbers[np.asarray(self._cores[outer.slices])]
                if found.any():
                    filled, farthest = nearest_number(found, core)
                    if farthest <= reach:
                        break
            return filled if len(kept) else np.ones(box.shape, np.int32)

        def work(box: Box, filled: NDArray[np.int32] | None) -> None:
            if filled is None:
                empty.append(box)
            else:
                self.grown[box.slices] = filled

        def finish() -> Columns:
            return {"empty": np.array(empty, np.int64).reshape(-1, 4)}

        left = yield from self._canvas.run("grown", MESSAGE, prepare, work, finish)
        yield from self._fill([Box(*map(int, sides)) for sides in left["empty"]])

    def _fill(self, empty: list[Box]) -> Generator[Event, None, None]:
        """Fill blocks far from any core from their neighbours, from one to the next."""
        while empty:
            left = []
            for box in empty:
                outer, core = self._canvas.grown(box, 1)
                around = np.asarray(self.grown[outer.slices])
                if around[core].any():
                    continue
                if around.any():
                    self.grown[box.slices] = nearest_number(around, core)[0]
                else:
                    left.append(box)
                yield Alive()
            empty = left

    def _join(self, kept: NDArray[np.bool_]) -> Generator[Event, None, Columns]:
        """Join neighbours whose common border is weak on average."""
        found: list[tuple[NDArray[Any], ...]] = []
        height, width = self._canvas.shape

        def prepare(box: Box) -> tuple[NDArray[Any], ...]:
            beyond = Box(box.top, min(box.bottom + 1, height), box.left, min(box.right + 1, width))
            ridge = np.asarray(self._ridge[beyond.slices])
            keys, strength = meeting(np.asarray(self.grown[beyond.slices]), ridge, *box.shape)
            pairs, place = np.unique(keys, return_inverse=True)
            strengths, lengths = np.bincount(place, strength, len(pairs)), np.bincount(place, minlength=len(pairs))
            return pairs, strengths.astype(np.uint32), lengths.astype(np.uint32)

        def work(_: Box, ready: tuple[NDArray[Any], ...]) -> None:
            found.append(ready)

        def finish() -> Columns:
            keys, strength, length = (np.concatenate(parts) for parts in zip(*found, strict=True))
            pairs, place = np.unique(keys, return_inverse=True)
            weak = np.bincount(place, strength) < JOINED_BELOW * LEVELS * np.bincount(place, length)
            return {"numbers": _numbered(pairs[weak], kept if len(kept) else np.array([False, True]))}

        return (yield from self._canvas.run("joined", MESSAGE, prepare, work, finish))


def _table(positive: NDArray[np.int32], negative: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return one table for both: numpy counts negative numbers from its end."""
    return np.concatenate([positive, negative[:0:-1]])


def _numbered(weak: NDArray[np.int64], kept: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the number of the grain, 1..N, that every core is part of."""
    links = (np.ones(len(weak), bool), (weak >> 32, weak & 0xFFFFFFFF))
    graph = sparse.coo_matrix(links, shape=(len(kept), len(kept)))
    joined = sparse.csgraph.connected_components(graph, directed=False)[1]
    used = np.zeros(len(kept), bool)
    used[joined[kept]] = True
    return np.asarray(np.cumsum(used, dtype=np.int32)[joined])
