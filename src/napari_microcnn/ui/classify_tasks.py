"""What the Classify dock lets a worker do; see `tasks`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_microcnn.config import ClassifierTrainConfig, ClassifyConfig
from napari_microcnn.data.scores import Predictions
from napari_microcnn.events import ClassifierEpoch, Finished, Job, Notice
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.ui.models import ModelFile, read_model_file
from napari_microcnn.ui.pairing import OnDisk, opened
from napari_microcnn.ui.tasks import Array

if TYPE_CHECKING:
    from napari_microcnn.data.collections import ClassifiedImage, Collection

MOST_MISTAKES = 24
_SHOWN_SIDE = 512


@dataclass(frozen=True)
class OnePlace:
    """A folder with a folder per class, or a table of files."""

    path: Path


@dataclass(frozen=True, eq=False)
class Planes:
    """A stack with a class per plane; None leaves a plane out."""

    source: Micrograph | OnDisk
    names: tuple[str | None, ...]
    micrographs: tuple[str, ...] | None = None


@dataclass(frozen=True, eq=False)
class Regions:
    """Regions of one image: labels, (Y, X) integers, and the names of their classes."""

    source: Micrograph | OnDisk
    labels: Array
    names: tuple[tuple[int, str], ...]


Source = OnePlace | Planes | Regions


@dataclass(frozen=True, eq=False)
class Mistake:
    """An image that was predicted wrongly: uint8 (Y, X) or (Y, X, 3), and what was said of it."""

    name: str
    truth: str
    predicted: str
    probability: float
    image: Array


@dataclass(frozen=True, eq=False)
class Judged:
    """How good a classifier is.

    Attributes
    ----------
    model : ModelFile or None
        None after a cross-validation.
    classes : tuple of str
    predictions : Predictions
    summary : str
        Scores for people.
    mistakes : tuple of Mistake
        The worst first.
    """

    model: ModelFile | None
    classes: tuple[str, ...]
    predictions: Predictions
    summary: str
    mistakes: tuple[Mistake, ...]


@dataclass(frozen=True, eq=False)
class Answered:
    """The classes of an image or of the planes of a stack.

    Attributes
    ----------
    rows : list of dict
        See `napari_microcnn.predict.classify.Classification.rows`.
    tiles : numpy.ndarray or None
        uint8, stack axes and (rows, columns) of tiles, class ids plus one: 0 is nothing in napari.
    step : tuple of float
        Height and width of a tile in pixels.
    origin : tuple of int
        Row and column of the image where the first tile begins.
    """

    rows: list[dict[str, Any]]
    tiles: Array | None
    step: tuple[float, float]
    origin: tuple[int, int] = (0, 0)


def train(source: Source, config: ClassifierTrainConfig, folder: Path, name: str) -> Job[Judged]:
    """Train a classifier; the best weights so far are always in a file, so stopping loses nothing."""
    from napari_microcnn.models import save_classifier
    from napari_microcnn.train.classifier import train_classifier

    def kept(model: Any) -> ModelFile:
        path = save_classifier(replace(model, name=name), folder / f"{name}.safetensors")
        return read_model_file(path, name)

    collection = gathered(source)
    yield Notice(collection.describe() + ".")
    best: Predictions | None = None
    with closing(train_classifier(collection, config)) as job:
        for event in job:
            if isinstance(event, ClassifierEpoch) and event.model is not None:
                best = best if event.settling else event.predictions
                yield replace(event, model=kept(event.model))
            elif isinstance(event, Finished):
                yield Finished(_judged(collection, best or _nothing(), "of the images held out", kept(event.result)))
            else:
                yield event


def cross_validate(source: Source, config: ClassifierTrainConfig, folds: int) -> Job[Judged]:
    """Judge the settings by k-fold cross-validation."""
    from napari_microcnn.train.cross_validation import cross_validate as cross

    collection = gathered(source)
    yield Notice(collection.describe() + ".")
    with closing(cross(collection, config, folds)) as job:
        for event in job:
            if isinstance(event, ClassifierEpoch):
                yield replace(event, model=None)
            elif isinstance(event, Finished):
                found = event.result
                judged = _judged(collection, found.predictions, f"of all images, in {folds} folds", None)
                yield Finished(replace(judged, summary=f"{judged.summary}\nOver the folds: {found}"))
            else:
                yield event


def classify(source: Micrograph | OnDisk, model: Path, config: ClassifyConfig) -> Job[Answered]:
    """Classify an image, and with ``config.tiles`` its tiles."""
    from napari_microcnn.predict.classify import classify as ask

    with closing(ask(opened(source), model, config)) as job:
        for event in job:
            if not isinstance(event, Finished):
                yield event
                continue
            found = event.result
            maps = [one.tiles for one in found.planes if one.tiles is not None]
            stack = found.micrograph.stack_shape
            shown = (
                np.stack([one.classes + 1 for one in maps]).reshape(*stack, *maps[0].classes.shape) if maps else None
            )
            place = (maps[0].step, maps[0].origin) if maps else ((1.0, 1.0), (0, 0))
            yield Finished(Answered(found.rows(), shown, *place))


def gathered(source: Source) -> Collection:
    """Return the labelled images of a source.

    Raises
    ------
    ValueError
        If there are none.
    """
    from napari_microcnn.data.gathering import collect, collect_planes, collect_regions

    if isinstance(source, OnePlace):
        return collect(source.path)
    if isinstance(source, Planes):
        return collect_planes(opened(source.source), source.names, source.micrographs)
    return collect_regions(opened(source.source), source.labels, dict(source.names))


def _nothing() -> Predictions:
    return Predictions((), (), np.zeros(0, np.int64), np.zeros((0, 2), np.float32))


def _judged(collection: Collection, predictions: Predictions, of_what: str, model: ModelFile | None) -> Judged:
    scores = " · ".join(f"{name} {score}" for name, score in predictions.scores().items())
    right = int((predictions.predicted == predictions.truth).sum())
    images = {image.name: image for image in collection.images}
    names = tuple(info.name for info in collection.classes)
    mistakes = tuple(
        _mistake(images[predictions.names[index]], predictions, index, names)
        for index in predictions.worst()[:MOST_MISTAKES]
    )
    summary = f"{right} of {len(predictions.truth)} right, {of_what}.\n{scores} (95 % interval)"
    return Judged(model, names, predictions, summary, mistakes)


def _mistake(image: ClassifiedImage, predictions: Predictions, index: int, names: Sequence[str]) -> Mistake:
    said = int(predictions.predicted[index])
    return Mistake(
        image.name,
        names[int(predictions.truth[index])],
        names[said],
        float(predictions.probabilities[index, said]),
        _shown(image),
    )


def _shown(image: ClassifiedImage) -> Array:
    """Return an image in 8 bit, small enough to be sent."""
    step = max(1, -(-max(image.pixels.shape[:2]) // _SHOWN_SIDE))
    pixels = np.asarray(image.pixels[::step, ::step]).astype(np.float32)
    pixels = pixels if pixels.ndim == 2 or pixels.shape[2] == 3 else pixels.mean(axis=2)
    low, high = np.nanpercentile(pixels, (0.5, 99.5))
    if high <= low:
        low, high = float(np.nanmin(pixels)), float(np.nanmax(pixels)) + 1e-9
    return np.nan_to_num(255 * (pixels - low) / (high - low)).clip(0, 255).astype(np.uint8)
