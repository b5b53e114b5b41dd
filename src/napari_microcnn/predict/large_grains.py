"""Grains enclosed by boundaries, found block by block: those that `instances.close_grains` finds in the whole plane."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from napari_microcnn.data.windows import Box
from napari_microcnn.events import Alive, Event
from napari_microcnn.predict.canvas import Canvas, Columns, Readable
from napari_microcnn.predict.instances import (
    CORE_BELOW,
    CORE_SHARE,
    JOINED_BELOW,
    LEVELS,
    NECK,
    REACH,
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
        self._level = canvas.array("level", np.uint8)
        self._whole, self._parts = canvas.array("whole", np.int32), canvas.array("parts", np.int32)
        self._cores, self._narrow = canvas.array("cores", np.int32), canvas.array("narrow", np.int32)
        self.grown = canvas.array("grown", np.int32)

    def run(self) -> Generator[Event, None, NDArray[np.int32]]:
        """Do all passes; returns what the numbers in `grown` stand for: grains 1..N."""
        necks = yield from self._find_cores()
        shift = yield from self._cut(necks)
        kept = (yield from self._weigh(shift["shift"]))["kept"]
        self._canvas.drop("whole", "parts")
        yield from self._grow(kept, shift["shift"])
        self._canvas.drop("cores", "narrow")
        joined = yield from self._join(kept)
        self._canvas.drop("level")
        return joined["numbers"]

    def drop(self) -> None:
        """Delete the grains from the scratch."""
        self._canvas.drop("grown")

    def _find_cores(self) -> Generator[Event, None, Columns]:
        """Number the cores, and what is left of them when they are thinned."""
        whole, parts = SeamLabels(self._canvas.shape[1]), SeamLabels(self._canvas.shape[1])
        owners = [np.zeros(1, np.int32)]

        def work(box: Box) -> None:
            outer, core = self._canvas.grown(box, _MARGIN)
            level = smoothed(np.asarray(self._boundary[outer.slices]))
            thin = ndimage.maximum_filter(level, NECK, mode="nearest")[core] < _LIMIT
            first = parts.count
            one, other = whole.add(box, level[core] < _LIMIT), parts.add(box, thin)
            owner = np.zeros(parts.count - first, np.int32)
            owner[other[thin] - first - 1] = one[thin]
            owners.append(owner)
            self._level[box.slices], self._whole[box.slices], self._parts[box.slices] = level[core], one, other

        def finish() -> Columns:
            wholes, divided = whole.merged(), parts.merged()
            of_part = np.zeros(divided.count + 1, np.int32)
            of_part[divided.numbers] = wholes.numbers[np.concatenate(owners)]
            several = np.bincount(of_part, minlength=wholes.count + 1) > 1
            several[0] = False
            counts = np.array([wholes.count, divided.count])
            return {"whole": wholes.numbers, "parts": divided.numbers, "divided": several, "counts": counts}

        return (yield from self._canvas.run("cores-found", MESSAGE, work, finish))

    def _cut(self, necks: Columns) -> Generator[Event, None, Columns]:
        """Cut the cores at their necks; returns what is added to a number of `narrow` to make it one of a core."""
        n, m = (int(count) for count in necks["counts"])
        narrow = SeamLabels(self._canvas.shape[1])

        def work(box: Box) -> None:
            outer, core = self._canvas.grown(box, _MARGIN)
            whole = necks["whole"][self._whole[outer.slices]]
            divided = necks["divided"][whole]
            cores = whole[core]
            found = np.zeros(box.shape, np.int32)
            if divided.any():
                parts = np.where(divided, necks["parts"][self._parts[outer.slices]], 0)
                for _ in range(NECK // 2 + 1):  # back to where the parts were before they were thinned
                    np.copyto(parts, ndimage.maximum_filter(parts, 3), where=(parts == 0) & divided)
                parts, inside = parts[core], divided[core]
                found = narrow.add(box, inside & (parts == 0))
                cores = np.where(inside, np.where(parts > 0, n + parts, 0), cores)
            else:
                narrow.add(box, np.zeros(box.shape, bool))
            self._cores[box.slices], self._narrow[box.slices] = cores, found

        def finish() -> Columns:
            merged = narrow.merged()
            shifted = np.arange(merged.count + 1, dtype=np.int32) + np.int32(n + m)
            # The middle of a neck belongs to neither side; as a core it would join what was just cut.
            shifted[merged.sizes < NECK**2] = 0
            shifted[0] = 0
            return {"shift": np.append(shifted[merged.numbers], np.int32(n + m + merged.count))}

        return (yield from self._canvas.run("necks-cut", MESSAGE, work, finish))

    def _weigh(self, shift: NDArray[np.int32]) -> Generator[Event, None, Columns]:
        """Find the cores that are large or wide enough to be kept."""
        total = int(shift[-1]) + 1
        size, wide = np.zeros(total, np.int64), np.zeros(total, bool)

        def work(box: Box) -> None:
            outer, core = self._canvas.grown(box, 1)
            cores = self._cut_cores(box, shift)
            size[:] += np.bincount(cores.ravel(), minlength=total)
            level = np.asarray(self._level[outer.slices])
            wide[cores[ndimage.maximum_filter(level, 3, mode="nearest")[core] < _LIMIT]] = True

        def finish() -> Columns:
            kept = (size >= self._min_size * CORE_SHARE) & ((size >= self._min_size) | wide)
            kept[0] = False
            return {"kept": kept if kept.any() else np.zeros(0, bool)}

        return (yield from self._canvas.run("cores-weighed", MESSAGE, work, finish))

    def _cut_cores(self, box: Box, shift: NDArray[np.int32]) -> NDArray[np.int32]:
        """Read the cores with those that are narrow all over."""
        cores: NDArray[np.int32] = self._cores[box.slices] + shift[self._narrow[box.slices]]
        return cores

    def _grow(self, kept: NDArray[np.bool_], shift: NDArray[np.int32]) -> Generator[Event, None, None]:
        """Give every pixel the number of the nearest core that is kept; 1 where there is none in the whole plane."""
        numbers = np.where(kept, np.arange(len(kept)), 0).astype(np.int32)
        empty: list[Box] = []

        def work(box: Box) -> None:
            if not len(kept):
                self.grown[box.slices] = 1
                return
            outer, core = self._canvas.grown(box, REACH)
            found = numbers[self._cut_cores(outer, shift)]
            if found.any():
                self.grown[box.slices] = nearest_number(found)[core]
            else:
                empty.append(box)

        def finish() -> Columns:
            return {"empty": np.array(empty, np.int64).reshape(-1, 4)}

        left = yield from self._canvas.run("grown", MESSAGE, work, finish)
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
                    self.grown[box.slices] = nearest_number(around)[core]
                else:
                    left.append(box)
                yield Alive()
            empty = left

    def _join(self, kept: NDArray[np.bool_]) -> Generator[Event, None, Columns]:
        """Join neighbours whose common border is weak on average."""
        found: list[tuple[NDArray[Any], ...]] = []
        height, width = self._canvas.shape

        def work(box: Box) -> None:
            beyond = Box(box.top, min(box.bottom + 1, height), box.left, min(box.right + 1, width))
            outer, core = self._canvas.grown(beyond, 1)
            ridge = ndimage.maximum_filter(np.asarray(self._level[outer.slices]), 3)[core]
            keys, strength = meeting(np.asarray(self.grown[beyond.slices]), ridge, *box.shape)
            pairs, place = np.unique(keys, return_inverse=True)
            strengths, lengths = np.bincount(place, strength, len(pairs)), np.bincount(place, minlength=len(pairs))
            found.append((pairs, strengths.astype(np.uint32), lengths.astype(np.uint32)))

        def finish() -> Columns:
            keys, strength, length = (np.concatenate(parts) for parts in zip(*found, strict=True))
            pairs, place = np.unique(keys, return_inverse=True)
            weak = np.bincount(place, strength) < JOINED_BELOW * LEVELS * np.bincount(place, length)
            return {"numbers": _numbered(pairs[weak], kept if len(kept) else np.array([False, True]))}

        return (yield from self._canvas.run("joined", MESSAGE, work, finish))


def _numbered(weak: NDArray[np.int64], kept: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the number of the grain, 1..N, that every core is part of."""
    links = (np.ones(len(weak), bool), (weak >> 32, weak & 0xFFFFFFFF))
    graph = sparse.coo_matrix(links, shape=(len(kept), len(kept)))
    joined = sparse.csgraph.connected_components(graph, directed=False)[1]
    used = np.zeros(len(kept), bool)
    used[joined[kept]] = True
    return np.asarray(np.cumsum(used, dtype=np.int32)[joined])
