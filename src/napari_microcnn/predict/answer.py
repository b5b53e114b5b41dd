"""The answer for a plane, gathered from its tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.config import ObjectRule
from napari_microcnn.data.databar import Overlays
from napari_microcnn.data.resampling import Resampled, zoomed_shape
from napari_microcnn.device import give_back_memory
from napari_microcnn.models import Model
from napari_microcnn.predict.instances import bridges, close_grains, label_particles
from napari_microcnn.predict.particles import separate_particles
from napari_microcnn.predict.tiles import Tile

_TINY = np.float32(1e-12)


@dataclass(frozen=True, eq=False)
class Answer:
    """Classes, labels, probabilities, uncertainty and boundary probability, see `Segmentation`."""

    classes: NDArray[np.uint8]
    labels: NDArray[np.int32] | None
    probabilities: NDArray[np.float32] | None
    uncertainty: NDArray[np.uint8] | None
    boundary: NDArray[np.uint8] | None

    @classmethod
    def stack(cls, planes: Sequence[Answer], stack_shape: tuple[int, ...]) -> Answer:
        """Put the answers for the planes of a stack together; for one plane nothing is copied."""
        if not stack_shape:
            return planes[0]

        def together(parts: list[Any]) -> Any:
            if any(part is None for part in parts):
                return None
            return np.stack(parts).reshape(stack_shape + parts[0].shape)

        return cls(
            together([plane.classes for plane in planes]),
            together([plane.labels for plane in planes]),
            together([plane.probabilities for plane in planes]),
            together([plane.uncertainty for plane in planes]),
            together([plane.boundary for plane in planes]),
        )

    def around(self, overlays: Overlays) -> Answer:
        """Return the answer for the whole plane from that for its field: 0 where the microscope wrote something."""
        if not overlays:
            return self

        def whole(part: Any) -> Any:
            if part is None:
                return None
            result = np.zeros((*part.shape[:-2], *overlays.shape), part.dtype)
            result[(..., *overlays.field.slices)] = part
            for plate in overlays.plates:
                result[(..., *plate.slices)] = 0
            return result

        parts = (self.classes, self.labels, self.probabilities, self.uncertainty, self.boundary)
        return Answer(*map(whole, parts))


class PlaneAnswer:
    """Takes the tiles of one plane, seen at some magnification, and makes the answer in its own pixels.

    Nothing is kept that the answer does not need.

    Parameters
    ----------
    model : Model
    rule : ObjectRule or None
        How objects are made.
    shape : tuple of int
        Height and width of the plane.
    factor : float
        Magnification at which the tiles are predicted.
    keep_probabilities, keep_uncertainty : bool

    Attributes
    ----------
    boundary : numpy.ndarray or None
        (Y, X) float32 of the plane as seen, probability of a grain boundary, for models of grains.
    cores : numpy.ndarray or None
        (Y, X) float32 of the plane as seen, probability of the core of a particle, for models of particles that touch.
    probabilities : numpy.ndarray or None
        (K, Y, X) float32 of the plane as seen, where they are to be kept.
    uncertainty : numpy.ndarray or None
        (Y, X) uint8 of the plane as seen, see `entropy`, where it is to be kept.
    """

    def __init__(
        self,
        model: Model,
        rule: ObjectRule | None,
        shape: tuple[int, int],
        factor: float,
        *,
        keep_probabilities: bool,
        keep_uncertainty: bool,
    ) -> None:
        self._ids = np.array([entry.id for entry in model.classes], np.uint8)
        self._rule, self._shape, self._factor = rule, shape, factor
        self._seen = seen = shape if factor == 1 else zoomed_shape(shape, factor)
        self._line = model.channel(rule.class_id) if rule is not None and rule.kind == "grains" else None
        self.boundary = None if self._line is None else np.empty(seen, np.float32)
        touching = rule is not None and rule.kind == "touching"
        self.cores = np.empty(seen, np.float32) if touching else None
        self._classes = np.empty(seen, np.uint8)
        self.probabilities = np.empty((len(self._ids), *seen), np.float32) if keep_probabilities else None
        self.uncertainty = np.empty(seen, np.uint8) if keep_uncertainty else None

    def take(self, tile: Tile) -> tuple[tuple[slice, slice], NDArray[np.uint8], NDArray[np.uint8] | None]:
        """Keep what is needed of a tile; return where it lies in the plane, its classes and its uncertainty there."""
        classes = self._ids.take(likeliest(tile.probabilities))
        self._classes[tile.region] = classes
        if self.boundary is not None and self._line is not None:
            self.boundary[tile.region] = tile.probabilities[self._line]
            # Boundaries are drawn in the end, from probabilities in the image's own pixels; here what lies beneath.
            beneath = likeliest(np.delete(tile.probabilities, self._line, 0))
            self._classes[tile.region] = np.delete(self._ids, self._line).take(beneath)
        if self.cores is not None and tile.cores is not None:
            self.cores[tile.region] = tile.cores
        if self.probabilities is not None:
            self.probabilities[(slice(None), *tile.region)] = tile.probabilities
        unsure = None
        if self.uncertainty is not None:
            self.uncertainty[tile.region] = unsure = entropy(tile.probabilities)
        if self._factor == 1:
            return tile.region, classes, unsure
        rows, cols = in_plane(tile.region, self._shape, self._seen)
        size_here = rows.stop - rows.start, cols.stop - cols.start
        return (rows, cols), _nearest(classes, size_here), None if unsure is None else _nearest(unsure, size_here)

    def average(self, others: Sequence[PlaneAnswer]) -> None:
        """Average the probabilities with those of the same plane seen at other magnifications."""
        for count, other in enumerate(others, start=2):
            if self.boundary is not None and other.boundary is not None:
                self.boundary += (_resampled(other.boundary, self._seen) - self.boundary) / count
            if self.probabilities is not None and other.probabilities is not None:
                for channel, theirs in enumerate(other.probabilities):
                    mine = self.probabilities[channel]
                    np.add(mine, (_resampled(theirs, self._seen) - mine) / count, out=mine)
            if self.uncertainty is not None and other.uncertainty is not None:
                theirs = _nearest(other.uncertainty, self._seen).astype(np.float32)
                self.uncertainty[:] = (self.uncertainty + (theirs - self.uncertainty) / count).round()

    def finish(self, min_size: int) -> Answer:
        """Return the answer; objects of fewer than `min_size` pixels are dropped."""
        probabilities = self.probabilities
        if probabilities is not None and self._factor != 1:
            probabilities = np.stack([_resampled(part, self._shape) for part in probabilities])
        classes: NDArray[np.uint8] = _nearest(self._classes, self._shape)
        labels = boundary = None
        give_back_memory()
        if self.boundary is not None and self._line is not None:
            labels = self._close(self.boundary, min_size)
            here = _resampled(self.boundary, self._shape)
            found = here > 0.5
            classes[found | bridges(labels, found)] = self._ids[self._line]
            boundary = _in_bytes(here)
        elif self.cores is not None and self._rule is not None:
            labels = self._separate(self.cores, self._classes == self._rule.class_id, min_size)
        elif self._rule is not None:
            labels = label_particles(classes == self._rule.class_id, min_size)
        uncertainty = None if self.uncertainty is None else _nearest(self.uncertainty, self._shape)
        return Answer(classes, labels, probabilities, uncertainty, boundary)

    def _close(self, boundary: NDArray[np.float32], min_size: int) -> NDArray[np.int32]:
        """Find the grains at the finer of the two resolutions, where thin boundaries are whole."""
        if self._factor > 1:
            return _nearest(close_grains(boundary, max(1, round(min_size * self._factor**2))), self._shape)
        return close_grains(_resampled(boundary, self._shape), min_size)

    def _separate(self, cores: NDArray[np.float32], mask: NDArray[np.bool_], min_size: int) -> NDArray[np.int32]:
        """Tell particles apart in the pixels that the network saw, where their cores are sharp."""
        return _nearest(separate_particles(mask, cores, max(1, round(min_size * self._factor**2))), self._shape)


def in_plane(region: tuple[slice, slice], shape: tuple[int, int], seen: tuple[int, int]) -> tuple[slice, slice]:
    """Return where a region of a plane as seen lies in its own pixels, those that it covers in part included."""
    rows, cols = (
        slice(part.start * size // there, -(-part.stop * size // there))
        for part, size, there in zip(region, shape, seen, strict=True)
    )
    return rows, cols


def nearest_places(new: int, old: int) -> NDArray[np.int64]:
    """Return which of `old` pixels in a row each of `new` ones shows, where values must not be mixed."""
    return np.minimum(((np.arange(new) + 0.5) * old / new).astype(np.int64), old - 1)


def likeliest(probabilities: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the index of the largest of (K, Y, X) probabilities, (Y, X) uint8: a quicker ``argmax(0)``.

    numpy looks at one pixel after the other; with as few classes as here it is quicker to compare whole planes, and to
    multiply bytes than to choose.
    """
    largest, found = probabilities[0], np.zeros(probabilities.shape[1:], np.uint8)
    for index, plane in enumerate(probabilities[1:], start=1):
        np.maximum(found, (plane > largest).view(np.uint8) * np.uint8(index), out=found)
        if index + 1 < len(probabilities):
            largest = np.maximum(plane, largest)
    return found


