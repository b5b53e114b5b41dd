"""Scripts of what the docks did, with the files they need. Qt-free: the worker imports it."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_microcnn.config import (
    ClassifierTrainConfig,
    ClassInfo,
    ImagingConfig,
    IsingConfig,
    NanoparticlesConfig,
    SegmentConfig,
    SteelConfig,
    TrainConfig,
    VoronoiConfig,
)
from napari_microcnn.events import Event, Finished, Job, Progress
from napari_microcnn.micrograph import Calibration, Micrograph
from napari_microcnn.ui.classify_tasks import OnePlace, Source, gathered
from napari_microcnn.ui.pairing import FilePair, OnDisk, PaintedImage

if TYPE_CHECKING:
    from napari_microcnn.io.scripts import Script, TrainingFiles

RESULT = "repeated.safetensors"
"""What the model is called that a script makes: never the name of one that is there."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """A training as it was started; the arguments of `tasks.train_model` that matter for the result."""

    data: Sequence[PaintedImage | FilePair]
    classes: Sequence[ClassInfo]
    config: TrainConfig
    resume: Path | None
    live: bool = False
    """Whether strokes or classes came while it ran."""


@dataclass(frozen=True, eq=False)
class Reading:
    """A segmentation as it was started, and the precision that it chose."""

    source: Micrograph | OnDisk
    model: str
    config: SegmentConfig
    precision: str | None


@dataclass(frozen=True, eq=False)
class Schooling:
    """A training of a classifier as it was started."""

    source: Source
    config: ClassifierTrainConfig


@dataclass(frozen=True)
class Drawing:
    """Synthetic pictures as they were made; only polycrystals have an imaging of their own."""

    structure: VoronoiConfig | NanoparticlesConfig | IsingConfig | SteelConfig
    imaging: ImagingConfig | None
    seed: int
    count: int


def write_script(done: Lesson | Reading | Schooling | Drawing, folder: Path) -> Job[Script]:
    """Write what was never in a file, and ``script.py``, into a folder; ends with the script.

    Parameters
    ----------
    done : Lesson, Reading, Schooling or Drawing
        What was done.
    folder : Path
        Gets images and annotations that are in no file, the script, and what it makes.

    Raises
    ------
    ValueError
        If the folder cannot be written.
    """
    from napari_microcnn.io.atomic import make_folder, replacing
    from napari_microcnn.io.scripts import classifier_script, segment_script, synth_script, train_script

    make_folder(folder)
    if isinstance(done, Lesson):
        files = yield from _training_files(done.data, folder)
        classes = sorted(done.classes, key=lambda info: info.id)
        script = train_script(files, classes, done.config, folder / RESULT, done.resume, live=done.live)
    elif isinstance(done, Reading):
        source = _image_file(done.source, folder, 1)
        script = segment_script(source, done.model, done.config, folder / "results", done.precision)
    elif isinstance(done, Schooling):
        source = yield from _labelled_images(done.source, folder)
        script = classifier_script(source, done.config, folder / RESULT)
    else:
        script = synth_script(done.structure, done.imaging, done.seed, done.count, folder / "pictures")
    with replacing(folder / "script.py") as unfinished:
        unfinished.write_text(script.text, encoding="utf-8")
    yield Finished(script)


def _training_files(
    data: Sequence[PaintedImage | FilePair], folder: Path
) -> Generator[Event, None, list[TrainingFiles]]:
    """Write every annotation, and the images that are in no file; returns what belongs together."""
    from napari_microcnn.io.scripts import TrainingFiles
    from napari_microcnn.io.write import write_image

    files = []
    for number, one in enumerate(data, start=1):
        if isinstance(one, FilePair):
            files.append(TrainingFiles(one.image, one.labels, one.validation))
            continue
        image = _image_file(one.source, folder, number)
        labels = folder / f"{_stem(one.source, number)}_labels.tif"
        write_image(labels, one.annotation, calibration=one.source.calibration)
        files.append(TrainingFiles(image, labels, one.validation))
        yield Progress(number, len(data), f"Writing {labels.name}")
    return files


def _labelled_images(source: Source, folder: Path) -> Generator[Event, None, Path]:
    """Return a folder or table of labelled images; where they are planes or regions, a new table with files."""
    from napari_microcnn.io.atomic import make_folder
    from napari_microcnn.io.write import write_image, write_table

    if isinstance(source, OnePlace):
        return source.path
    make_folder(folder / "images")
    collection = gathered(source)
    names = {info.id: info.name for info in collection.classes}
    files = []
    for number, image in enumerate(collection.images, start=1):
        axes = "YX" if image.pixels.ndim == 2 else "YXC"
        file = write_image(folder / "images" / f"{number:04d}.tif", image.pixels, axes, image.calibration)
        files.append(file.relative_to(folder).as_posix())
        yield Progress(number, len(collection.images), f"Writing {file.name}")
    columns = {
        "file": files,
        "class": [names[image.class_id] for image in collection.images],
        "micrograph": [image.micrograph for image in collection.images],
    }
    return write_table(folder / "images.csv", columns)


def _image_file(source: Micrograph | OnDisk, folder: Path, number: int) -> Path:
    """Return the file of an image; where its pixels or their size are not what the file says, a new one."""
    from napari_microcnn.io.write import write_image

    if isinstance(source, OnDisk):
        return source.path
    if source.path is not None and _same(source, source.path):
        return source.path
    return write_image(folder / f"{_stem(source, number)}.tif", source.pixels, source.axes, source.calibration)


def _same(micrograph: Micrograph, path: Path) -> bool:
    """Whether a file holds these pixels at this size."""
    from napari_microcnn.io.read import read_micrograph

    try:
        stored = read_micrograph(path)
    except ValueError:
        return False
    kinds = [(one.axes, one.pixels.shape, one.pixels.dtype) for one in (stored, micrograph)]
    if kinds[0] != kinds[1] or not _same_size(stored.calibration, micrograph.calibration):
        return False
    return bool(np.array_equal(np.asarray(stored.pixels), np.asarray(micrograph.pixels)))


def _same_size(one: Calibration | None, other: Calibration | None) -> bool:
    if one is None or other is None:
        return one is other
    return bool(np.allclose(one.to(other.unit).pixel_size, other.pixel_size, rtol=1e-6))


def _stem(source: Micrograph | OnDisk, number: int) -> str:
    return f"{number:03d} {re.sub(r'[^A-Za-z0-9_-]+', ' ', source.name).strip()}".strip()[:80]
