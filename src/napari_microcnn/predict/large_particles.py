"""Particles found block by block: those that are found in the whole plane."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_microcnn.data.windows import Box
from napari_microcnn.events import Event
from napari_microcnn.predict.canvas import Canvas, Columns, Readable
from napari_microcnn.predict.particles import CORE_FROM, LEAST_CORE, shared_out
from napari_microcnn.predict.seams import CORNERS, Numbering, SeamLabels

MESSAGE = "Numbering the objects"
_REACH = 512
"""Pixels around a block that are read to tell touching particles apart."""


def label_blocks(
    canvas: Canvas, classes: Readable, class_id: int, min_size: int
) -> Generator[Event, None, NDArray[np.int32]]:
    """Number the connected regions of a class in the array ``labels``; see `instances.label_particles`.

    Returns
    -------
    numpy.ndarray
        What the numbers in the array stand for: objects 1..N, 0 for those of fewer than `min_size` pixels.
    """
    labels = canvas.array("labels", np.int32)
    seams = SeamLabels(canvas.shape[1], CORNERS)

    def prepare(box: Box) -> NDArray[np.bool_]:
        mask: NDArray[np.bool_] = np.asarray(classes[box.slices]) == class_id
        return mask

    def work(box: Box, mask: NDArray[np.bool_]) -> None:
        labels[box.slices] = seams.add(box, mask)

    def finish() -> Columns:
        merged = seams.merged()
        return {"numbers": _large(merged.sizes, min_size)[merged.numbers]}

    return (yield from canvas.run("labelled", MESSAGE, prepare, work, finish))["numbers"]


def separate_blocks(
    canvas: Canvas, classes: Readable, class_id: int, cores: Readable, min_size: int
) -> Generator[Event, None, NDArray[np.int32]]:
    """Number particles that touch in the array ``labels``; see `particles.separate_particles`.

    Up to their order the numbers are the same where a region of touching particles reaches no more than 512 pixels
    beyond a block. In larger regions each pixel goes to the nearest core within that reach.

    Returns
    -------
    numpy.ndarray
        What the numbers in the array stand for: objects 1..N, 0 for those of fewer than `min_size` pixels.
    """
    found = yield from _find_regions(canvas, classes, class_id, cores)
    several, seeds_of, regions_of = found["several"], found["seeds"], found["regions"]
    regions, seeds = canvas.array("regions", np.int32), canvas.array("seeds", np.int32)
    labels = canvas.array("labels", np.int32)
    count = int(regions_of.max(initial=0))
    sizes = np.zeros(count + int(seeds_of.max(initial=0)) + 1, np.int64)

    def prepare(box: Box) -> NDArray[np.int32]:
        outer, core = canvas.grown(box, _REACH)
        here: NDArray[np.int32] = regions_of[np.asarray(regions[box.slices])]
        touching = np.unique(here[several[here]])
        if len(touching):
            around = regions_of[np.asarray(regions[outer.slices])]
            points = seeds_of[np.asarray(seeds[outer.slices])]
            here = _shared(around, points, touching, count)[core]
        return here

    def work(box: Box, here: NDArray[np.int32]) -> None:
        labels[box.slices] = here
        sizes[:] += np.bincount(here.ravel(), minlength=len(sizes))

    def finish() -> Columns:
        return {"numbers": _large(sizes, min_size)}

    numbers = (yield from canvas.run("separated", MESSAGE, prepare, work, finish))["numbers"]
    canvas.drop("regions", "seeds")
    return numbers


def _find_regions(canvas: Canvas, classes: Readable, class_id: int, cores: Readable) -> Generator[Event, None, Columns]:
    """Number regions and cores, and find the regions that have several."""
    regions, seeds = canvas.array("regions", np.int32), canvas.array("seeds", np.int32)
    areas, points = SeamLabels(canvas.shape[1], CORNERS), SeamLabels(canvas.shape[1])
    owners = [np.zeros(1, np.int64)]

    def prepare(box: Box) -> tuple[NDArray[np.bool_], ...]:
        mask = np.asarray(classes[box.slices]) == class_id
        return mask, (np.asarray(cores[box.slices]) >= CORE_FROM) & mask

    def work(box: Box, ready: tuple[NDArray[np.bool_], ...]) -> None:
        mask, sure = ready
        first = points.count
        area, point = areas.add(box, mask), points.add(box, sure)
        owner = np.zeros(points.count - first, np.int64)
        owner[point[sure] - first - 1] = area[sure]
        owners.append(owner)
        regions[box.slices], seeds[box.slices] = area, point

    def finish() -> Columns:
        area, point = areas.merged(), points.merged()
        large = point.sizes >= LEAST_CORE
        large[0] = False
        of_point = np.zeros(point.count + 1, np.int64)
        of_point[point.numbers] = area.numbers[np.concatenate(owners)]
        several = np.bincount(of_point[large], minlength=area.count + 1) > 1
        return {"several": several, "seeds": _only(point, large), "regions": area.numbers}

    return (yield from canvas.run("regions", MESSAGE, prepare, work, finish))


def _only(found: Numbering, kept: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the numbers of those that are kept; 0 for the others."""
    return np.where(kept[found.numbers], found.numbers, 0).astype(np.int32)


def _shared(
    regions: NDArray[np.int32], seeds: NDArray[np.int32], touching: NDArray[np.int32], count: int
) -> NDArray[np.int32]:
    """Return the regions with those that have several cores shared out: their numbers are `count` and the core's."""
    result = regions.copy()
    local = np.zeros(int(regions.max()) + 1, np.int32)
    local[touching] = np.arange(1, len(touching) + 1)
    for place, region in zip(ndimage.find_objects(local[regions]), touching, strict=True):
        mine = regions[place] == region
        own = np.where(mine, seeds[place], 0)
        numbers = np.unique(own[own > 0])
        if len(numbers):
            result[place][mine] = count + numbers[shared_out(own)[mine] - 1]
    return result


def _large(sizes: NDArray[np.int64], min_size: int) -> NDArray[np.int32]:
    """Return new numbers without gaps, 0 for what is too small and for the background."""
    kept = (sizes >= min_size) & (sizes > 0)
    kept[0] = False
    return np.where(kept, np.cumsum(kept), 0).astype(np.int32)
