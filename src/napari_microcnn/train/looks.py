"""Labelled images made ready for a classifier: how it looks at them, what is learnt from, and what judges it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_microcnn.config import ClassifierConfig, ClassifierTrainConfig
from napari_microcnn.data.collections import ClassifiedImage, Collection
from napari_microcnn.data.orientations import ORIENTATIONS
from napari_microcnn.data.scores import Predictions, balanced_accuracy
from napari_microcnn.data.variants import needed_side, varied
from napari_microcnn.data.views import Prospect, View, common_limits
from napari_microcnn.micrograph import Calibration
from napari_microcnn.models.looking import fitted_temperature, probabilities, window_logits

SHORT_SIDE = 512
"""Larger images are made smaller until their shorter side has so many pixels, unless the user says otherwise."""
LARGEST_SIDE = 128
"""Windows are not larger than this unless the user says otherwise: more would cost time, not show more texture."""
_WINDOWS, _PER_IMAGE = 400, 4
_DIFFERENT = 1.2


@dataclass(frozen=True, eq=False)
class Looks:
    """How images are seen, and what the user should know of it."""

    view: View
    pixel_size: Calibration | None
    notices: tuple[str, ...]


def choose_looks(collection: Collection, config: ClassifierTrainConfig) -> Looks:
    """Decide on channels, magnification, grey values and the side of the windows.

    Raises
    ------
    ValueError
        If the images have different channels, or different depths where grey values shall mean the same.
    """
    images = collection.images
    channels, notices = _channels(images)
    short = float(np.median([min(image.pixels.shape[:2]) for image in images]))
    magnification = config.magnification or min(1.0, SHORT_SIDE / short)
    limits = None
    if _black_and_white(images) if config.same_scale == "auto" else config.same_scale == "yes":
        depths = sorted({str(image.pixels.dtype) for image in images})
        if len(depths) > 1:
            raise ValueError(
                f"Grey values shall mean the same in all images, but these are of different depths: "
                f"{', '.join(depths)}; convert them to one, or normalise every image by itself (no same scale)."
            )
        plain = View(1, channels)
        limits = common_limits([np.asarray(plain.of(image.pixels).plane) for image in images])
    smallest = min(min(image.pixels.shape[:2]) for image in images)
    side = config.side or _side(int(smallest * magnification), config)
    pixel_size, told = _pixel_size(images)
    return Looks(View(side, channels, magnification, limits), pixel_size, (*notices, *told))


def _side(smallest: int, config: ClassifierTrainConfig) -> int:
    least = ClassifierConfig(architecture=config.architecture, blocks=config.blocks).least_side
    side = min(smallest, LARGEST_SIDE)
    return max(least, side // 16 * 16 if side >= 32 else side)


def _channels(images: Sequence[ClassifiedImage]) -> tuple[int, tuple[str, ...]]:
    found = Counter(image.channels for image in images)
    if len(found) == 1:
        return images[0].channels, ()
    if set(found) == {1, 3}:
        return 1, (f"{found[3]} of {len(images)} images are in colour and the others grey: all are used as grey.",)
    told = ", ".join(f"{channels} ({count} images)" for channels, count in sorted(found.items()))
    raise ValueError(f"The images have different numbers of channels: {told}; use images of one kind.")


def _black_and_white(images: Sequence[ClassifiedImage]) -> bool:
    """Whether all images hold the same two values and no others, as spins and masks do."""
    values: set[float] = set()
    for image in images:
        pixels = np.asarray(image.pixels[:256, :256])
        low, high = pixels.min(), pixels.max()
        values |= {float(low), float(high)}
        if len(values) > 2 or not ((pixels == low) | (pixels == high)).all():
            return False
    return True


def _pixel_size(images: Sequence[ClassifiedImage]) -> tuple[Calibration | None, tuple[str, ...]]:
    known = [image.calibration for image in images if image.calibration is not None]
    if not known:
        return None, ()
    sizes = [one.to("µm").pixel_size[0] for one in known]
    if max(sizes) > _DIFFERENT * min(sizes):
        low, high = (known[int(index)].to("µm") for index in (np.argmin(sizes), np.argmax(sizes)))
        told = (
            f"The pixel sizes differ, from {low.pixel_size[0]:.3g} to {high.pixel_size[0]:.3g} µm: the classifier sees "
            f"the same structure in different sizes, and may take the magnification for the class."
        )
        return None, (told,)
    return (known[0] if len(known) == len(images) else None), ()


def endless_batches(
    prospects: Sequence[NDArray[np.float32]],
    targets: NDArray[np.int64],
    side: int,
    config: ClassifierTrainConfig,
    rng: np.random.Generator,
    device: torch.device,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield windows (N, side, side) at random places of images in a random order, varied, with their classes.

    Parameters
    ----------
    prospects : sequence of numpy.ndarray, (C, Y, X) float32
        Normalised images, at least a window large.
    targets : numpy.ndarray, (N,)
    """
    generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
    source = needed_side(side, config)
    queue: list[int] = []
    while True:
        while len(queue) < config.batch:
            queue += rng.permutation(len(prospects)).tolist()
        chosen, queue = queue[: config.batch], queue[config.batch :]
        windows = np.stack([_random_window(prospects[index], source, rng) for index in chosen])
        images = varied(torch.from_numpy(windows).to(device), side, config, generator)
        yield images, torch.from_numpy(targets[chosen]).to(device)


