"""Images to train on, as they travel to the worker, and folders of them. Qt-free: the worker imports it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_microcnn.events import Finished, Job, Progress
from napari_microcnn.micrograph import Calibration, Micrograph

if TYPE_CHECKING:
    from napari_microcnn.data.annotations import Annotated

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class OnDisk:
    """An image that is too large to send: the worker reads it lazily itself."""

    path: Path
    calibration: Calibration | None
    name: str


@dataclass(frozen=True)
class FilePair:
    """An image file and its label image, which are read when they are needed."""

    image: Path
    labels: Path
    validation: bool = False


@dataclass(frozen=True, eq=False)
class PaintedImage:
    """An open image, its annotation as it was painted, and whether it only judges the network."""

    source: Micrograph | OnDisk
    annotation: Array
    validation: bool = False


@dataclass(frozen=True, eq=False)
class FolderPairs:
    """What two folders hold.

    Attributes
    ----------
    pairs : tuple of FilePair
    report : str
        What did not pair; empty if all did.
    ids : tuple of int
        Values in the label images.
    """

    pairs: tuple[FilePair, ...]
    report: str
    ids: tuple[int, ...]


def opened(source: Micrograph | OnDisk) -> Micrograph:
    """Return the image itself, read lazily if it is on disk."""
    if isinstance(source, Micrograph):
        return source
    from dataclasses import replace

    from napari_microcnn.io.read import read_micrograph

    micrograph = read_micrograph(source.path)
    return replace(micrograph, calibration=source.calibration, name=source.name)


def annotated(one: PaintedImage | FilePair) -> Annotated:
    """Return an image as the engine trains on it.

    Raises
    ------
    ValueError
        If a file cannot be read, or the two do not fit together.
    """
    from napari_microcnn.data.annotations import Annotated
    from napari_microcnn.data.files import read_annotated

    if isinstance(one, FilePair):
        return read_annotated(one.image, one.labels, validation=one.validation)
    micrograph = opened(one.source)
    return Annotated(micrograph.pixels, one.annotation, micrograph.name, micrograph.calibration, one.validation)


def pair_folders(images: Path, labels: Path, validation: bool) -> Job[FolderPairs]:
    """Pair the files of two folders by name, and look into all label images for the classes."""
    from napari_microcnn.data.files import read_class_ids
    from napari_microcnn.io.pairs import pair_files

    found, report = pair_files(images, labels)
    ids: set[int] = set()
    for index, (_, path) in enumerate(found):
        ids.update(read_class_ids(path))
        yield Progress(index + 1, len(found), f"Looking at {path.name}")
    pairs = tuple(FilePair(image, path, validation) for image, path in found)
    yield Finished(FolderPairs(pairs, report, tuple(sorted(ids))))
