"""Segmentation of a micrograph: classes, objects, and probabilities where wanted."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.config import ObjectRule, SegmentConfig
from napari_microcnn.data.channels import Conversion, conversion
from napari_microcnn.data.databar import Overlays, overlays_of
from napari_microcnn.data.normalisation import intensity_limits
from napari_microcnn.data.resampling import sample_windows
from napari_microcnn.events import Event, Finished, Job, Notice, TileDone
from napari_microcnn.micrograph import Micrograph, Pixels
from napari_microcnn.models import Model, load_model
from napari_microcnn.predict.answer import Answer, PlaneAnswer
from napari_microcnn.predict.cluster import predictor_for
from napari_microcnn.predict.magnification import at_magnification, find_magnifications, limits_of
from napari_microcnn.predict.tiles import Tile, TilePredictor

OVERLAY_LEFT_OUT = "The databar or the scale bar in the image is left out: class and object are 0 there."
SAMPLE = 333
"""Side of the windows that stand for a large image when its grey values are looked at."""


@dataclass(frozen=True, eq=False)
class Segmentation(Answer):
    """What the network says about a micrograph. Arrays have the micrograph's shape without its channels.

    Attributes
    ----------
    classes : numpy.ndarray
        (..., Y, X) uint8, class ids.
    labels : numpy.ndarray or None
        (..., Y, X) int32, object numbers from 1, counted anew in every plane; None where there is
        no rule for objects.
    probabilities : numpy.ndarray or None
        (..., K, Y, X) float32, in the order of the model's classes, where asked for.
    uncertainty : numpy.ndarray or None
        (..., Y, X) uint8, where asked for: 0 = sure, 255 = all classes are equally probable; see
        `napari_microcnn.predict.answer.entropy`.
    boundary : numpy.ndarray or None
        (..., Y, X) uint8, probability of a grain boundary, 255 = certain, for models of grains.
    views : tuple of tuple of float
        Resampling before the network, for every plane: usually one factor; where there are more,
        the answers were averaged.
    micrograph : Micrograph
    model : Model
    config : SegmentConfig
    device, precision : str
        What computed, and how: what ``"auto"`` meant.
    """

    views: tuple[tuple[float, ...], ...]
    micrograph: Micrograph
    model: Model
    config: SegmentConfig
    device: str
    precision: str

    @property
    def computed(self) -> dict[str, Any]:
        """Device, precision and magnifications, for the provenance."""
        return {"device": self.device, "precision": self.precision, "magnifications": self.views}

    @property
    def overlays(self) -> tuple[Overlays, ...]:
        """What was left out of every plane because the microscope wrote there."""
        return tuple(overlays_of(plane, self.micrograph.metadata) for _, plane in self.micrograph.planes())

    @property
    def magnification(self) -> tuple[float, ...]:
        """Resampling before the network, for every plane; the best one where several were averaged."""
        return tuple(factors[0] for factors in self.views)


def segment(
    micrograph: Micrograph, model: Model | str | Path, config: SegmentConfig | None = None
) -> Job[Segmentation]:
    """Segment a micrograph, plane by plane and tile by tile.

    A databar and plates with a scale bar are found and left out.

    Parameters
    ----------
    micrograph : Micrograph
        Of any size; stacks are treated plane by plane.
    model : Model, str or Path
        A model, the name of a shipped one, or a file.
    config : SegmentConfig, optional

    Yields
    ------
    Event
        `TileDone` per tile and `Notice` where something should be known; in the end
        ``Finished[Segmentation]``.

    Raises
    ------
    ModelError
        If the model cannot be loaded or takes another number of channels.
    ValueError
        If objects are asked for of a class that the model does not have.
    """
    config = config or SegmentConfig()
    model = model if isinstance(model, Model) else load_model(model)
    with predictor_for(model, config) as predictor:
        whole, used = yield from answer(micrograph, model, predictor, config)
    yield Finished(
        Segmentation(
            whole.classes,
            whole.labels,
            whole.probabilities,
            whole.uncertainty,
            whole.boundary,
            used,
            micrograph,
            model,
            config,
            predictor.computed_on,
            predictor.precision_name,
        )
    )


def answer(
    micrograph: Micrograph, model: Model, predictor: TilePredictor, config: SegmentConfig, *, objects: bool = True
) -> Generator[Event, None, tuple[Answer, tuple[tuple[float, ...], ...]]]:
    """Predict all planes; returns the answer and the magnifications used, for every plane.

    Parameters
    ----------
    micrograph, model, config
        As for `segment`.
    predictor : TilePredictor
        Of this model.
    objects : bool
        Whether objects are numbered, which takes longer than all the rest for large images of grains.
    """
    rule = object_rule(model, config)
    convert, remark = channels_for(model, micrograph.channels)
    if remark:
        yield Notice(remark)
    clock = _Clock(int(np.prod(micrograph.stack_shape)))
    answers, used, told = [], [], set[str]()
    for index, plane in micrograph.planes():
        overlays = overlays_of(plane, micrograph.metadata)
        seen = convert(plane[overlays.field.slices])
        views, remarks = look_over(predictor, seen, model, config, rule)
        for remark in remarks:
            if remark not in told:  # planes of a stack are much alike
                yield Notice(remark)
            told.add(remark)
        clock.expect(len(views))
        if overlays and OVERLAY_LEFT_OUT not in told:
            yield Notice(OVERLAY_LEFT_OUT)
            told.add(OVERLAY_LEFT_OUT)
        keep = {"keep_probabilities": config.keep_probabilities, "keep_uncertainty": config.keep_uncertainty}
        gathered = []
        for factor in views:
            gathered.append(PlaneAnswer(model, rule if objects else None, overlays.field.shape, factor, **keep))
            source = at_magnification(seen, factor)
            limits = None if source is seen else limits_of(sample_windows(source, side=SAMPLE))
            for event in predictor.tiles(source, limits):
                if isinstance(event, Tile):
                    yield _below(clock.tile_done(event, index, *gathered[-1].take(event)), overlays.field.top)
                else:
                    yield event
            clock.view_done()
        gathered[0].average(gathered[1:])
        answers.append(gathered[0].finish(config.min_size).around(overlays))
        used.append(views)
    return Answer.stack(answers, micrograph.stack_shape), tuple(used)


def _below(tile: TileDone, rows: int) -> TileDone:
    """Return where a tile lies in a plane whose field begins so many rows below its upper edge."""
    if not rows:
        return tile
    part, columns = tile.region
    return replace(tile, region=(slice(part.start + rows, part.stop + rows), columns))


def object_rule(model: Model, config: SegmentConfig) -> ObjectRule | None:
    """Return how objects are made: as set, or by the model.

    Raises
    ------
    ValueError
        If objects are asked for of a class that the model does not have.
    """
    if config.objects is None:
        return model.objects
    known = {entry.id: entry.name for entry in model.classes}
    if config.objects not in known:
        names = ", ".join(f"{number} ({name})" for number, name in known.items())
        raise ValueError(f"The model has no class {config.objects} to number objects of; its classes are {names}.")
    return ObjectRule(kind="particles", class_id=config.objects)


def look_over(
    predictor: TilePredictor, plane: Pixels, model: Model, config: SegmentConfig, rule: ObjectRule | None
) -> tuple[tuple[float, ...], list[str]]:
    """Return the magnifications as set or found in the image, 1 where none is searched, and what should be known."""
    remarks = []
    windows = sample_windows(plane, side=SAMPLE)
    if any(window.dtype.kind == "f" and not np.isfinite(window).all() for window in windows):
        remarks.append("Pixels that are NaN or infinite are treated as medium grey.")
    blank = not limits_of(windows).scale.any() and (len(windows) == 1 or not intensity_limits(plane).scale.any())
    if blank:
        remarks.append("All pixels of the image have the same value, so there is nothing to find in it.")
    if config.magnification is not None:
        return (config.magnification,), remarks
    boundary = rule if rule is not None and rule.kind == "grains" else None
    if blank or model.typical_intercept is None or boundary is None:
        return (1.0,), remarks
    views = find_magnifications(predictor, plane, model.channel(boundary.class_id), model.typical_intercept)
    if len(views) > 1:
        some = ", ".join(f"{factor:g}" for factor in sorted(views))
        remarks.append(f"The model is in doubt about this image: its answers at magnifications {some} are averaged.")
    elif views[0] != 1:
        remarks.append(f"The model sees this image best at {views[0]:g} times its magnification, so it is resampled.")
    return views, remarks


def channels_for(model: Model, channels: int) -> tuple[Conversion, str]:
    """Return what makes planes fit the model, and what the user should know about it."""
    change, told = conversion(model.config.channels, channels)
    if not told:
        model.check_channels(channels)
    return change, told


class _Clock:
    """Counts tiles over all planes and magnifications, and estimates the time left."""

    def __init__(self, planes: int) -> None:
        self._start, self._planes, self._views = time.monotonic(), planes, 0
        self._before, self._latest = 0, 0

    def expect(self, views: int) -> None:
        """Begin a plane that is looked at so many times."""
        self._views = views * self._planes
        self._planes -= 1

    def tile_done(
        self,
        tile: Tile,
        plane: tuple[int, ...],
        region: tuple[slice, slice],
        classes: NDArray[np.uint8],
        uncertainty: NDArray[np.uint8] | None,
    ) -> TileDone:
        self._latest = tile.total
        done = self._before + tile.done
        total = self._before + tile.total * self._views
        left = (time.monotonic() - self._start) * (total - done) / done
        return TileDone(done, total, plane, region, classes, left, uncertainty)

    def view_done(self) -> None:
        """End one look at a plane."""
        self._before += self._latest
        self._views -= 1
