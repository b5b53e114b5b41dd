"""Maps of a layer brought to the pixels of its input, each position where its receptive field is centred."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_microcnn.nets.fields import AxisField, Field


def enlarged(maps: Tensor, field: Field, shape: tuple[int, int]) -> Tensor:
    """Return maps (N, h, w) in the pixels of the input, (N, H, W), interpolated linearly.

    The usual way spreads the positions evenly over the input. That is wrong for layers with
    strides and padding, by half a step: in a ResNet 16 pixels.

    Parameters
    ----------
    maps : torch.Tensor, (N, h, w)
    field : Field
        Receptive fields of the positions, as `napari_microcnn.nets.receptive_fields` finds them.
    shape : tuple of int
        Height and width of the input.
    """
    rows, columns = (
        torch.from_numpy(_weights(axis, count, length)).to(maps)
        for axis, count, length in zip((field.rows, field.columns), maps.shape[-2:], shape, strict=True)
    )
    return rows @ maps @ columns.T


def position_of(axis: AxisField, pixel: float, count: int) -> int:
    """Return the position along an axis of a map, of so many, whose receptive field is centred nearest to a pixel."""
    return int(np.clip(round((pixel - axis.start) / axis.jump), 0, count - 1))


def _weights(axis: AxisField, count: int, length: int) -> NDArray[np.float32]:
    """Return the share, (L, l), that positions have in pixels; beyond the outermost ones these count alone."""
    at = np.clip((np.arange(length) - axis.start) / axis.jump, 0, count - 1)
    below = np.minimum(at.astype(int), max(0, count - 2))
    weights = np.zeros((length, count), np.float32)
    weights[np.arange(length), below] = 1 - (at - below)
    if count > 1:
        weights[np.arange(length), below + 1] = at - below
    return weights
