"""Segmenting many files: what was done before is left as it is, and a bad file stops nobody."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from napari_microcnn.batch.cluster import Elsewhere
from napari_microcnn.batch.large import segment_large_file
from napari_microcnn.batch.table import check_batch, write_batch
from napari_microcnn.batch.writing import write_segmentation
from napari_microcnn.config import SegmentConfig
from napari_microcnn.device import MEMORY_ERRORS, give_back_memory, is_too_large, needed_memory, out_of_memory
from napari_microcnn.events import Alive, Event, FileDone, Finished, Job, Notice, Progress, TileDone
from napari_microcnn.io.atomic import make_folder
from napari_microcnn.io.errors import one_line, reason
from napari_microcnn.io.exchange import ENDINGS, check_dimensions, check_formats
from napari_microcnn.io.pairs import stem_of
from napari_microcnn.io.pdf import check_pdf
from napari_microcnn.io.provenance import describe_input, versions
from napari_microcnn.io.read import read_micrograph
from napari_microcnn.io.results import check_replaceable, is_done
from napari_microcnn.micrograph import Calibration, Micrograph
from napari_microcnn.models import Model, load_model
from napari_microcnn.predict.cluster import ClusterPredictor
from napari_microcnn.predict.cluster_workers import ClusterError
from napari_microcnn.predict.large import open_lazily
from napari_microcnn.predict.segment import segment

_Step = Generator[Event, None, list[Path]]


@dataclass(frozen=True)
class Batch:
    """What became of some files.

    Attributes
    ----------
    written : dict of Path to list of Path
        The results of every file that was done; none where an earlier run had done it in the same way.
    failed : dict of Path to str
        Why the others could not be done.
    about_all : list of Path
        Table, page and record of all files together; empty for a single one.
    """

    written: dict[Path, list[Path]] = field(default_factory=dict)
    failed: dict[Path, str] = field(default_factory=dict)
    about_all: list[Path] = field(default_factory=list)


@dataclass(frozen=True)
class _Run:
    folder: Path
    model: Model
    called: str
    settings: SegmentConfig
    calibration: Calibration | None
    pages: tuple[str, ...]
    formats: tuple[Any, ...]
    large: bool
    elsewhere: Elsewhere | None = None

    @cached_property
    def made_by(self) -> dict[str, Any]:
        """What stands in the record of every file that this run does."""
        return {"model": self.model.info(), "settings": self.settings.model_dump(), "versions": versions()}

    def do(self, path: Path) -> _Step:
        """Segment a file, unless that was done, and return what was written."""
        check_replaceable(self.folder, stem_of(path))
        opening = self._opened if self.elsewhere is None else self.elsewhere.opened
        with opening(path, self.large) as (opened, large):
            micrograph = replace(opened, calibration=self.calibration or opened.calibration)
            return (yield from self._do(path, micrograph, large))

    @contextmanager
    def _opened(self, path: Path, in_blocks: bool) -> Iterator[tuple[Micrograph, bool]]:
        """Open an image, and tell whether it is to be done block by block."""
        micrograph = read_micrograph(path)
        large = in_blocks or is_too_large(micrograph.plane_shape, micrograph.stack_shape)
        yield open_lazily(path) if large else micrograph, large

    def _do(self, path: Path, micrograph: Micrograph, large: bool) -> _Step:
        made_by = {"input": describe_input(micrograph), **self.made_by}
        kinds = [f".{kind}" for kind in self.pages] + [ENDINGS[kind] for kind in self.formats]
        if is_done(self.folder, stem_of(path), made_by, kinds):
            yield Notice("done before, in the same way.")
            return []
        if large and self.elsewhere is not None:
            self.elsewhere.later.append(path)
            return []
        if large:
            return (yield from self._do_large(micrograph, path))
        check_dimensions(self.formats, 2 + len(micrograph.stack_shape))
        gap = None
        if self.elsewhere is None:
            result = yield from _result(segment(micrograph, self.model, self.settings))
        else:
            result, gap = self.elsewhere.segment(micrograph, self.model, self.settings)
        job = write_segmentation(result, self.folder, path, self.called, pages=self.pages, also=self.formats, gap=gap)
        written: list[Path] = yield from _result(job)
        return written

    def _do_large(self, micrograph: Micrograph, path: Path) -> _Step:
        if self.pages or self.formats:
            raise ValueError(
                f"{path.name} is segmented block by block into an OME-Zarr; pages and other formats need it in memory, "
                f"so leave them out."
            )
        return (yield from segment_large_file(micrograph, self.model, self.called, self.settings, self.folder, path))


def segment_files(
    files: Sequence[Path],
    folder: Path,
    model: Model | str | Path,
    settings: SegmentConfig | None = None,
    *,
    called: str | None = None,
    calibration: Calibration | None = None,
    pages: Sequence[str] = (),
    formats: Sequence[str] = (),
    large: bool = False,
) -> Job[Batch]:
    """Segment files and measure what was found, one after the other.

    Of several files, ``batch.csv``, ``batch.html`` and ``batch.json`` tell about all. What an earlier run did in the
    same way is not done again, so that a run that was stopped or killed goes on where it was.

    Parameters
    ----------
    files : sequence of Path
        Micrographs, with different stems.
    folder : Path
        For the results; see `write_segmentation` for their names.
    model : Model, str or Path
        A segmenter, its file, or the name of a shipped one.
    settings : SegmentConfig, optional
    called : str, optional
        The model, as a command line names it.
    calibration : Calibration, optional
        Size of a pixel, instead of what the files say.
    pages : sequence of {"html", "pdf"}
        What reports every file gets.
    formats : sequence of str
        Further formats of the results, see `export_segmentation`.
    large : bool
        Whether every image is segmented block by block into an OME-Zarr, as those are that the memory is too small for.

    Yields
    ------
    Event
        `Progress` over all files, `Notice`, `FileDone` after each; last `Finished` with a `Batch`.

    Raises
    ------
    ValueError
        If nothing can be done: no files, no model, files of somebody else in the folder.
    """
    if not files:
        raise ValueError("There are no images to segment; name some, or a folder of them.")
    check_formats(formats)
    if "pdf" in pages:
        check_pdf()
    loaded = model if isinstance(model, Model) else load_model(model)
    make_folder(folder)
    if len(files) > 1:
        check_batch(folder, files)
    called = called or (loaded.name if isinstance(model, Model) else str(model))
    kinds = tuple(dict.fromkeys(formats))
    run = _Run(
        folder, loaded, called, settings or SegmentConfig(), calibration, tuple(dict.fromkeys(pages)), kinds, large
    )
    batch = Batch()
    if run.settings.scheduler is None or len(files) == 1:
        yield from _one_by_one(run, files, batch)
    else:
        yield from _spread(run, files, batch)
    if len(files) > 1:
        try:
            batch.about_all.extend(write_batch(folder, files, batch.failed))
        except (ValueError, OSError) as error:
            if not batch.failed:
                raise
            yield Notice(one_line(error))
    yield Finished(batch)


def _one_by_one(run: _Run, files: Sequence[Path], batch: Batch) -> Generator[Event, None, None]:
    for number, path in enumerate(files, 1):
        yield Progress(number - 1, len(files), path.name)
        yield from _tried(run, path, number, len(files), batch)


def _spread(run: _Run, files: Sequence[Path], batch: Batch) -> Generator[Event, None, None]:
    """Do several files at a time on a cluster; what is said of one comes when it is done."""
    done = 0
    with closing(ClusterPredictor(run.model, run.settings)) as cluster:
        elsewhere = Elsewhere(cluster)
        there = replace(run, elsewhere=elsewhere)

        def do(path: Path) -> tuple[Batch, list[Event]]:
            alone = Batch()
            return alone, list(_tried(there, path, 1, len(files), alone))

        for path, (alone, events) in cluster.each(do, files):
            if path in elsewhere.later:
                continue
            done += 1
            batch.written.update(alone.written)
            batch.failed.update(alone.failed)
            for event in events:
                if isinstance(event, FileDone):
                    yield replace(event, number=done)
                elif isinstance(event, Notice):
                    yield event
            yield Progress(done, len(files), path.name)
    for number, path in enumerate(elsewhere.later, done + 1):
        yield from _tried(replace(run, large=True), path, number, len(files), batch)


def _tried(run: _Run, path: Path, number: int, total: int, batch: Batch) -> Generator[Event, None, None]:
    """Do one file, and note what became of it."""
    too_large = False
    try:
        batch.written[path] = yield from _counted(run.do(path), number, total, path.name)
    except ClusterError:
        raise  # the other files would have no better luck
    except (ValueError, OSError) as error:
        batch.failed[path] = reason(path, error)
    except MEMORY_ERRORS as error:
        if not out_of_memory(error):
            raise
        too_large = True
    if too_large:  # only now is free what the error still held
        give_back_memory()
        batch.failed[path] = _too_large(path, run.large)
    yield FileDone(path, number, total, tuple(batch.written.get(path, ())), batch.failed.get(path))


def _too_large(path: Path, in_blocks: bool) -> str:
    """Return what to say of a file that the memory was too small for."""
    try:
        shown = open_lazily(path)
    except (ValueError, OSError, *MEMORY_ERRORS):  # not even for looking at it again is there room
        least = needed_memory() / 1e6
        return (
            f"{path.name}: the memory is too small, even block by block it takes about {least:,.0f} MB; close other "
            "programs."
        )
    if in_blocks or is_too_large(shown.plane_shape, shown.stack_shape):
        least = needed_memory() / 1e6
        return (
            f"{path.name}: the memory is too small, even block by block it takes about {least:,.0f} MB; close other "
            "programs. What was done is kept, and the same command goes on from there."
        )
    needed = needed_memory(shown.plane_shape, shown.stack_shape) / 1e6
    return (
        f"{path.name}: the memory is too small, it takes about {needed:,.0f} MB; close other programs, or do it "
        "block by block into an OME-Zarr with --large."
    )


def _result(job: Job[Any]) -> Generator[Event, None, Any]:
    """Pass the events of a job on, and return its result."""
    with closing(job):
        for event in job:
            if isinstance(event, Finished):
                return event.result
            yield event
    raise RuntimeError("A job ended without a result.")


def _counted(step: _Step, number: int, total: int, name: str) -> _Step:
    """Pass the events of one file on, tiles as a part of all files."""
    with closing(step):
        while True:
            try:
                event = next(step)
            except StopIteration as end:
                return list(end.value)
            if isinstance(event, TileDone):
                before = (number - 1) * event.total
                yield Progress(before + event.done, total * event.total, f"{name}, tile {event.done} of {event.total}")
            elif isinstance(event, Notice) and total > 1:
                yield Notice(f"{name}: {event.message}")
            else:
                yield Alive() if isinstance(event, Progress) else event
