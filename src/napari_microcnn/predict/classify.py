"""Classification of micrographs: a class and its probability for every image, and a map of them over a large one."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.config import ClassifyConfig
from napari_microcnn.data.comparable import specimen
from napari_microcnn.data.orientations import Orientation, orientations_of
from napari_microcnn.data.views import Prospect
from napari_microcnn.device import resolve_device
from napari_microcnn.events import Event, Finished, Job, Notice, Progress
from napari_microcnn.micrograph import Micrograph, Pixels
from napari_microcnn.models import Classifier, load_classifier
from napari_microcnn.models.looking import image_logits, probabilities, window_logits

WINDOWS = 16
"""Of an image at most so many windows are looked at for its class."""
_TOLERANCE = 1.1


@dataclass(frozen=True, eq=False)
class TileMap:
    """Classes over an image, one per tile.

    Attributes
    ----------
    classes : numpy.ndarray
        (rows, columns) uint8, class ids.
    probabilities : numpy.ndarray
        (rows, columns, K) float32, calibrated, in the order of the classifier's classes.
    step : tuple of float
        Height and width of a tile in pixels of the image.
    origin : tuple of int
        Row and column where the first tile begins: the image without its databar.
    """

    classes: NDArray[np.uint8]
    probabilities: NDArray[np.float32]
    step: tuple[float, float]
    origin: tuple[int, int] = (0, 0)


@dataclass(frozen=True, eq=False)
class ClassifiedPlane:
    """The answer for one image.

    Attributes
    ----------
    plane : tuple of int
        Stack index; empty for a single image.
    class_id : int
        The most probable class.
    probabilities : numpy.ndarray
        (K,) float32, calibrated, in the order of the classifier's classes.
    tiles : TileMap or None
        Where asked for.
    """

    plane: tuple[int, ...]
    class_id: int
    probabilities: NDArray[np.float32]
    tiles: TileMap | None = None


@dataclass(frozen=True, eq=False)
class Classification:
    """What a classifier says about a micrograph.

    Attributes
    ----------
    planes : tuple of ClassifiedPlane
        One for a single image, one per plane of a stack.
    micrograph : Micrograph
    model : Classifier
    config : ClassifyConfig
    computed : dict
        Device, magnification and number of orientations: what "auto" meant.
    """

    planes: tuple[ClassifiedPlane, ...]
    micrograph: Micrograph
    model: Classifier
    config: ClassifyConfig
    computed: dict[str, Any]

    def rows(self) -> list[dict[str, Any]]:
        """Return the table: per plane its name, class, probability, and the probability of every class."""
        names = {info.id: info.name for info in self.model.classes}
        return [
            {
                "image": self.micrograph.name + "".join(f" [{index}]" for index in one.plane),
                "class": names[one.class_id],
                "probability": round(float(one.probabilities.max()), 4),
                **{
                    f"p({info.name})": round(float(value), 4)
                    for info, value in zip(self.model.classes, one.probabilities, strict=True)
                },
            }
            for one in self.planes
        ]


def classify(
    image: Micrograph | NDArray[Any], model: Classifier | str | Path, config: ClassifyConfig | None = None
) -> Job[Classification]:
    """Give an image, or every plane of a stack, a class.

    Up to 16 windows, evenly spread over the image, are looked at in orientations that leave the
    class as it is; their mean decides. A databar and plates with a scale bar are left out. With
    ``config.tiles`` every tile gets a class of its own.

    Parameters
    ----------
    image : Micrograph or array, (Y, X)
    model : Classifier, str or Path
        A classifier, or its file.
    config : ClassifyConfig, optional

    Yields
    ------
    Notice, Progress, Finished
        ``Finished`` holds a `Classification`. Closing the generator stops within one batch.

    Raises
    ------
    ValueError
        If the classifier cannot be read, or takes images with other channels.
    """
    config = config or ClassifyConfig()
    micrograph = image if isinstance(image, Micrograph) else Micrograph(image, "YX" if image.ndim == 2 else "ZYX")
    classifier = model if isinstance(model, Classifier) else load_classifier(model)
    classifier.check_channels(micrograph.channels)
    device = resolve_device(config.device)
    factor, told = _magnification(micrograph, classifier, config)
    if told:
        yield Notice(told)
    view = replace(classifier.view, magnification=classifier.magnification * factor)
    looker = _Looker(classifier.snapshot().to(device), config)
    planes = list(micrograph.planes())
    found = []
    for number, (index, plane) in enumerate(planes):
        pixels, origin = specimen(plane)
        prospect = view.of(pixels)
        one = looker.answer(index, prospect)
        if config.tiles:
            tiles = yield from looker.tiles(prospect, pixels, number, len(planes))
            one = replace(one, tiles=replace(tiles, origin=origin))
        else:
            yield Progress(number + 1, len(planes), f"{micrograph.name}: image {number + 1} of {len(planes)}")
        found.append(one)
    computed = {
        "device": device.type,
        "magnification": view.magnification,
        "orientations": len(looker.orientations),
    }
    yield Finished(Classification(tuple(found), micrograph, classifier, config, computed))


def _magnification(micrograph: Micrograph, classifier: Classifier, config: ClassifyConfig) -> tuple[float, str]:
    """Return by which factor to resample so that structures are as large as in training, and what to say of it."""
    if config.magnification is not None:
        return config.magnification, ""
    if micrograph.calibration is None or classifier.pixel_size is None:
        return 1.0, ""
    have, had = (one.to("µm").pixel_size[0] for one in (micrograph.calibration, classifier.pixel_size))
    factor = have / had
    if 1 / _TOLERANCE < factor < _TOLERANCE:
        return 1.0, ""
    if not 1 / 8 <= factor <= 8:
        return 1.0, (
            f"A pixel measures {have:.3g} µm here and {had:.3g} µm in the training images: too far apart to resample, "
            f"so the answer means little."
        )
    return factor, (
        f"A pixel measures {have:.3g} µm here and {had:.3g} µm in the training images, so the image is resampled "
        f"by {factor:.2g}."
    )


class _Looker:
    """Asks a classifier about images and tiles."""

    def __init__(self, classifier: Classifier, config: ClassifyConfig) -> None:
        self._classifier, self._config = classifier, config
        self.orientations: tuple[Orientation, ...] = orientations_of(
            classifier.flips, classifier.turns, config.orientations
        )
        self._ids = np.array([info.id for info in classifier.classes], np.uint8)

    def answer(self, index: tuple[int, ...], prospect: Prospect) -> ClassifiedPlane:
        """Return the answer for a whole image."""
        windows = prospect.spread(WINDOWS)
        logits = image_logits(self._classifier.net, windows, self.orientations, self._config.batch)
        shares = probabilities(logits, self._classifier.temperature)
        return ClassifiedPlane(index, int(self._ids[shares.argmax()]), shares)

    def tiles(self, prospect: Prospect, pixels: Pixels, number: int, planes: int) -> Generator[Event, None, TileMap]:
        """Classify the tiles of an image, row by row."""
        step = max(1, round(prospect.side * (1 - self._config.overlap)))
        rows, cols = (-(-length // step) for length in prospect.shape)
        tops, lefts = (
            _starts(length, n, prospect.side) for length, n in zip(prospect.shape, (rows, cols), strict=True)
        )
        shares = np.empty((rows, cols, len(self._ids)), np.float32)
        start = time.monotonic()
        for row, top in enumerate(tops):
            logits = np.concatenate([self._logits(part) for part in self._row(prospect, top, lefts)])
            shares[row] = probabilities(logits, self._classifier.tile_temperature)
            left = (time.monotonic() - start) * (rows - row - 1) / (row + 1)
            yield Progress(number * rows + row + 1, planes * rows, f"Row {row + 1} of {rows}, {left:.0f} s left")
        size = (int(pixels.shape[0]) / rows, int(pixels.shape[1]) / cols)
        return TileMap(self._ids[shares.argmax(axis=2)], shares, size)

    def _row(self, prospect: Prospect, top: int, lefts: Sequence[int]) -> Iterator[NDArray[np.float32]]:
        """Yield the windows of a row of tiles in batches; pixels are read once per batch."""
        side, batch = prospect.side, self._config.batch
        for begin in range(0, len(lefts), batch):
            part = lefts[begin : begin + batch]
            strip = prospect.window(top, part[0], side, part[-1] - part[0] + side)
            yield np.stack([strip[:, :, left - part[0] : left - part[0] + side] for left in part])

    def _logits(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        return window_logits(self._classifier.net, windows, self.orientations, self._config.batch)


def _starts(length: int, tiles: int, side: int) -> list[int]:
    """Return where windows begin that are centred on tiles of equal size; some begin before the image."""
    return [round((index + 0.5) * length / tiles - side / 2) for index in range(tiles)]
