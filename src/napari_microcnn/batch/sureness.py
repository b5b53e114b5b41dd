"""How sure the numbers of an image are: found again with other outlines, other thresholds, and from other sides."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.config import ObjectRule, SegmentConfig
from napari_microcnn.data.databar import Overlays
from napari_microcnn.data.orientations import ORIENTATIONS, Orientation
from napari_microcnn.events import Alive, Event, Finished, Job, Notice, Progress
from napari_microcnn.measure.objects import Table
from napari_microcnn.measure.sample import sample_numbers
from napari_microcnn.measure.sureness import shifted
from napari_microcnn.micrograph import DRAWN, Micrograph
from napari_microcnn.models import Model, load_model
from napari_microcnn.predict.instances import close_grains, label_particles
from napari_microcnn.predict.segment import Segmentation, object_rule, segment

Array = NDArray[Any]
Numbers = Mapping[str, float | int]

STEP = 0.1
"""By how much the threshold of a probability moves."""
_JITTER = 0.1
"""Share by which a draw sees the image nearer or farther, at most."""


def sureness_of_image(
    micrograph: Micrograph,
    model: Model | str,
    config: SegmentConfig | None = None,
    *,
    draws: int = 8,
    seed: int = 0,
) -> Job[Table]:
    """Say how every number of a segmented image moves when the image is looked at otherwise.

    Outlines are drawn a pixel farther in and out; the threshold of the probability is 0.1 lower and higher; and the
    model draws again and again: each time it sees the image in one of its eight orientations, chosen by chance, and
    up to a tenth nearer or farther. What a model has understood does not hang on the side from which it looks, so
    the spread of the numbers tells what they owe to chance (test-time augmentation as a measure of uncertainty:
    Wang et al., Neurocomputing 338, 34, 2019). It does not tell of mistakes that the model makes from every side.

    Parameters
    ----------
    micrograph : Micrograph
        A single plane.
    model : Model or str
    config : SegmentConfig, optional
    draws : int
        How often the model draws; at least 2.
    seed : int
        Of the draws.

    Yields
    ------
    Event
        `Progress` after every look; last `Finished` with a table: one row for every number, ``quantity``, ``value``,
        ``inwards``, ``outwards``, ``lower_threshold``, ``higher_threshold``, and ``mean`` and ``spread``, the standard
        deviation, of the draws. nan where a question has no sense: grains meet without a gap that could be wider.

    Raises
    ------
    ValueError
        If the image is a stack, or there are fewer than two draws.
    """
    if micrograph.stack_shape:
        raise ValueError("How sure numbers are is asked of one plane at a time; name an image that is no stack.")
    if draws < 2:
        raise ValueError("A spread needs two draws at least.")
    model = model if isinstance(model, Model) else load_model(model)
    config = config or SegmentConfig()
    whole = config.model_copy(update={"keep_probabilities": True, "keep_uncertainty": False})
    yield Progress(0, draws + 2, "Segmenting")
    found = yield from _segmented(segment(micrograph, model, whole), notices=True)
    look = _Look(found, object_rule(model, config))
    cases = {"value": look.numbers(look.classes, look.labels)}
    yield Progress(1, draws + 2, "Moving outlines and threshold")
    for name, numbers in look.moved():
        cases[name] = numbers
        yield Alive()
    drawn = []
    rng = np.random.default_rng(seed)
    for number in range(draws):
        yield Progress(number + 2, draws + 2, f"Draw {number + 1} of {draws}")
        drawn.append((yield from look.drawn(rng)))
    yield Finished(_table(cases, drawn))


@dataclass(frozen=True, eq=False)
class _Look:
    """A segmented image, and what is numbered in it."""

    found: Segmentation
    rule: ObjectRule | None

    @property
    def overlays(self) -> Overlays:
        return self.found.overlays[0]

    @property
    def classes(self) -> Array:
        return self.found.classes[self.overlays.field.slices]

    @property
    def labels(self) -> Array | None:
        return None if self.found.labels is None else self.found.labels[self.overlays.field.slices]

    def numbers(self, classes: Array, labels: Array | None) -> Numbers:
        return sample_numbers(
            classes=classes,
            labels=labels,
            calibration=self.found.micrograph.calibration,
            class_names={entry.id: entry.name for entry in self.found.model.classes},
            grains=self.found.boundary is not None,
        )[0]

    def moved(self) -> Iterator[tuple[str, Numbers]]:
        """Yield the numbers with other outlines, and with other thresholds."""
        for name, pixels in (("inwards", -1), ("outwards", 1)):
            yield name, self._redrawn(pixels=pixels)
        # Objects may have been found at another magnification than that of the probabilities, so the numbers
        # with a moved threshold are held against those with an unmoved one that were found in the same way.
        value, unmoved = self.numbers(self.classes, self.labels), self._redrawn(step=0)
        for name, step in (("lower_threshold", -STEP), ("higher_threshold", STEP)):
            moved = self._redrawn(step=step)
            yield name, {key: value[key] + number - unmoved[key] for key, number in moved.items() if key in value}

    def _redrawn(self, pixels: int = 0, step: float | None = None) -> Numbers:
        """Draw the class that is numbered, or each for itself where none is, in another way."""
        numbers: dict[str, float | int] = {}
        for entry in self.found.model.classes:
            if self.rule is not None and entry.id != self.rule.class_id:
                continue
            if step is None:
                mask = shifted(self._mask(entry.id), pixels) > 0
            else:
                mask = self._probability(entry.id) > 0.5 + step
            classes = np.where(mask, entry.id, self._beneath(entry.id)).astype(np.uint8)
            if self.rule is None:
                name = f"area_fraction_{entry.name}"
                numbers[name] = self.numbers(classes, None)[name]
            else:
                numbers |= self.numbers(classes, self._objects(mask, pixels, step))
        return numbers

    def _objects(self, mask: Array, pixels: int, step: float | None) -> Array | None:
        """Number the objects again; None where that would need more than probabilities, or has no sense."""
        if self.rule is None or self.labels is None:
            return None
        grains, least = self.rule.kind == "grains", self.found.config.min_size
        if step is None:
            return None if grains else shifted(self.labels, pixels)
        if grains:
            level = np.clip(self._probability(self.rule.class_id) - step, 0, 1).astype(np.float32)
            return close_grains(level, least)
        return label_particles(mask, least) if self.rule.kind == "particles" else None

    def _mask(self, class_id: int) -> NDArray[np.uint8]:
        return np.asarray(self.classes == class_id, np.uint8)

    def _probability(self, class_id: int) -> Array:
        if self.found.probabilities is None:
            raise RuntimeError("The probabilities were not kept.")
        return np.asarray(self.found.probabilities[(self.found.model.channel(class_id), *self.overlays.field.slices)])

    def _beneath(self, class_id: int) -> Array:
        """Return the class map with the likeliest other class where this one is."""
        ids = np.array([entry.id for entry in self.found.model.classes], np.uint8)
        others = np.delete(np.arange(len(ids)), self.found.model.channel(class_id))
        if self.found.probabilities is None:
            raise RuntimeError("The probabilities were not kept.")
        field = self.found.probabilities[(others, *self.overlays.field.slices)]
        return np.where(self.classes == class_id, ids[others][field.argmax(0)], self.classes)

    def drawn(self, rng: np.random.Generator) -> Generator[Event, None, Numbers]:
        """Segment the image from another side, and return its numbers."""
        side = ORIENTATIONS[int(rng.integers(len(ORIENTATIONS)))]
        nearer = float(np.exp(rng.uniform(-1, 1) * np.log1p(_JITTER)))
        micrograph, field = self.found.micrograph, self.overlays.field
        pixels = _turned(np.asarray(micrograph.pixels[field.slices]), side)
        turned = replace(micrograph, pixels=pixels, path=None, metadata={DRAWN: ()})
        update = {"magnification": self.found.magnification[0] * nearer, "orientations": 1}
        config = self.found.config.model_copy(update={**update, "keep_probabilities": False})
        found = yield from _segmented(segment(turned, self.found.model, config), notices=False)
        plates = self.overlays.mask()[field.slices]
        maps = [_back(part, side) if part is not None else None for part in (found.classes, found.labels)]
        classes, labels = (None if part is None else np.where(plates, 0, part) for part in maps)
        if classes is None:
            raise RuntimeError("A segmentation has no classes.")
        return self.numbers(classes, labels)


def _segmented(job: Job[Segmentation], *, notices: bool) -> Generator[Event, None, Segmentation]:
    """Run a segmentation; only what the user should know is told."""
    with closing(job):
        for event in job:
            if isinstance(event, Finished):
                return event.result
            yield event if notices and isinstance(event, Notice) else Alive()
    raise RuntimeError("The segmentation ended without a result.")


def _turned(pixels: Array, side: Orientation) -> Array:
    """Return pixels, (Y, X) or (Y, X, C), in an orientation."""
    turned = np.flip(pixels, _flipped(side))
    return np.ascontiguousarray(turned.swapaxes(0, 1) if side.exchange else turned)


def _flipped(side: Orientation) -> tuple[int, ...]:
    return tuple(axis for axis, flipped in ((0, side.rows), (1, side.columns)) if flipped)


def _back(part: Array, side: Orientation) -> Array:
    turned = part.swapaxes(0, 1) if side.exchange else part
    return np.flip(turned, _flipped(side))


def _table(cases: Mapping[str, Numbers], drawn: list[Numbers]) -> Table:
    quantities = [name for name in cases["value"] if not name.endswith(("_low", "_high"))]
    every = np.array([[one.get(name, np.nan) for name in quantities] for one in drawn], float)
    every[~np.isfinite(every)] = np.nan  # no boundary at all: an infinite intercept
    columns = {
        name: np.array([one.get(quantity, np.nan) for quantity in quantities], float) for name, one in cases.items()
    }
    return {
        "quantity": np.array(quantities, object),
        **columns,
        "mean": every.mean(0),
        "spread": every.std(0, ddof=1),
    }
