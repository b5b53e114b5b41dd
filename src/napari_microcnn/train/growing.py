"""Annotation that grows while a network learns from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.config import ClassInfo
from napari_microcnn.data import IGNORE, Annotated
from napari_microcnn.data.databar import field_limits
from napari_microcnn.data.patches import Source, annotated_box
from napari_microcnn.data.splitting import hold_out, without
from napari_microcnn.events import AnnotationChanged
from napari_microcnn.train.preparation import TrainingData, check, check_pixels, class_weights, count_pixels


class _Page:
    """One image, its annotation, and which part of that is held out."""

    def __init__(self, data: Annotated) -> None:
        self.data = data
        self.annotation = data.annotation.copy()
        self.targets = np.full(data.annotation.shape, IGNORE, np.uint8)
        self.held = np.zeros(data.annotation.shape, bool)
        self.shared = np.zeros(data.annotation.shape, bool)
        """Judged on although it is learnt from: too little to hold any of it out."""
        self.limits = field_limits(data.image)
        self.refused = False
        self._box: tuple[slice, slice] | None = None
        self._pixels: NDArray[Any] | None = None

    def hold_out(self, region: tuple[slice, slice], fresh: NDArray[np.uint8], k: int, rng: np.random.Generator) -> None:
        """Hold out a part of what is new in a region, never the whole of it."""
        held, too_small = hold_out(fresh, k, rng)
        new = fresh != IGNORE
        self.held[region] = np.where(new, held, self.held[region])
        self.shared[region] = np.where(new, np.isin(fresh, too_small), self.shared[region])

    def source(self, margin: int) -> tuple[Source, tuple[slice, slice]]:
        """Return the annotated part, and where it lies; lazy images are read again only when it has grown."""
        box = annotated_box(self.targets, margin)
        if self._pixels is None or self._box is None or not _within(box, self._box):
            self._box, self._pixels = box, np.asarray(self.data.image[box])
        return Source(self._pixels, self.targets[self._box], self.limits), self._box


class GrowingData:
    """Images with an annotation that can change.

    What is held out once stays held out, and of what is new about a fifth is: a new stroke is
    always learnt from, and the score of the network stays honest.

    Parameters
    ----------
    data, classes : sequence
        As for `train_segmenter`.
    dense : bool
        Whether 0 is a class.
    margin : int
        How far a patch can reach beyond the annotation, in pixels.
    rng : numpy.random.Generator

    Attributes
    ----------
    images : list of Annotated
        In the order of their indices; grows.
    notices : list of str
        What the user should know about what was given at first.

    Raises
    ------
    ValueError
        If there is nothing to learn from.
    """

    def __init__(
        self,
        data: Sequence[Annotated],
        classes: Sequence[ClassInfo],
        dense: bool,
        margin: int,
        rng: np.random.Generator,
    ) -> None:
        check(data, classes, dense, growing=True)
        self._dense, self._margin, self._rng = dense, margin, rng
        self._classes = tuple(classes)
        self.images = list(data)
        self._pages = [_Page(one) for one in data]
        self.notices: list[str] = []
        for page in self._pages:
            self._read(page)
        self.notices += self._too_little()

    @property
    def unlearnt(self) -> list[ClassInfo]:
        """The classes that nothing is annotated with yet."""
        counts = count_pixels([page.targets for page in self._pages], len(self._classes))
        return [info for info, count in zip(self._classes, counts, strict=True) if not count]

    def change(self, change: AnnotationChanged) -> None:
        """Take over the new annotation of a region.

        Raises
        ------
        ValueError
            If there is no such image or region.
        """
        if not self.usable(change.image):
            raise ValueError(f"There is no usable training image {change.image}; there are {len(self._pages)}.")
        page = self._pages[change.image]
        if page.annotation[change.region].shape != change.annotation.shape:
            raise ValueError(
                f"{page.data.name}: the changed annotation is {change.annotation.shape} large, its region "
                f"{page.annotation[change.region].shape}; they must be equal and lie inside the image."
            )
        if not np.can_cast(change.annotation.dtype, page.annotation.dtype):
            page.annotation = page.annotation.astype(change.annotation.dtype)
        page.annotation[change.region] = change.annotation
        targets = self._targets(change.annotation)
        fresh = without(targets, targets == page.targets[change.region])
        page.targets[change.region] = targets
        if self._splits:
            page.hold_out(change.region, fresh, len(self._classes), self._rng)

    def add(self, data: Annotated) -> None:
        """Take in an image more.

        Raises
        ------
        ValueError
            If it has another number of channels, or no contrast.
        """
        page = _Page(data)
        page.refused = data.channels != self._pages[0].data.channels
        self._pages.append(page)  # also when it cannot be used: the indices are counted outside too
        self.images.append(data)
        if page.refused:
            raise ValueError(
                f"{data.name}: all training images need the same number of channels; this one has {data.channels}, "
                f"the others have {self._pages[0].data.channels}."
            )
        self._read(page)

    def usable(self, index: int) -> bool:
        """Whether there is such an image and the network can take it."""
        return 0 <= index < len(self._pages) and not self._pages[index].refused

    def set_classes(self, classes: Sequence[ClassInfo]) -> None:
        """Take over other classes; what is annotated with a class that is gone counts as not annotated."""
        self._classes = tuple(classes)
        for page in self._pages:
            if not page.refused:
                page.targets = self._targets(page.annotation)

    def prepared(self) -> TrainingData:
        """Return what is to be learnt and what is held out, as it is now.

        Raises
        ------
        ValueError
            If fewer than two classes are annotated.
        """
        train: list[Source] = []
        everything: list[Source] = []
        validation: list[Source] = []
        for page in self._pages:
            if not (page.targets != IGNORE).any():
                continue
            source, box = page.source(self._margin)
            held, shared = page.held[box], page.shared[box]
            if not page.data.validation:
                train.append(source.with_targets(without(source.targets, held)))
                everything.append(source)
            if page.data.validation or (held | shared).any():
                judged = source.targets if page.data.validation else without(source.targets, ~(held | shared))
                validation.append(source.with_targets(judged))
        if np.count_nonzero(count_pixels([source.targets for source in train], len(self._classes))) < 2:
            raise ValueError("Fewer than two classes are annotated; paint a stroke of another class.")
        validation = [source for source in validation if (source.targets != IGNORE).any()] or train
        return TrainingData(train, validation, everything, class_weights(train, len(self._classes), self._dense))

    def join(self) -> None:
        """Let what is held out be learnt from now on; later it is judged on only where nothing new is held out."""
        for page in self._pages:
            if not page.data.validation:
                page.shared |= page.held
                page.held[...] = False

    @property
    def _splits(self) -> bool:
        """Whether part of the annotation is held out: not where the user has marked images for that."""
        return not any(page.data.validation for page in self._pages)

    def _read(self, page: _Page) -> None:
        page.targets = self._targets(page.annotation)
        if not (page.targets != IGNORE).any():
            return
        source, box = page.source(self._margin)
        try:
            self.notices += check_pixels(page.data, source)
        except ValueError:
            page.targets[...], page.refused = IGNORE, True
            raise
        if self._splits:
            page.hold_out(box, page.targets[box], len(self._classes), self._rng)

    def _too_little(self) -> list[str]:
        """Return a notice about classes of which nothing could be held out."""
        everything = count_pixels([page.targets for page in self._pages], len(self._classes))
        held = count_pixels([without(page.targets, ~page.held) for page in self._pages], len(self._classes))
        names = [repr(info.name) for info, n, out in zip(self._classes, everything, held, strict=True) if n and not out]
        if not names or not self._splits:
            return []
        return [f"There is too little of {' and '.join(names)} to hold any out: its score is on the training strokes."]

    def _targets(self, annotation: NDArray[Any]) -> NDArray[np.uint8]:
        """Return class indices; unlike at the start of a training, values of no class are not annotated."""
        result = np.full(annotation.shape, IGNORE, np.uint8)
        for index, info in enumerate(self._classes):
            result[annotation == info.id] = index
        return result


def _within(inner: tuple[slice, slice], outer: tuple[slice, slice]) -> bool:
    return all(i.start >= o.start and i.stop <= o.stop for i, o in zip(inner, outer, strict=True))
