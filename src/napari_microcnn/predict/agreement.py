"""Whether a network finds the same again in an image that it sees in another way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import skeletonize
from torch import Tensor
from torch.nn import functional

from napari_microcnn.models import Model
from napari_microcnn.nets import UNet

_SHRUNK = 0.7
_TOLERANCE = 2.0
"""Distance in pixels at which a boundary counts as found again."""

Mask = NDArray[np.bool_]


def disagreement(model: Model, windows: Sequence[NDArray[np.float32]]) -> float:
    """Return how much of what a network finds it does not find again in the mirrored and in the shrunk windows.

    What a network has understood does not hang on the side from which it looks: where its answers to
    the same picture differ, they are wrong at least once (after Jiang et al., "Assessing generalization
    of SGD via disagreement", ICLR 2022, who compare two networks).

    Parameters
    ----------
    model : Model
    windows : sequence of numpy.ndarray
        (C, Y, X) float32, normalised, at the magnification at which the model sees the image.

    Returns
    -------
    float
        0: all is found again, 1: nothing. One minus the boundary F1 at 2 px where the model finds grain
        boundaries, otherwise one minus the mean Dice of the classes; 1 too where there is no boundary at all.
    """
    net = model.net if model.device.type == "cpu" else model.snapshot().net
    rule = model.objects
    line = model.channel(rule.class_id) if rule is not None and rule.kind == "grains" else None
    found = []
    for window in windows:
        plain, *others = _answers(net, _whole(window, 2**net.config.depth), len(model.classes))
        found += [
            _dice(plain, other) if line is None else _boundary_f1(plain == line, other == line) for other in others
        ]
    return 1 - float(np.mean(found))


def _whole(window: NDArray[np.float32], step: int) -> Tensor:
    """Return a window (1, C, Y, X) whose sides are multiples of what the network takes."""
    image = torch.from_numpy(np.ascontiguousarray(window))[None]
    height, width = (max(step, side // step * step) for side in image.shape[2:])
    image = image[:, :, :height, :width]
    return functional.pad(image, (0, width - image.shape[3], 0, height - image.shape[2]))


@torch.inference_mode()
def _answers(net: UNet, image: Tensor, classes: int) -> list[NDArray[np.int64]]:
    """Return the class maps (Y, X) of the image, of the mirrored one, and of the shrunk one, each put back."""
    step = 2**net.config.depth
    sides = image.shape[2:]
    shrunk = [max(step, round(side * _SHRUNK / step) * step) for side in sides]
    small = functional.interpolate(image, shrunk, mode="bilinear", antialias=True)
    answers = [net(image), net(image.flip(3)).flip(3), functional.interpolate(net(small), sides, mode="bilinear")]
    return [answer[0, :classes].argmax(0).numpy() for answer in answers]


def _boundary_f1(one: Mask, other: Mask) -> float:
    lines = [skeletonize(mask) for mask in (one, other)]  # type: ignore[no-untyped-call]
    if not all(line.any() for line in lines):
        return 0.0
    near = [
        float((ndimage.distance_transform_edt(~target)[line] <= _TOLERANCE).mean())
        for line, target in (lines, lines[::-1])
    ]
    return 2 * near[0] * near[1] / max(sum(near), 1e-9)


def _dice(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """Return the mean over the classes that either of two class maps has."""
    values = []
    for index in np.union1d(one, other):
        a, b = one == index, other == index
        values.append(2 * (a & b).sum() / (a.sum() + b.sum()))
    return float(np.mean(values))