def _random_window(image: NDArray[np.float32], side: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a square at a random place, mirrored where the image is too small for it."""
    margins = []
    for length in image.shape[1:]:
        missing = max(0, side - length)
        before = int(rng.integers(0, missing + 1))
        margins.append((before, missing - before))
    top, left = (int(rng.integers(0, max(0, length - side) + 1)) for length in image.shape[1:])
    window = image[:, top : top + side, left : left + side]
    return np.pad(window, ((0, 0), *margins), mode="symmetric") if any(map(sum, margins)) else window


class ImageValidator:
    """Judges a network by images held out; what it found last is in its attributes.

    Attributes
    ----------
    predictions : Predictions
    temperature, tile_temperature : float
        See `napari_microcnn.models.Classifier`.
    """

    predictions: Predictions
    temperature = tile_temperature = 1.0

    def __init__(
        self, images: Sequence[ClassifiedImage], prospects: Sequence[Prospect], targets: NDArray[np.int64]
    ) -> None:
        self._images, self._targets = images, targets
        most = int(np.clip(_WINDOWS // len(images), 1, _PER_IMAGE))
        spread = [prospect.spread(most) for prospect in prospects]
        self._windows = np.concatenate(spread)
        self._owner = np.repeat(np.arange(len(images)), [len(windows) for windows in spread])

    def __call__(self, net: nn.Module) -> tuple[float, float]:
        """Return the loss, each image counting alike, and the balanced accuracy."""
        was_training = net.training
        single = window_logits(net.eval(), self._windows, ORIENTATIONS[:1])
        net.train(was_training)
        logits = np.zeros((len(self._targets), single.shape[1]), np.float32)
        np.add.at(logits, self._owner, single)
        logits /= np.bincount(self._owner)[:, None]
        self.temperature = fitted_temperature(logits, self._targets)
        self.tile_temperature = fitted_temperature(single, self._targets[self._owner])
        calibrated = probabilities(logits, self.temperature)
        names, owners = (tuple(getattr(image, kind) for image in self._images) for kind in ("name", "micrograph"))
        self.predictions = Predictions(names, owners, self._targets, calibrated)
        plain = probabilities(logits)[np.arange(len(logits)), self._targets]
        return float(-np.log(plain.clip(1e-12)).mean()), float(balanced_accuracy(self.predictions.confusion))

    def doubt(self) -> float:
        """Return which difference of the balanced accuracy says nothing yet.

        Within it later epochs are preferred: their weights have settled, and of few micrographs
        the best epoch is the luckiest one.
        """
        return self.predictions.doubt