def entropy(probabilities: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return how unsure a model is: Shannon's entropy of the class probabilities, in shares of the largest one.

    The usual measure for the choice of what to annotate next (Settles, "Active learning literature
    survey", University of Wisconsin, 2009, section 3.1): unlike the margin between the two best
    classes it also grows where many classes are possible.

    Parameters
    ----------
    probabilities : numpy.ndarray, (K, Y, X) float32
        Their sum over K is 1.

    Returns
    -------
    numpy.ndarray
        (Y, X) uint8: 0 = sure, 255 = all classes are equally probable.

    Examples
    --------
    >>> entropy(np.array([[[1, 0.5]], [[0, 0.5]]], np.float32))
    array([[  0, 255]], dtype=uint8)
    """
    total = np.zeros(probabilities.shape[1:], np.float32)
    for channel in probabilities:
        total -= channel * np.log(np.maximum(channel, _TINY))
    shares: NDArray[np.float32] = total * np.float32(255 / np.log(len(probabilities)))
    return np.asarray(shares.round().clip(0, 255), np.uint8)


def _in_bytes(probability: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return a probability as 0..255, made row by row: a large plane is not held as float twice."""
    result = np.empty(probability.shape, np.uint8)
    for row, values in zip(result, probability, strict=True):
        row[:] = (values * 255).round()
    return result


def _resampled(part: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    return part if part.shape == shape else Resampled(part, shape)[:, :]


def _nearest(values: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """Resample numbers that must not be mixed: ids and labels."""
    if values.shape == shape:
        return values
    rows, cols = (nearest_places(new, old) for new, old in zip(shape, values.shape, strict=True))
    return values[np.ix_(rows, cols)]
