"""Judging a network on held-out annotation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_microcnn.data import IGNORE
from napari_microcnn.data.patches import Source, crop
from napari_microcnn.nets import UNet
from napari_microcnn.train.losses import segmentation_loss
from napari_microcnn.train.metrics import ConfusionMatrix

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
    """

    def __init__(self, sources: Sequence[Source], side: int, rng: np.random.Generator, device: torch.device) -> None:
        pairs = [pair for source in sources for pair in _squares(source, side, rng, -(-MOST_SQUARES // len(sources)))]
        self._images = torch.from_numpy(np.stack([image for image, _ in pairs])).to(device)
        self._targets = torch.from_numpy(np.stack([targets for _, targets in pairs])).to(device)

    @torch.inference_mode()
    def __call__(self, net: UNet) -> tuple[float, float]:
        """Return the loss and the mean IoU of a network in inference mode."""
        scores, losses = ConfusionMatrix(net.config.classes), []
        images, targets = self._images, self._targets
        for start in range(0, len(images), _BATCH):
            batch = images[start : start + _BATCH].contiguous(memory_format=torch.channels_last)
            truth = targets[start : start + _BATCH].long()
            logits: Tensor = net(batch).float()
            scores.update(truth, logits.argmax(dim=1))
            losses.append(float(segmentation_loss(logits, truth)))
        return sum(losses) / len(losses), scores.mean_iou()


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
