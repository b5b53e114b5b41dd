"""Judging a network on held-out annotation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from napari_microcnn.data import IGNORE
from napari_microcnn.data.overview import OVERVIEW, correction
from napari_microcnn.data.patches import Source, crop
from napari_microcnn.device import fast_bfloat16
from napari_microcnn.events import EpochDone
from napari_microcnn.models import Model
from napari_microcnn.nets import UNet, prepared
from napari_microcnn.train.losses import segmentation_loss
from napari_microcnn.train.metrics import LEAST_UNITS, ConfusionMatrix, bootstrap_spread

MOST_SQUARES = 24
_BATCH = 8

_TRIALS = 8
"""Judgements after which an overview that does harm is given up."""

_HARM = -0.01


class _Square(NamedTuple):
    """A square (C, S, S), its targets (S, S), and what surrounds it, in the overview (C, S, S)."""

    image: NDArray[np.float32]
    targets: NDArray[np.uint8]
    surroundings: NDArray[np.float32] | None


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
    overviews : sequence of Source, optional
        Of the sources, where there are overviews to look at.
    decides : bool
        Whether so much is held out that it can tell whether the overview helps; else it is taken to do so.

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

    def __init__(
        self,
        sources: Sequence[Source],
        side: int,
        rng: np.random.Generator,
        device: torch.device,
        overviews: Sequence[Source] | None = None,
        *,
        decides: bool = False,
    ) -> None:
        most = -(-MOST_SQUARES // len(sources))
        found = [
            _squares(source, overviews[index] if overviews else None, side, rng, most)
            for index, source in enumerate(sources)
        ]
        pairs = [square for squares in found for square in squares]
        by_image = len(sources) >= LEAST_UNITS
        sizes = [len(squares) for squares in found]
        self._units = np.repeat(np.arange(len(sizes)), sizes) if by_image else np.arange(len(pairs))
        self.pieces = "images" if by_image else "squares"
        self.spread: float | None = None
        self._images = torch.from_numpy(np.stack([square.image for square in pairs])).to(device)
        self._targets = torch.from_numpy(np.stack([square.targets for square in pairs])).to(device)
        around = [square.surroundings for square in pairs if square.surroundings is not None]
        self._surroundings = torch.from_numpy(np.stack(around)).to(device) if around else None
        self._gain, self._trials = (0.0 if decides else 1.0), 0
        self._decides = decides

    @property
    def tries_overview(self) -> bool:
        """Whether the overview is still tried."""
        return self._surroundings is not None and (self._trials < _TRIALS or self._gain > _HARM)

    @property
    def overview(self) -> bool:
        """Whether predictions are better with the overview, the latest judgements counting most."""
        return self._surroundings is not None and self._gain > 0

    def recall(self, model: Model) -> None:
        """Take over what an interrupted training had found out about its best model."""
        self.told = model.provenance.get("validation", {})
        self._gain = 1.0 if model.overview else 0.0

    @torch.inference_mode()
    def __call__(self, net: UNet) -> tuple[float, float]:
        """Return the loss and the mean IoU of a network in inference mode, with the overview where that is better."""
        classes, device = net.config.classes, self._images.device
        alone, together = _Marks(classes, self._units), _Marks(classes, self._units)
        surroundings = self._surroundings if self.tries_overview else None
        seeing = prepared(net, device, torch.bfloat16 if fast_bfloat16(device) else torch.float32)
        for start in range(0, len(self._images), _BATCH):
            part = slice(start, start + _BATCH)
            truth, logits = self._targets[part].long(), _logits(seeing, self._images[part])
            alone.add(part, logits, truth)
            if surroundings is not None:
                together.add(part, _corrected(logits, _logits(seeing, surroundings[part])), truth)
        if surroundings is not None and self._decides:
            gain = together.mean_iou() - alone.mean_iou()
            self._gain = gain if not self._trials else 0.8 * self._gain + 0.2 * gain
            self._trials += 1
        chosen = together if self.overview else alone
        self.spread = chosen.spread()
        return chosen.loss(), chosen.mean_iou()


class _Marks:
    """What the squares, which belong to units, say of a network."""

    def __init__(self, classes: int, units: NDArray[np.intp]) -> None:
        self._units, self._losses = units, list[float]()
        self._pieces = [ConfusionMatrix(classes) for _ in range(units[-1] + 1)]
        self._whole = ConfusionMatrix(classes)

    def add(self, part: slice, logits: Tensor, truth: Tensor) -> None:
        """Take in the scores, (N, K, S, S), of some squares."""
        for unit, one, other in zip(self._units[part], truth, logits.argmax(dim=1), strict=True):
            self._pieces[unit].update(one, other)
        self._whole.counts = torch.stack([piece.counts for piece in self._pieces]).sum(dim=0)
        self._losses.append(float(segmentation_loss(logits, truth)))

    def loss(self) -> float:
        return sum(self._losses) / len(self._losses)

    def mean_iou(self) -> float:
        return self._whole.mean_iou()

    def spread(self) -> float | None:
        return bootstrap_spread(np.stack([piece.counts.numpy() for piece in self._pieces]))


def _logits(net: nn.Module, images: Tensor) -> Tensor:
    taken = images.to(next(net.parameters()).dtype, memory_format=torch.channels_last)
    logits: Tensor = net(taken)
    return logits.to(torch.float32, memory_format=torch.contiguous_format)


def _corrected(logits: Tensor, surroundings: Tensor) -> Tensor:
    """Return the scores, (N, K, S, S), of squares corrected by those of the overview around them."""
    side = logits.shape[-1]
    small = round(side * OVERVIEW)
    begin = (side - small) // 2
    distant = surroundings.softmax(dim=1)[:, :, begin : begin + small, begin : begin + small]
    near = functional.interpolate(logits.softmax(dim=1), size=(small, small), mode="area")
    factor = functional.interpolate(correction(distant, near), size=(side, side), mode="bilinear")
    return logits + factor.log()


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


def _squares(source: Source, overview: Source | None, side: int, rng: np.random.Generator, most: int) -> list[_Square]:
    """Cover the annotation of a source with squares, the classes by turns, until nothing or no square is left."""
    left = source.targets.copy()
    found: list[_Square] = []
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
        found.append(_Square(image, targets, None if overview is None else _around(overview, top, start, side)))
    return found


def _around(overview: Source, top: int, left: int, side: int) -> NDArray[np.float32]:
    """Return the square of the overview that has the same middle."""
    row, column = (round((start + side / 2) * OVERVIEW - side / 2) for start in (top, left))
    return crop(overview, row, column, side)[0]
