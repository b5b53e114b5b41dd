"""What speaks for a class of a segmenter: piece by piece, equal to what the whole image at once would give.

A piece is read with so much around it that its logits and maps are those of the whole image. The
score of a class is a mean over pixels, so its gradient is the sum of those of the pieces, and the
weights of Grad-CAM are common to the whole image: no piece is lighter or darker than its neighbour.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_microcnn.config import ExplainConfig
from napari_microcnn.events import Alive, Event
from napari_microcnn.explain.attribution import integrated_gradients
from napari_microcnn.explain.covering import falls_of_pixels
from napari_microcnn.explain.gradcam import guided_gradients, heat_of_maps, slopes_at
from napari_microcnn.explain.layers import maps_of
from napari_microcnn.explain.pieces import Window
from napari_microcnn.explain.sight import Sight
from napari_microcnn.explain.stitching import Look, progress, result_within, stitched
from napari_microcnn.explain.target import Target

Heat = Generator[Event, None, NDArray[np.float32]]


@dataclass
class _Tally:
    """Pixels of interest so far, and the sum of the probability of the class over them."""

    pixels: int = 0
    probability: float = 0.0

    def add(self, sight: Sight, logits: Tensor, output: int, where: Tensor) -> None:
        """Count the pixels of a piece."""
        shares = (logits[0].float() / sight.temperature).softmax(dim=0)[output]
        self.pixels += int(where.sum())
        self.probability += float(shares[where.to(shares.device)].sum())


def segmenter_heat(
    sight: Sight, output: int, config: ExplainConfig, layer: str | None, region: NDArray[np.bool_] | None
) -> Generator[Event, None, tuple[NDArray[np.float32], float]]:
    """Return heat in the resampled image, (y, x), and the mean probability of the class in the pixels of interest.

    Parameters
    ----------
    sight : Sight
        Of a segmenter.
    output : int
        Index of the class.
    config : ExplainConfig
    layer : str or None
        Whose maps are looked at, for the methods that do.
    region : numpy.ndarray or None, (Y, X) bool
        Pixels of interest.
    """
    tally = _Tally()
    if layer is not None:
        weights = yield from _channel_weights(sight, output, layer, region, tally)
        guided = config.method == "guided-grad-cam"
        look = _cam(sight, layer, weights, output if guided else None)
        # Guided gradients of a pixel hang on answers as far as the network sees, and these on as much again.
        around = (2 if guided else 1) * sight.margin
        heat = yield from stitched(sight, region, look, margin=around, done=1, rounds=2)
    elif config.method == "integrated-gradients":
        heat = yield from stitched(sight, region, _integrated(sight, output, config.steps, tally), added=True)
        heat /= max(1, tally.pixels)
    else:
        heat = yield from falls_of_pixels(sight, output, config, region, tally.add)
        heat /= max(1, tally.pixels)
    return heat, tally.probability / max(1, tally.pixels)


def _channel_weights(
    sight: Sight, output: int, layer: str, region: NDArray[np.bool_] | None, tally: _Tally
) -> Generator[Event, None, Tensor]:
    """Return the weights of Grad-CAM, (1, F): the mean over the whole image's positions of d score / d A_f."""
    total = torch.zeros(1, 1)
    count = sight.count(region)
    positions = 1.0
    for number, window in enumerate(sight.windows(region)):
        own = window.own
        if own.any():
            found = slopes_at(sight.net, window.image, Target(output, own), layer)
            total = found.slopes.sum(dim=(2, 3)) * int(own.sum()) + total.to(found.slopes)
            tally.add(sight, found.logits, output, own)
            # A segmenter's maps have as many positions per pixel everywhere.
            positions = sight.pixels * found.maps[0, 0].numel() / window.where.numel()
        yield progress(number + 1, 2 * count)
    return total / (max(1, tally.pixels) * positions)


def _cam(sight: Sight, layer: str, weights: Tensor, guided: int | None) -> Look:
    """Look for Grad-CAM, or for guided Grad-CAM of an output."""

    def look(window: Window) -> Heat:
        maps = heat_of_maps(maps_of(sight.net, window.image, layer), weights)
        heat = sight.enlarged(maps, layer, window)[0]
        if guided is not None:
            slopes = torch.zeros_like(window.image)
            if window.where.any():
                yield Alive()
                slopes = guided_gradients(sight.net, window.image, Target(guided, window.where))
            heat = heat * slopes[0].abs().sum(dim=0) * int(window.where.sum()) / sight.pixels
        yield from ()
        return np.asarray(heat.float().cpu().numpy())

    return look


def _integrated(sight: Sight, output: int, steps: int, tally: _Tally) -> Look:
    """Look for integrated gradients of the sum over the pixels of interest that a window stands for."""

    def look(window: Window) -> Heat:
        own = window.own
        if not own.any():
            return np.zeros(window.image.shape[2:], np.float32)
        with torch.no_grad():
            tally.add(sight, sight.net(window.image), output, own)
        job = integrated_gradients(sight.net, window.image, Target(output, own), steps)
        found: Tensor = yield from result_within(job)
        return np.asarray((found[0].sum(dim=0) * int(own.sum())).cpu().numpy())

    return look
