"""Labelled images: what a classifier learns from, and which of them belong to the same micrograph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from napari_microcnn.config import PALETTE, ClassInfo
from napari_microcnn.micrograph import Calibration, Pixels

LEAST_SIDE = 8
"""Images of fewer pixels along a side hold no structure."""


@dataclass(frozen=True, eq=False)
class ClassifiedImage:
    """An image, its class, and the micrograph that it was cut from.

    Attributes
    ----------
    pixels : array, (Y, X) or (Y, X, C)
        Real numbers of any type; may be lazy.
    class_id : int
    name : str
        For tables and messages.
    micrograph : str
        Images with the same text here are parts of one micrograph, and never judge each other.
    calibration : Calibration or None
        Size of a pixel.

    Raises
    ------
    ValueError
        If the axes are others, the image is too small, or it holds no real numbers.
    """

    pixels: Pixels
    class_id: int
    name: str
    micrograph: str
    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        if self.pixels.ndim not in (2, 3):
            raise ValueError(f"{self.name}: an image has the axes YX or YXC, not the shape {self.pixels.shape}.")
        if self.pixels.dtype.kind not in "buif":
            raise ValueError(f"{self.name}: pixels must be real numbers, not {self.pixels.dtype}.")
        if min(self.pixels.shape[:2]) < LEAST_SIDE:
            raise ValueError(
                f"{self.name} is {self.pixels.shape[1]} x {self.pixels.shape[0]} pixels; an image to classify needs "
                f"{LEAST_SIDE} along each side."
            )

    @property
    def channels(self) -> int:
        """Number of channels; 1 without a channel axis."""
        return int(self.pixels.shape[2]) if self.pixels.ndim == 3 else 1


@dataclass(frozen=True, eq=False)
class Collection:
    """Images with their classes.

    Attributes
    ----------
    images : tuple of ClassifiedImage
    classes : tuple of ClassInfo
    notices : tuple of str
        What the user should know of how it was gathered: files that were skipped, and the like.
    """

    images: tuple[ClassifiedImage, ...]
    classes: tuple[ClassInfo, ...]
    notices: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[int, int]:
        """Number of images of every class, by its id."""
        found = Counter(image.class_id for image in self.images)
        return {info.id: found[info.id] for info in self.classes}

    def describe(self) -> str:
        """Return numbers of images, classes and micrographs for people."""
        counts = self.counts
        parts = ", ".join(f"{info.name} {counts[info.id]}" for info in self.classes)
        micrographs = len({image.micrograph for image in self.images})
        return f"{len(self.images)} images of {micrographs} micrographs: {parts}"

    def check_trainable(self) -> None:
        """Make sure that something can be learnt, and judged, from these images.

        Raises
        ------
        ValueError
            If there are fewer than two classes, or a class has fewer than two images.
        """
        if not self.images:
            raise ValueError("There is no image to learn from; name a folder with one folder of images per class.")
        counts = self.counts
        named = [info for info in self.classes if counts[info.id]]
        if len(named) < 2:
            raise ValueError(
                f"All images are of the class {named[0].name!r}; a classifier needs images of two classes at least."
            )
        empty = [info.name for info in self.classes if not counts[info.id]]
        if empty:
            raise ValueError(f"There is no image of the class {empty[0]!r}; add some, or remove the class.")
        single = [info.name for info in self.classes if counts[info.id] == 1]
        if single:
            raise ValueError(
                f"The class {single[0]!r} has one image only: one to learn from and one to judge by are the least; "
                f"add images, or remove the class."
            )


def joined(collections: Sequence[Collection]) -> Collection:
    """Return collections as one; classes are the same where their names are.

    Raises
    ------
    ValueError
        If two names of classes differ in nothing but capitals or spaces.
    """
    names = [info.name for one in collections for info in one.classes]
    classes = named_classes(names)
    ids = {info.name: info.id for info in classes}
    images = []
    for one in collections:
        of_id = {info.id: ids[info.name] for info in one.classes}
        images += [_renumbered(image, of_id[image.class_id]) for image in one.images]
    return Collection(tuple(images), classes, tuple(notice for one in collections for notice in one.notices))


def named_classes(names: Iterable[str]) -> tuple[ClassInfo, ...]:
    """Return classes for names, numbered from 0 in alphabetical order, each name once.

    Raises
    ------
    ValueError
        If a name is empty or too long, two differ in nothing but capitals or spaces, or there are too many.
    """
    distinct = sorted(set(names))
    alike: dict[str, str] = {}
    for name in distinct:
        other = alike.setdefault(" ".join(name.casefold().split()), name)
        if other != name:
            raise ValueError(f"The classes {other!r} and {name!r} have the same name but for its spelling; use one.")
        if not name.strip() or len(name) > 80:
            raise ValueError(f"{name!r} is no name for a class; use 1 to 80 characters.")
    if len(distinct) > 255:
        raise ValueError(f"There are {len(distinct)} classes; 255 are the most. Is a column of numbers meant as text?")
    return tuple(
        ClassInfo(id=index, name=name, colour=PALETTE[index % len(PALETTE)]) for index, name in enumerate(distinct)
    )


def _renumbered(image: ClassifiedImage, class_id: int) -> ClassifiedImage:
    return ClassifiedImage(image.pixels, class_id, image.name, image.micrograph, image.calibration)
