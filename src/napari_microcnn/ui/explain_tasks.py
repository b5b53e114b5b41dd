"""What the Explain dock lets a worker do; see `tasks`."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_microcnn.config import ExplainConfig
from napari_microcnn.events import Finished, Job
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.ui.pairing import OnDisk, opened
from napari_microcnn.ui.tasks import Array

if TYPE_CHECKING:
    from napari_microcnn.explain.sight import Sight

Region = tuple[slice, slice]
_PICTURE = 96
"""Side of the picture that excites a filter, in pixels."""


@dataclass(frozen=True, eq=False)
class Question:
    """What is to be explained.

    Attributes
    ----------
    source : Micrograph or OnDisk
    plane : tuple of int
        Stack index.
    model : Path
    class_id : int
    region : numpy.ndarray or None, (Y, X) bool
        The pixels of interest; None: the whole image.
    config : ExplainConfig
    """

    source: Micrograph | OnDisk
    plane: tuple[int, ...]
    model: Path
    class_id: int
    region: Array | None
    config: ExplainConfig


@dataclass(frozen=True, eq=False)
class LayerRow:
    """A layer of a network that has maps.

    Attributes
    ----------
    name, kind : str
    shape : tuple of int
        Filters, height and width of its maps.
    stride : tuple of float
        Pixels of the input from one position of the maps to the next.
    size : tuple of int or None
        Receptive field in pixels of the input; None: all of it.
    filters : bool
        Whether it is a convolution.
    picture : numpy.ndarray, (h, w) uint8
        What it makes of the image.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    stride: tuple[float, float]
    size: tuple[int, int] | None
    filters: bool
    picture: Array


@dataclass(frozen=True, eq=False)
class Surveyed:
    """The layers of a network, and the one that Grad-CAM looks at by itself; None where there is none."""

    rows: tuple[LayerRow, ...]
    default: str | None
    scale: float


@dataclass(frozen=True, eq=False)
class Explained:
    """A heatmap, (Y, X) float32 for a region of the image, and what there is to say about it."""

    heat: Array
    region: Region
    about: dict[str, Any]
    outside: float | None


@dataclass(frozen=True, eq=False)
class Seen:
    """What a position of a layer sees; sizes in pixels of the image, influence (Y, X) float32."""

    layer: str
    box: Region
    size: tuple[float, float]
    influence: Array
    effective: float
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Trusted:
    """Verdict on random weights, rank correlations by layer, and answers to shifts, see `shifts_told`."""

    verdict: str
    correlations: tuple[tuple[str, float], ...]
    shifts: tuple[dict[str, Any], ...]
    layer: str


def survey(question: Question) -> Job[Surveyed]:
    """Look through all layers of a network."""
    from napari_microcnn.explain.activations import survey as look_through

    sight, _ = _sight(question)
    looks = look_through(sight.net, sight.middle_window(question.region).image)
    rows = tuple(
        LayerRow(
            one.layer.name,
            one.layer.kind,
            one.layer.made,
            one.layer.jump,
            one.layer.size,
            "convolution" in one.layer.kind,
            one.picture,
        )
        for one in looks
    )
    coarse = any(min(row.shape[1:]) > 1 for row in rows)
    yield Finished(Surveyed(rows, sight.default_layer() if coarse else None, float(np.mean(sight.scale))))


def explain_image(question: Question, inside: Array | None) -> Job[Explained]:
    """Find what speaks for a class, and the share of it outside of an object, (Y, X) bool."""
    from napari_microcnn.explain.explanation import explain_class
    from napari_microcnn.explain.trust import heat_outside

    _, pixels = _sight(question)
    job = explain_class(pixels, _model(question.model), question.class_id, question.config, question.region)
    with closing(job):
        for event in job:
            if not isinstance(event, Finished):
                yield event
                continue
            found = event.result
            outside = None if inside is None else heat_outside(found.heat, inside[found.region])
            yield Finished(Explained(found.heat, found.region, found.info(), outside))


