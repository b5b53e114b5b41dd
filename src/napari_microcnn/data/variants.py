"""Variants of images whose class stays the same, by the invariances that the user chose; computed in batches."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from napari_microcnn.config import Invariances
from napari_microcnn.data.augmentation import change_intensities


def needed_side(side: int, invariances: Invariances) -> int:
    """Return the side of the square that a window of this side may be taken from when it is turned and reduced."""
    if invariances.wrap:
        return side
    diagonal = math.sqrt(2) if invariances.rotation == "any" else 1.0
    return math.ceil(side * invariances.zoom * diagonal / 2) * 2 if invariances.zoom * diagonal > 1 else side


def varied(images: Tensor, side: int, invariances: Invariances, generator: torch.Generator) -> Tensor:
    """Return a variant of every image.

    Parameters
    ----------
    images : Tensor, (N, C, S, S) float32
        Normalised squares of `needed_side`.
    side : int
        Of the result.
    invariances : Invariances
    generator : torch.Generator
        On the device of the images.

    Returns
    -------
    Tensor, (N, C, side, side) float32
    """
    if invariances.wrap:
        images = _wrapped(images, generator)
    images = functional.grid_sample(
        images,
        _grid(len(images), images.shape[-1], side, invariances, generator),
        mode="bilinear",
        padding_mode="reflection",
        align_corners=False,
    )
    if invariances.intensities:
        images = change_intensities(images, generator)
    if invariances.inversion:
        sign = torch.rand(len(images), 1, 1, 1, generator=generator, device=images.device)
        images = torch.where(sign < 0.5, -images, images)
    return images


def _wrapped(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift every image by any number of pixels; what leaves at one edge comes back at the other."""
    count, side = len(images), images.shape[-1]
    shifts = torch.randint(0, side, (2, count, 1), generator=generator, device=images.device)
    line = torch.arange(side, device=images.device)
    rows, cols = (line + shifts[0]) % side, (line + shifts[1]) % side
    index = torch.arange(count, device=images.device)[:, None, None]
    return images.movedim(1, -1)[index, rows[:, :, None], cols[:, None, :]].movedim(-1, 1)


def _grid(count: int, source: int, side: int, invariances: Invariances, generator: torch.Generator) -> Tensor:
    """Return where to sample, as (N, side, side, 2) for `grid_sample`.

    A third of the windows keep their pixels as they are, flipped or turned by right angles at most:
    sampling blurs a little, and images to be predicted are not blurred.
    """
    uniform = torch.rand(5, count, generator=generator, device=generator.device)
    free = uniform[0] < 2 / 3
    turn = torch.floor(uniform[1] * 4) * (math.pi / 2)
    if invariances.rotation == "none":
        turn = torch.zeros_like(turn)
    elif invariances.rotation == "any" and not invariances.wrap:
        turn = turn + torch.where(free, (uniform[2] - 0.5) * (math.pi / 2), 0.0)
    zoom = torch.where(free, invariances.zoom ** (2 * uniform[3] - 1), 1.0)
    if invariances.wrap:
        zoom = torch.ones_like(zoom)
    flip = torch.where(uniform[4] < 0.5, -1.0, 1.0) if invariances.flips else torch.ones_like(zoom)
    cosine, sine = (torch.cos(turn) * zoom).round(decimals=6), (torch.sin(turn) * zoom).round(decimals=6)
    matrix = torch.stack([torch.stack([cosine * flip, -sine], -1), torch.stack([sine * flip, cosine], -1)], -2)
    line = torch.arange(side, device=generator.device, dtype=torch.float32) - (side - 1) / 2
    y, x = torch.meshgrid(line, line, indexing="ij")
    places = torch.stack([x, y], dim=-1) / (source / 2)  # centre of the square = 0, its edges = -1 and 1
    return torch.einsum("hwj,nij->nhwi", places, matrix)
