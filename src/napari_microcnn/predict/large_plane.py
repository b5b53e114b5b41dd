"""One plane that is not held in memory: tiles, objects and classes, each block written as it comes."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.config import ObjectRule
from napari_microcnn.data.databar import overlays_of
from napari_microcnn.data.normalisation import IntensityLimits, intensity_limits
from napari_microcnn.data.resampling import sample_windows, zoomed_shape
from napari_microcnn.data.windows import Box
from napari_microcnn.device import give_back_memory
from napari_microcnn.events import Event, Notice, TileDone
from napari_microcnn.io.multiscale import MultiscaleImage
from napari_microcnn.micrograph import Pixels
from napari_microcnn.predict.answer import in_plane, likeliest
from napari_microcnn.predict.canvas import Canvas, Columns, Mean, Nearest, Readable
from napari_microcnn.predict.instances import grain_boundaries, largest_around
from napari_microcnn.predict.large_grains import MESSAGE as CLOSING
from napari_microcnn.predict.large_grains import GrainCloser
from napari_microcnn.predict.large_particles import MESSAGE as NUMBERING
from napari_microcnn.predict.large_particles import label_blocks, separate_blocks
from napari_microcnn.predict.large_work import Work, plane_name
from napari_microcnn.predict.magnification import at_magnification, limits_of
from napari_microcnn.predict.merged_objects import MergedObjects
from napari_microcnn.predict.seams import CORNERS, SeamLabels
from napari_microcnn.predict.segment import OVERLAY_LEFT_OUT, SAMPLE, look_over
from napari_microcnn.predict.tiles import Tile

_WRITING = "Writing the class map"
_SWEEP = 8
"""Tiles after which freed memory is handed back, so that its scraps do not pile up."""


class LargePlane:
    """Segments one plane; what was done before an interruption is not done again.

    Parameters
    ----------
    work : Work
    place : int
        Number of planes that are done.
    index : tuple of int
        Of this one in the stack.
    """

    def __init__(self, work: Work, place: int, index: tuple[int, ...]) -> None:
        self._work, self._place, self._index = work, place, index
        self._plane: Pixels = work.micrograph.pixels[index]
        self._name = plane_name(index)
        self._overlays = overlays_of(self._plane, work.micrograph.metadata)
        self._shape = self._overlays.field.shape
        self._canvas = Canvas(work.scratch, self._name, self._shape, work.block)

    def run(self) -> Generator[Event, None, None]:
        """Do all that is left to do."""
        work = self._work
        if self._overlays:
            yield from work.tell(OVERLAY_LEFT_OUT)
        seen = work.convert(self._plane[self._overlays.field.slices])
        views = yield from self._views(seen)
        for number, (factor, limits) in enumerate(views):
            yield from self._predict(number, factor, limits, seen, len(views))
        give_back_memory()  # what the network needed
        factors = [factor for factor, _ in views]
        beneath = self._view(0, factors[0]).array("classes", np.uint8)
        boundary = Mean([self._view(n, f).array("boundary", np.float32) for n, f in enumerate(factors)])
        if work.rule is not None and work.labels is not None:
            yield from self._number(work.rule, factors[0], beneath, boundary)
        yield from self._draw(Nearest(beneath, self._shape), boundary)
        for number, factor in enumerate(factors):
            self._view(number, factor).drop("classes", "boundary", "cores")
        self._canvas.drop("bridges")

    def _view(self, number: int, factor: float) -> Canvas:
        seen = self._shape if factor == 1 else zoomed_shape(self._shape, factor)
        return Canvas(self._work.scratch, f"{self._name}-view{number}", seen, self._work.block)

    def _views(self, seen: Pixels) -> Generator[Event, None, list[tuple[float, IntensityLimits]]]:
        """Find the magnifications, and the limits of the grey values at each."""
        work, name = self._work, f"{self._name}-views"
        if name not in work.scratch:
            factors, remarks = look_over(work.predictor, seen, work.model, work.config, work.rule)
            for remark in remarks:
                yield from work.tell(remark)
            limits = []
            for factor in factors:
                source = at_magnification(seen, factor)
                limits.append(
                    intensity_limits(seen) if source is seen else limits_of(sample_windows(source, side=SAMPLE))
                )
            centres, scales = zip(*limits, strict=True)
            work.scratch.save(
                name,
                factors=np.array(factors),
                centres=np.array(centres),
                scales=np.array(scales),
                rows=np.array(self._overlays.field.bottom),
            )
        found = work.scratch.load(name)
        return [
            (float(factor), IntensityLimits(centre, scale))
            for factor, centre, scale in zip(found["factors"], found["centres"], found["scales"], strict=True)
        ]

    def _predict(
        self, number: int, factor: float, limits: IntensityLimits, seen: Pixels, views: int
    ) -> Generator[Event, None, None]:
        """Predict the tiles that are left, at one magnification; those that are looked at first."""
        work, canvas = self._work, self._view(number, factor)
        source = at_magnification(seen, factor)
        tiles = list(enumerate(Canvas(work.scratch, "", canvas.shape, work.tile).blocks))
        planes = int(np.prod(work.micrograph.stack_shape))
        before, total = (self._place * views + number) * len(tiles), planes * views * len(tiles)
        tiles.sort(key=lambda tile: self._distance(tile[1], canvas.shape))
        names = {index: f"{canvas.name}-tile{index}" for index, _ in tiles}
        left = {index: box for index, box in tiles if names[index] not in work.scratch}
        clock = enumerate(work.predictor.boxes(source, limits, left), before + len(tiles) - len(left) + 1)
        with ThreadPoolExecutor(1) as thread:  # one tile is written while the next one is predicted
            written: Future[TileDone] | None = None
            for done, (index, events) in clock:
                yield from (event for event in events if isinstance(event, Notice))
                parts = [event for event in events if isinstance(event, Tile)]
                told = written.result() if written is not None else None
                written = thread.submit(self._keep, canvas, names[index], left[index], parts, (done, total))
                if told is not None:
                    yield told
                if done % _SWEEP == 0:
                    give_back_memory()
            if written is not None:
                yield written.result()
        work.classes.flush()

    def _distance(self, tile: Box, seen: tuple[int, int]) -> float:
        if self._work.first is None:
            return 0.0
        row, column = self._work.middle_of_view
        middle = (row - self._overlays.field.top, column)
        sides = ((tile.top, tile.bottom), (tile.left, tile.right))
        return max(
            max(low - point * there / here, 0.0, point * there / here - high)
            for (low, high), point, here, there in zip(sides, middle, self._shape, seen, strict=True)
        )

    def _keep(self, canvas: Canvas, name: str, box: Box, parts: list[Tile], count: tuple[int, int]) -> TileDone:
        """Keep what is needed of a tile, which may have been predicted in parts."""
        work, shown = self._work, np.empty(box.shape, np.uint8)
        for tile in parts:
            classes = work.ids[likeliest(tile.probabilities)]
            rows, cols = tile.region
            shown[rows.start - box.top : rows.stop - box.top, cols.start - box.left : cols.stop - box.left] = classes
            if (line := work.line) is not None:
                canvas.array("boundary", np.float32)[tile.region] = tile.probabilities[line]
                # Boundaries are drawn in the end, from probabilities in the image's own pixels; here what lies beneath.
                classes = np.delete(work.ids, line)[likeliest(np.delete(tile.probabilities, line, 0))]
            if tile.cores is not None:
                canvas.array("cores", np.float32)[tile.region] = tile.cores
            canvas.array("classes", np.uint8)[tile.region] = classes
        region = self._show(shown, box, canvas.shape)
        work.scratch.note(name)
        done, total = count
        return TileDone(done, total, self._index, region, shown, work.seconds_left(total - done), None)

    def _show(self, classes: NDArray[np.uint8], box: Box, seen: tuple[int, int]) -> tuple[slice, slice]:
        """Write the classes of a tile as a preview; returns where it lies in the image."""
        rows, cols = in_plane(box.slices, self._shape, seen)
        size = (rows.stop - rows.start, cols.stop - cols.start)
        whole = (slice(0, size[0]), slice(0, size[1]))
        self._write(self._work.classes, rows, cols, Nearest(classes, size)[whole].copy())
        top = self._overlays.field.top
        return slice(rows.start + top, rows.stop + top), cols

    def _write(self, image: MultiscaleImage, rows: slice, cols: slice, values: NDArray[Any]) -> NDArray[Any]:
        """Write a region of the field, 0 where the microscope wrote something; returns it so."""
        top = rows.start + self._overlays.field.top
        for plate in self._plates(rows, cols):
            values[plate] = 0
        image.put((*self._index, slice(top, top + len(values)), cols), values)
        return values

    def _plates(self, rows: slice, cols: slice) -> Iterator[tuple[slice, slice]]:
        """Yield where plates lie in a region of the field."""
        top, left = rows.start + self._overlays.field.top, cols.start
        for plate in self._overlays.plates:
            yield (
                slice(max(0, plate.top - top), max(0, plate.bottom - top)),
                slice(max(0, plate.left - left), max(0, plate.right - left)),
            )

    def _number(
        self, rule: ObjectRule, factor: float, beneath: Readable, boundary: Mean
    ) -> Generator[Event, None, None]:
        """Number the objects in the pixels in which they are told apart, and write and add them up in the image's."""
        seen = self._view(0, factor).shape
        smallest = self._work.config.min_size
        scaled = max(1, round(smallest * factor**2))
        if rule.kind == "grains":
            finer = factor > 1
            fitting = self._fitting(seen if finer else self._shape)
            closer = GrainCloser(fitting, boundary.at(fitting.shape), scaled if finer else smallest)
            numbers, source = (yield from closer.run()), closer.grown
        elif rule.kind == "touching":
            fitting = self._fitting(seen)
            cores = self._view(0, factor).array("cores", np.float32)
            numbers = yield from separate_blocks(fitting, beneath, rule.class_id, cores, scaled)
            source = fitting.array("labels", np.int32)
        else:
            fitting = self._fitting(self._shape)
            numbers = yield from label_blocks(fitting, Nearest(beneath, self._shape), rule.class_id, smallest)
            source = fitting.array("labels", np.int32)
        labels = Nearest(source, self._shape, numbers)
        yield from self._write_labels(labels, int(numbers.max(initial=0)))
        if rule.kind == "grains":
            yield from self._find_bridges(labels, boundary.at(self._shape))
        fitting.drop("grown", "labels")

    def _fitting(self, shape: tuple[int, int]) -> Canvas:
        """Return where objects are told apart, with so many pixels."""
        block = self._work.block
        return Canvas(self._work.scratch, f"{self._name}-objects", shape, block, lasting=max(shape) > block)

    def _write_labels(self, labels: Readable, count: int) -> Generator[Event, None, None]:
        objects, top = MergedObjects(count), self._overlays.field.top

        def prepare(box: Box) -> NDArray[np.int32]:
            return np.array(labels[box.slices])

        def work(box: Box, values: NDArray[np.int32]) -> None:
            if self._work.labels is not None:
                values = self._write(self._work.labels, *box.slices, values)
                objects.add(box._replace(top=box.top + top, bottom=box.bottom + top), values)

        def finish() -> Columns:
            if self._work.labels is not None:
                self._work.labels.flush()
            return objects.columns()

        yield from self._canvas.run("objects", NUMBERING, prepare, work, finish)

    def _find_bridges(self, labels: Readable, boundary: Readable) -> Generator[Event, None, None]:
        """Find the borders between grains that fill gaps of the boundary; see `instances.bridges`."""
        seams, wanted = SeamLabels(self._shape[1], CORNERS), [np.zeros(0, np.int64)]
        pieces = self._canvas.array("bridges", np.int32)

        def prepare(box: Box) -> tuple[NDArray[np.bool_], ...]:
            outer, core = self._canvas.grown(box, 1)
            found = np.asarray(boundary[outer.slices]) > 0.5
            beside = grain_boundaries(labels[outer.slices])[core] & ~found[core]
            return beside, beside & ~largest_around(found)[core]

        def work(box: Box, ready: tuple[NDArray[np.bool_], ...]) -> None:
            beside, apart = ready
            pieces[box.slices] = here = seams.add(box, beside)
            wanted.append(np.unique(here[apart]))

        def finish() -> Columns:
            merged, flags = seams.merged(), np.zeros(seams.count + 1, bool)
            flags[np.concatenate(wanted)] = True
            return {"wanted": merged.flags(flags)[merged.numbers]}

        yield from self._canvas.run("bridges", CLOSING, prepare, work, finish)

    def _draw(self, beneath: Readable, boundary: Mean) -> Generator[Event, None, None]:
        """Write the final class map and count its pixels."""
        line, counts = self._work.line, np.zeros(256, np.int64)
        wanted: NDArray[np.bool_] = np.zeros(1, bool)
        if line is not None and f"{self._canvas.name}-bridges" in self._work.scratch:
            wanted = self._work.scratch.load(f"{self._canvas.name}-bridges")["wanted"]

        def prepare(box: Box) -> NDArray[np.uint8]:
            values = np.array(beneath[box.slices])
            if line is not None:
                found = np.asarray(boundary.at(self._shape)[box.slices]) > 0.5
                pieces = self._canvas.array("bridges", np.int32)[box.slices]
                values[found | wanted[pieces]] = self._work.ids[line]
            return values

        def work(box: Box, values: NDArray[np.uint8]) -> None:
            plates = list(self._plates(*box.slices))
            specimen = np.ones(box.shape if plates else (), bool)
            for plate in plates:
                specimen[plate] = False
            counts[:] += np.bincount(values[specimen].ravel(), minlength=256)
            self._write(self._work.classes, *box.slices, values)

        def finish() -> Columns:
            self._work.classes.flush()
            return {"counts": counts}

        yield from self._canvas.run("classes", _WRITING, prepare, work, finish)