def maps(question: Question, layer: str, of_filters: bool) -> Job[Array]:
    """Find the maps or the filters of a layer as small pictures, (F, h, w) uint8."""
    from napari_microcnn.explain.activations import filter_pictures, gallery

    sight, _ = _sight(question)
    pictures = filter_pictures(sight.net, layer) if of_filters else None
    yield Finished(
        gallery(sight.net, sight.middle_window(question.region).image, layer) if pictures is None else pictures
    )


def one_map(question: Question, layer: str, channel: int) -> Job[Array]:
    """Find what one filter makes of the image, (Y, X) float32."""
    from napari_microcnn.explain.activations import activation_map

    sight, _ = _sight(question)
    yield from activation_map(sight, layer, channel, question.region)


def exciting(question: Question, layer: str, channel: int) -> Job[Array]:
    """Find a picture that excites a filter, (Y, X) or (Y, X, 3) uint8."""
    from napari_microcnn.explain.excite import excite

    sight, _ = _sight(question)
    channels, height, width = sight.window_shape
    fixed = getattr(sight.net.config, "fixed_side", None)
    side = (height, width) if fixed is not None else (_PICTURE, _PICTURE)
    with closing(excite(sight.net, (channels, *side), layer, channel)) as job:
        for event in job:
            yield Finished(_shown(event.result)) if isinstance(event, Finished) else event


def field(question: Question, layer: str, pixel: tuple[int, int], grains: Array | None) -> Job[Seen]:
    """Find what the position of a layer's maps nearest to a pixel sees, and whether that is enough for the grains."""
    from napari_microcnn.explain.receptive import field_of_view
    from napari_microcnn.explain.report import doubts
    from napari_microcnn.measure.grains import mean_intercept

    sight, _ = _sight(question)
    found = field_of_view(sight, pixel, layer)
    grain = None if grains is None else mean_intercept(grains)
    calibration = opened(question.source).calibration
    said = doubts(sight, _model(question.model), calibration, grain)
    yield Finished(Seen(layer, found.box, found.size, found.influence, found.effective, tuple(said)))


def trust(question: Question) -> Job[Trusted]:
    """Replace weights by random ones, and shift the image."""
    from napari_microcnn.explain.explanation import class_named, sanity_of
    from napari_microcnn.explain.report import shifts_told
    from napari_microcnn.explain.translation import translation_test

    sight, _ = _sight(question)
    model = _model(question.model)
    output = model.classes.index(class_named(model, question.class_id))
    layer = question.config.layer or sight.default_layer()
    sanity = yield from _result(sanity_of(sight, output, question.config, question.region))
    shifts = yield from _result(translation_test(sight, output, layer))
    correlations = tuple(zip(sanity.layers, sanity.similarity, strict=True))
    yield Finished(Trusted(sanity.verdict, correlations, tuple(shifts_told(shifts)), layer))


def _result(job: Job[Any]) -> Any:
    """Hand on the events of a job; returns its result."""
    with closing(job):
        for event in job:
            if isinstance(event, Finished):
                return event.result
            yield event
    raise RuntimeError("A job ended without a result.")


def _sight(question: Question) -> tuple[Sight, Any]:
    """Return the image as the model sees it, and its pixels."""
    from napari_microcnn.explain.sight import Sight

    micrograph = opened(question.source)
    pixels = micrograph.pixels[question.plane] if question.plane else micrograph.pixels
    config = question.config
    return Sight(pixels, _model(question.model), config.magnification, config.device), pixels


def _model(path: Path) -> Any:
    return _opened_model(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _opened_model(path: Path, _changed: int) -> Any:
    from napari_microcnn.models import open_model

    return open_model(path)


def _shown(picture: Array) -> Array:
    """Return a normalised picture (C, Y, X) to look at, uint8; of many channels their mean."""
    colours = picture if len(picture) == 3 else picture.mean(axis=0, keepdims=True)
    low, high = float(colours.min()), float(colours.max())
    levels = (255 * (colours - low) / max(high - low, 1e-12)).round().astype(np.uint8)
    return np.moveaxis(levels, 0, -1) if len(levels) == 3 else levels[0]
