"""Occlusion of classifiers with covers of several sizes, and of segmenters with many covers at a time."""

from __future__ import annotations

from collections.abc import Callable, Generator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_microcnn.config import ExplainConfig
from napari_microcnn.events import Event, Progress
from napari_microcnn.explain.attribution import drawn, occlusion, starts
from napari_microcnn.explain.pieces import Window
from napari_microcnn.explain.sight import Sight
from napari_microcnn.explain.stitching import result_within
from napari_microcnn.explain.target import Target

_PARTS = (16, 8, 4)
"""Of what the network sees at once: sides of covers. One size alone finds objects of its own size only."""
Told = Callable[[Sight, Tensor, int, Tensor], None]


def covers(sight: Sight, config: ExplainConfig) -> list[tuple[int, int]]:
    """Return side and stride, in pixels, of the covers: as set, or scaled to what the network sees at once.

    A segmenter gets one size, the largest: every pixel has an answer of its own that changes.
    """
    whole = sight.seen_at_once
    sides = [max(1, whole // part) for part in (_PARTS if sight.judges_windows else _PARTS[-1:])]
    if config.window is not None:
        sides = [config.window]
    return [(side, config.stride or max(1, side // 2)) for side in sides]


def falls_of_window(
    sight: Sight, window: Window, target: Target, config: ExplainConfig
) -> Generator[Event, None, NDArray[np.float32]]:
    """Return how much a classifier's score falls when parts of a window are covered, (H, W); the mean over sizes."""
    total = np.zeros(window.shape[1:], np.float32)
    sizes = covers(sight, config)
    for side, stride in sizes:
        found: Tensor = yield from result_within(occlusion(sight.net, window.image, target, side, stride))
        total += found[0].cpu().numpy() / len(sizes)
    return total


def falls_of_pixels(
    sight: Sight, output: int, config: ExplainConfig, region: NDArray[np.bool_] | None, tell: Told
) -> Generator[Event, None, NDArray[np.float32]]:
    """Return how much the summed score of the pixels of interest falls when parts are covered, in the resampled image.

    A cover changes answers only as far as the network sees, so covers that are further apart share
    an image: their falls are told apart by where they are.

    Parameters
    ----------
    sight : Sight
        Of a segmenter.
    output : int
    config : ExplainConfig
    region : numpy.ndarray or None, (Y, X) bool
        Pixels of interest.
    tell : callable
        Is told of the sight, the logits of every window, the output, and the pixels the window stands for.
    """
    ((side, stride),) = covers(sight, config)
    height, width = sight.prospect.shape
    rows, columns = starts(height, side, stride), starts(width, side, stride)
    falls = np.zeros((len(rows), len(columns)), np.float32)
    count = sight.count(region)
    for number, window in enumerate(sight.windows(region, 2 * sight.margin + side // sight.step * sight.step)):
        with torch.no_grad():
            before = sight.net(window.image)
        tell(sight, before, output, window.own)
        for done, total in _cover(sight, window, before[0, output], output, (rows, columns), side, falls):
            yield Progress(number * total + done, max(count, number + 1) * total, "Covering")
    return drawn(falls, rows, columns, side, (height, width))


def _cover(
    sight: Sight,
    window: Window,
    before: Tensor,
    output: int,
    grid: tuple[range, range],
    side: int,
    falls: NDArray[np.float32],
) -> Generator[tuple[int, int], None, None]:
    """Note the falls of all covers with their middles in the core of a window; yields rounds done, and in all."""
    lines = [
        [index for index, start in enumerate(begins) if core.start <= start + side // 2 - first < core.stop]
        for begins, first, core in zip(grid, (window.top, window.left), window.core, strict=True)
    ]
    apart = -(-(side + 2 * sight.reach) // grid[0].step)
    rounds = [(down, right) for down in range(min(apart, len(lines[0]))) for right in range(min(apart, len(lines[1])))]
    wanted = window.where.to(before.device)
    for done, (down, right) in enumerate(rounds):
        boxes = {
            (row, column): (grid[0][row] - window.top, grid[1][column] - window.left)
            for row in lines[0][down::apart]
            for column in lines[1][right::apart]
        }
        image = window.image.clone()
        for top, left in boxes.values():
            image[..., max(0, top) : top + side, max(0, left) : left + side] = 0
        with torch.no_grad():
            fall = torch.where(wanted, before - sight.net(image)[0, output], 0)
        for place, (top, left) in boxes.items():
            part = fall[
                max(0, top - sight.reach) : top + side + sight.reach,
                max(0, left - sight.reach) : left + side + sight.reach,
            ]
            falls[place] = float(part.sum())
        yield done + 1, len(rounds)
