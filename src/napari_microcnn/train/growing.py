"""Annotated images: what of them is learnt from and what is held out, also while the annotation grows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.config import ClassInfo
from napari_microcnn.data import IGNORE, Annotated
from napari_microcnn.data.databar import Overlays, find_overlays
from napari_microcnn.data.normalisation import intensity_limits
from napari_microcnn.data.patches import Source, annotated_box
from napari_microcnn.data.splitting import hold_out, split_images, without
from napari_microcnn.events import AnnotationChanged
from napari_microcnn.train.preparation import TrainingData, check, check_pixels, class_weights, count_pixels

_ALL = (slice(None), slice(None))


class _Page:
    """One image, its annotation, and which part of that is held out."""

    def __init__(self, data: Annotated) -> None:
        self.data = data
        self.annotation = data.annotation  # copied before it is changed: masks of a folder are many
        self.targets = np.full(data.annotation.shape, IGNORE, np.uint8)
        self.held = np.zeros(data.annotation.shape, bool)
        self.shared = np.zeros(data.annotation.shape, bool)
        """Judged on although it is learnt from: too little to hold any of it out."""
        self.whole = data.validation
        """Whether all of it is held out."""
        overlays = find_overlays(data.image)
        self.limits = intensity_limits(data.image[overlays.field.slices])
        self.refused = False
        self._overlays: Overlays | None = overlays if overlays else None
        self._box: tuple[slice, slice] | None = None
        self._pixels: NDArray[Any] | None = None

    def read(self, region: tuple[slice, slice], ids: Sequence[int]) -> NDArray[np.uint8]:
        """Return the class indices in a region; other values are not annotated, and where the microscope wrote."""
        return self._hide(self.indices(region, ids), region)

    def indices(self, region: tuple[slice, slice], ids: Sequence[int]) -> NDArray[np.uint8]:
        """Return the class indices in a region, whatever the microscope wrote there."""
        annotation = self.annotation[region]
        targets = np.full(annotation.shape, IGNORE, np.uint8)
        for index, number in enumerate(ids):
            targets[annotation == number] = index
        return targets

    def take(self, targets: NDArray[np.uint8]) -> None:
        """Take over class indices of the whole image; a databar in which alone something is annotated is material."""
        self.targets = self._hide(targets.copy(), _ALL)
        if self._overlays is not None and not (self.targets != IGNORE).any():
            self.targets, self._overlays = targets, None
            self.limits = intensity_limits(self.data.image)

    def _hide(self, targets: NDArray[np.uint8], region: tuple[slice, slice]) -> NDArray[np.uint8]:
        top, left = (part.start or 0 for part in region)
        for box in self._overlays.boxes if self._overlays is not None else ():
            rows = slice(max(0, box.top - top), max(0, box.bottom - top))
            targets[rows, max(0, box.left - left) : max(0, box.right - left)] = IGNORE
        return targets

    def hold_out(self, region: tuple[slice, slice], fresh: NDArray[np.uint8], k: int, rng: np.random.Generator) -> None:
        """Hold out a part of what is new in a region, never the whole of it."""
        held, too_small = hold_out(fresh, k, rng)
        new = fresh != IGNORE
        self.held[region] = np.where(new, held, self.held[region])
        self.shared[region] = np.where(new, np.isin(fresh, too_small), self.shared[region])

    def source(self, margin: int) -> tuple[Source, tuple[slice, slice]]:
        """Return the annotated part, and where it lies; lazy images are read again only when it has grown."""
        box = annotated_box(self.targets, margin)
        if self._overlays is not None:
            field = self._overlays.field
            box = (slice(max(box[0].start, field.top), min(box[0].stop, field.bottom)), box[1])
        if self._pixels is None or self._box is None or not _within(box, self._box):
            self._box, self._pixels = box, np.asarray(self.data.image[box])
        return Source(self._pixels, self.targets[self._box], self.limits, self._written(self._box)), self._box

    def _written(self, region: tuple[slice, slice]) -> NDArray[np.bool_] | None:
        """Return where in a region the microscope wrote; None where it did not."""
        if self._overlays is None:
            return None
        written: NDArray[np.bool_] = self._hide(np.zeros(self.targets[region].shape, np.uint8), region) == IGNORE
        return written


class GrowingData:
    """Images with an annotation that can change.

    Held out are the images that the user marked for that; or else, of several complete masks, about a fifth of the
    images, and of strokes and of a single mask about a fifth of the annotation of every image. What is held out once
    stays held out, and of what is new about a fifth is: a new stroke is always learnt from, and the score of the
    network stays honest. Databars and plates with a scale bar are left out, unless nothing else is annotated.

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
        targets = check(data, classes, dense)
        self._dense, self._margin, self._rng = dense, margin, rng
        self._classes = tuple(classes)
        self.images = list(data)
        self._pages = [_Page(one) for one in data]
        self.notices: list[str] = []
        for page, known in zip(self._pages, targets, strict=True):
            self._read(page, known)
        if dense and self._splits:
            self._hold_out_images()
        if self._splits:
            for page in self._pages:
                self._hold_out(page)
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
        if page.annotation is page.data.annotation or not np.can_cast(change.annotation.dtype, page.annotation.dtype):
            page.annotation = page.annotation.astype(np.promote_types(change.annotation.dtype, page.annotation.dtype))
        page.annotation[change.region] = change.annotation
        targets = page.read(change.region, self._ids)
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
        self._read(page, page.indices(_ALL, self._ids))
        if self._splits:
            self._hold_out(page)

    def usable(self, index: int) -> bool:
        """Whether there is such an image and the network can take it."""
        return 0 <= index < len(self._pages) and not self._pages[index].refused

    def set_classes(self, classes: Sequence[ClassInfo]) -> None:
        """Take over other classes; what is annotated with a class that is gone counts as not annotated."""
        self._classes = tuple(classes)
        for page in self._pages:
            if not page.refused:
                before = page.targets != IGNORE
                page.targets = page.read(_ALL, self._ids)
                if self._splits:
                    self._hold_out(page, before)

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
            if not page.whole:
                train.append(source.with_targets(without(source.targets, held)))
            if not page.data.validation:
                everything.append(source)
            if page.whole or (held | shared).any():
                judged = source.targets if page.whole else without(source.targets, ~(held | shared))
                validation.append(source.with_targets(judged))
        if np.count_nonzero(count_pixels([source.targets for source in train], len(self._classes))) < 2:
            raise ValueError("Fewer than two classes are annotated; paint a stroke of another class.")
        validation = [source for source in validation if (source.targets != IGNORE).any()] or train
        return TrainingData(train, validation, everything, class_weights(train, len(self._classes), self._dense))

    def join(self) -> None:
        """Let what is held out be learnt from now on; later it is judged on only where nothing new is held out."""
        for page in self._pages:
            if not page.data.validation:
                page.shared |= page.held | (page.whole & (page.targets != IGNORE))
                page.held[...] = page.whole = False

    @property
    def _ids(self) -> list[int]:
        return [info.id for info in self._classes]

    @property
    def _splits(self) -> bool:
        """Whether part of the annotation of every image is held out: not where whole images are."""
        return not any(page.whole for page in self._pages)

    def _read(self, page: _Page, targets: NDArray[np.uint8]) -> None:
        page.take(targets)
        if not (page.targets != IGNORE).any():
            return
        source, _ = page.source(self._margin)
        try:
            self.notices += check_pixels(page.data, source)
        except ValueError:
            page.targets[...], page.refused = IGNORE, True
            raise

    def _hold_out(self, page: _Page, known: NDArray[np.bool_] | None = None) -> None:
        """Hold out a part of the annotation of a page, of which some may be known already."""
        fresh = page.targets if known is None else without(page.targets, known)
        if not (fresh != IGNORE).any():
            return
        _, box = page.source(self._margin)
        page.hold_out(box, fresh[box], len(self._classes), self._rng)

    def _hold_out_images(self) -> None:
        """Hold out whole images, where there are several and every class stays on both sides."""
        pages = [page for page in self._pages if (page.targets != IGNORE).any()]
        chosen = (
            split_images([page.targets for page in pages], len(self._classes), self._rng) if len(pages) > 1 else None
        )
        for page, out in zip(pages, chosen or [], strict=False):
            page.whole = out

    def _too_little(self) -> list[str]:
        """Return a notice about classes of which nothing could be held out."""
        everything = count_pixels([page.targets for page in self._pages], len(self._classes))
        held = count_pixels([without(page.targets, ~page.held) for page in self._pages], len(self._classes))
        names = [repr(info.name) for info, n, out in zip(self._classes, everything, held, strict=True) if n and not out]
        if not names or not self._splits:
            return []
        return [f"There is too little of {' and '.join(names)} to hold any out: its score is on the training strokes."]


def _within(inner: tuple[slice, slice], outer: tuple[slice, slice]) -> bool:
    return all(i.start >= o.start and i.stop <= o.stop for i, o in zip(inner, outer, strict=True))
