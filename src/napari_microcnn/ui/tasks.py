"""What the docks let a worker do: jobs of the engine with arguments and results that can travel.

Each function is a generator of events and runs in the worker process (`serve`). Models stay there as
files, because the window must never import torch. Imports of the engine are inside the functions, so
that importing this module for its name costs nothing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_microcnn.config import ClassInfo, ImagingConfig, SegmentConfig, TrainConfig, VoronoiConfig
from napari_microcnn.events import Alive, Change, EpochDone, FileDone, Finished, ImageAdded, Job, Notice
from napari_microcnn.io.errors import WriteError
from napari_microcnn.micrograph import Calibration, Micrograph
from napari_microcnn.ui.models import ModelFile, read_model_file
from napari_microcnn.ui.pairing import FilePair, OnDisk, PaintedImage, annotated, opened
from napari_microcnn.ui.serve import Urgent

if TYPE_CHECKING:
    from napari_microcnn.batch import Batch

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Picture:
    """A synthetic micrograph: image uint8, grains int32, boundaries uint8, all (Y, X); triple points (N, 2)."""

    image: Array
    grains: Array
    boundaries: Array
    triple_points: Array
    count: int


@dataclass(frozen=True, eq=False)
class Segmented:
    """The answer for one image, measured.

    Attributes
    ----------
    classes : numpy.ndarray uint8
        Class map, stack axes and (Y, X).
    labels : numpy.ndarray uint16 or int32, or None
        Numbered objects; uint16 where it suffices, which napari draws without converting it.
    outlines : numpy.ndarray uint8 or None
        1 on the outlines of the objects.
    summary : str
        For people.
    magnification : tuple of float
        Of every plane.
    computed : dict
        Device, precision and all magnifications, for the provenance.
    segments : Segments or None
        Boundary segments with their confidence, where a single plane was searched for grains.
    covered : tuple of tuple of int
        (top, bottom, left, right) of the databar and plates that were left out of the first plane.
    """

    classes: Array
    labels: Array | None
    outlines: Array | None
    summary: str
    magnification: tuple[float, ...]
    computed: dict[str, Any]
    segments: Any = None
    covered: tuple[tuple[int, int, int, int], ...] = ()


@dataclass(frozen=True, eq=False)
class SegmentationDone(Urgent):
    """The answer for one image is there; how far to trust it is found out next."""

    found: Segmented


def synthesise(structure: VoronoiConfig, imaging: ImagingConfig, seed: int) -> Job[Picture]:
    """Make one picture."""
    from napari_microcnn.synth import image, uncovered

    whole = _structure(structure, seed)
    made = uncovered(whole, imaging)
    grains, boundaries = made.grains, made.boundaries.astype(np.uint8)
    yield Finished(Picture(image(whole, imaging, seed), grains, boundaries, made.triple_points, _number(grains)))


def _number(grains: Array) -> int:
    return int(np.count_nonzero(np.bincount(grains.ravel())[1:]))  # ten times as fast as unique


@lru_cache(maxsize=1)
def _structure(structure: VoronoiConfig, seed: int) -> Any:
    """Return the same grains again while the user changes only how they are imaged: half the time."""
    from napari_microcnn.synth import voronoi

    return voronoi(structure, seed)


def make_pictures(structure: VoronoiConfig, imaging: ImagingConfig, seed: int, count: int, folder: Path) -> Job[Path]:
    """Write training pictures; see `napari_microcnn.make_pictures`."""
    from napari_microcnn.data.pictures import make_pictures as make

    yield from make(structure, imaging, seed, count, folder)


def segment_image(source: Micrograph | OnDisk, model: Path, config: SegmentConfig) -> Job[tuple[str, str]]:
    """Segment an image and measure what was found.

    Yields
    ------
    Event
        `SegmentationDone` with the answer; in the end a traffic light and a sentence on how far the image is from what
        the model knows.
    """
    from napari_microcnn.predict.gap import domain_gap
    from napari_microcnn.predict.segment import segment

    micrograph = opened(source)
    with closing(segment(micrograph, str(model), config)) as job:
        for event in job:
            if not isinstance(event, Finished):
                yield event
                continue
            found = event.result
            yield SegmentationDone(_measured(found, micrograph.calibration))
            gap = domain_gap(micrograph, found.model, config, found.magnification[len(found.magnification) // 2])
            yield Finished((gap.light, gap.sentence))


def segment_folder(
    images: Path, results: Path, model: Path, called: str, config: SegmentConfig, pages: Sequence[str]
) -> Job[Batch]:
    """Segment the images of a folder, without remarks on each of them; see `napari_microcnn.segment_files`."""
    from napari_microcnn.batch import segment_files
    from napari_microcnn.io.inputs import micrographs_in

    through = False
    with closing(segment_files(micrographs_in(images), results, model, config, called=called, pages=pages)) as job:
        for event in job:
            through = through or (isinstance(event, FileDone) and event.number == event.total)
            yield Alive() if isinstance(event, Notice) and not through else event


def _measured(found: Any, calibration: Calibration | None) -> Segmented:
    """Return what the window shows of a `Segmentation`."""
    from napari_microcnn.measure.segments import find_segments

    rule = found.model.objects if found.config.objects is None else None
    lines = found.boundary if found.labels is not None and found.labels.ndim == 2 else None
    first = found.overlays[0]
    field = (..., *first.field.slices)  # the databar is no area of any class
    inside = None if found.labels is None else found.labels[field]
    word = "grains" if rule is not None and rule.kind == "grains" else "objects"
    return Segmented(
        classes=found.classes,
        labels=_compact(found.labels),
        outlines=None if found.labels is None else outlines(found.labels),
        summary=summary_of(found.classes[field], inside, found.model.classes, calibration, word),
        magnification=found.magnification,
        computed=found.computed,
        segments=None if lines is None else find_segments(found.labels, lines),
        covered=tuple(tuple(box) for box in first.boxes),
    )


def _compact(labels: Array | None) -> Array | None:
    suffices = labels is not None and labels.max(initial=0) <= np.iinfo(np.uint16).max
    return labels.astype(np.uint16) if suffices else labels


def summary_of(
    classes: Array, labels: Array | None, infos: Sequence[ClassInfo], calibration: Calibration | None, word: str
) -> str:
    """Return area fractions, number and mean size of the objects, for people."""
    from napari_microcnn.measure import summarise
    from napari_microcnn.measure.units import length_unit

    names = {info.id: info.name for info in infos}
    found = summarise(classes=classes, labels=labels, calibration=calibration, class_names=names)
    text = " · ".join(f"{name} {100 * found[f'area_fraction_{name}']:.1f} %" for name in names.values())
    if labels is None:
        return text
    unit = length_unit(calibration)
    mean, spread = (found[f"{kind}_equivalent_circular_diameter_{unit}"] for kind in ("mean", "std"))
    shown = calibration.unit if calibration else "px"
    text += f"\n{found['objects']} {word}, {found['objects_touching_border']} of them cut by the border"
    return text if mean != mean else f"{text}\nmean diameter {mean:.4g} ± {spread:.2g} {shown}"


def outlines(labels: Array) -> Array:
    """Return uint8, 1 where a pixel's right or lower neighbour belongs to another object.

    Parameters
    ----------
    labels : numpy.ndarray of integers, (..., Y, X)

    Examples
    --------
    >>> outlines(np.array([[1, 1, 2]]))
    array([[0, 1, 0]], dtype=uint8)
    """
    edge = np.zeros(labels.shape, np.uint8)
    edge[..., :, :-1] |= labels[..., :, :-1] != labels[..., :, 1:]
    edge[..., :-1, :] |= labels[..., :-1, :] != labels[..., 1:, :]
    return edge


def train_model(
    data: Sequence[PaintedImage | FilePair],
    classes: Sequence[ClassInfo],
    config: TrainConfig,
    folder: Path,
    name: str,
    resume: Path | None = None,
    preview: tuple[int, tuple[slice, slice]] | None = None,
    changes: Callable[[], Sequence[Change | PaintedImage]] | None = None,
) -> Job[ModelFile]:
    """Train a model; the best weights so far are always in a file, so stopping loses nothing.

    Parameters
    ----------
    data : sequence of PaintedImage or FilePair
    classes, config
        As for `napari_microcnn.train.segmenter.train_segmenter`.
    folder, name : Path, str
        The model is saved there under this name.
    resume : Path, optional
        Model to go on with.
    preview : int and region, optional
        Which part of which image is shown while the training runs.
    changes : callable, optional
        As for `train_segmenter`; an image that joins comes as `PaintedImage`.
    """
    from napari_microcnn.models import load_model
    from napari_microcnn.train.segmenter import train_segmenter

    before = load_model(resume) if resume else None
    told = None if changes is None else partial(_understood, changes)
    images = [annotated(one) for one in data]
    with closing(train_segmenter(images, classes, config, resume=before, preview=preview, changes=told)) as job:
        for event in job:
            model = event.model if isinstance(event, EpochDone) else getattr(event, "result", None)
            if model is None:
                yield event
                continue
            try:
                kept = _kept(model, folder, name)
            except WriteError as error:  # a disk that has become full must not cost a training
                folder = Path(tempfile.mkdtemp(prefix="napari-microcnn-"))
                yield Notice(f"{error} The model is in {folder} instead.")
                kept = _kept(model, folder, name)
            yield replace(event, model=kept) if isinstance(event, EpochDone) else Finished(kept)


def _understood(changes: Callable[[], Sequence[Change | PaintedImage]]) -> list[Change]:
    """Return what was told, for the engine."""
    return [ImageAdded(annotated(one)) if isinstance(one, PaintedImage) else one for one in changes()]


def _kept(model: Any, folder: Path, name: str) -> ModelFile:
    """Save a model and return the file in its place: a network cannot travel to the window."""
    from napari_microcnn.models import save_model

    path = save_model(replace(model, name=name), folder / f"{name}.safetensors")
    return read_model_file(path, name)
