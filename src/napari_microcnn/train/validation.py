"""Judging a network on held-out annotation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_microcnn.data import IGNORE
from napari_microcnn.data.patches import Source, crop
from napari_microcnn.events import EpochDone
from napari_microcnn.nets import UNet
from napari_microcnn.train.losses import segmentation_loss
from napari_microcnn.train.metrics import LEAST_UNITS, ConfusionMatrix, bootstrap_spread

MOST_SQUARES = 24
_BATCH = 8


class Validator:
    """A fixed set of squares around held-out annotation, the same at every epoch.

    Parameters
    ----------
    sources : sequence of Source
        Their targets are the held-out annotation.
    side : int
        Side of the squares; the network must take it.
    rng : numpy.random.Generator
    device : torch.device

    Attributes
    ----------
    spread : float or None
        Standard error of the mean IoU that was told last, by `bootstrap_spread` over the images
        where at least `LEAST_UNITS` are held out, which tells how much images differ, and else
        over the squares.
    told : dict
        What models say of the last judgement, see `judged`.
    """

    told: dict[str, Any]

    def __init__(self, sources: Sequence[Source], side: int, rng: np.random.Generator, device: torch.device) -> None:
        most = -(-MOST_SQUARES // len(sources))
        found = [_squares(source, side, rng, most) for source in sources]
        pairs = [pair for squares in found for pair in squares]
        by_image = len(sources) >= LEAST_UNITS
        sizes = [len(squares) for squares in found]
        self._units = np.repeat(np.arange(len(sizes)), sizes) if by_image else np.arange(len(pairs))
        self.pieces = "images" if by_image else "squares"
        self.spread: float | None = None
        self._images = torch.from_numpy(np.stack([image for image, _ in pairs])).to(device)
        self._targets = torch.from_numpy(np.stack([targets for _, targets in pairs])).to(device)

    @torch.inference_mode()
    def __call__(self, net: UNet) -> tuple[float, float]:
        """Return the loss and the mean IoU of a network in inference mode."""
        losses, pieces = [], [ConfusionMatrix(net.config.classes) for _ in range(self._units[-1] + 1)]
        images, targets = self._images, self._targets
        for start in range(0, len(images), _BATCH):
            batch = images[start : start + _BATCH].contiguous(memory_format=torch.channels_last)
            truth = targets[start : start + _BATCH].long()
            logits: Tensor = net(batch).float()
            for unit, one, other in zip(self._units[start : start + _BATCH], truth, logits.argmax(dim=1), strict=True):
                pieces[unit].update(one, other)
            losses.append(float(segmentation_loss(logits, truth)))
        whole = ConfusionMatrix(net.config.classes)
        whole.counts = torch.stack([piece.counts for piece in pieces]).sum(dim=0)
        self.spread = bootstrap_spread(np.stack([piece.counts.numpy() for piece in pieces]))
        return sum(losses) / len(losses), whole.mean_iou()


def judged(event: EpochDone, validator: Validator, origin: str) -> EpochDone:
    """Return the event with the spread of its IoU; its model, if it is the best, says where the IoU is from.

    Parameters
    ----------
    event : EpochDone
    validator : Validator
        What has judged this epoch.
    origin : str
        What is held out, in a few words, for the model's provenance.
    """
    if not event.settling:
        told = {"mean_iou": event.iou, "spread": validator.spread, "epoch": event.epoch, "on": origin}
        validator.told = {**told, "method": f"bootstrap over {validator.pieces}"}
    model = event.model
    if model is not None:
        model = replace(model, provenance={**model.provenance, "validation": validator.told})
    return replace(event, iou_spread=validator.spread, model=model)


def _squares(
    source: Source, side: int, rng: np.random.Generator, most: int
) -> list[tuple[NDArray[np.float32], NDArray[np.uint8]]]:
    """Cover the annotation of a source with squares, the classes by turns, until nothing or no square is left."""
    left = source.targets.copy()
    found: list[tuple[NDArray[np.float32], NDArray[np.uint8]]] = []
    classes = [int(value) for value in np.unique(left) if value != IGNORE]
    while classes and len(found) < most:
        index = classes[len(found) % len(classes)]
        rows, columns = np.nonzero(left == index)
        if len(rows) == 0:
            classes.remove(index)
            continue
        place = rng.integers(len(rows))
        top, start = int(rows[place]) - side // 2, int(columns[place]) - side // 2
        image, _ = crop(source, top, start, side)
        _, targets = crop(source.with_targets(left), top, start, side)
        left[max(0, top) : top + side, max(0, start) : start + side] = IGNORE  # every pixel counts once
        found.append((image, targets))
    return found
