"""Changes that a micrograph may undergo without its meaning changing; computed where the tensors are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from napari_microcnn.data.annotations import IGNORE

ZOOM = 1.35
"""Patches are enlarged or reduced by up to this factor."""


def source_side(patch: int) -> int:
    """Return the side of the square that a patch may need when it is rotated and reduced."""
    return math.ceil(patch * ZOOM * math.sqrt(2) / 2) * 2


def augment(images: Tensor, targets: Tensor, patch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Move images and targets, see `move`, and change the images, see `change_intensities`."""
    moved, labels = move(images, targets, patch, generator)
    return change_intensities(moved, generator), labels


def move(images: Tensor, targets: Tensor, patch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Flip, rotate and scale images and targets together.

    Parameters
    ----------
    images : Tensor, (N, C, S, S) float32
        Normalised squares, `source_side` of `patch` large.
    targets : Tensor, (N, S, S) uint8
    patch : int
        Side of the result.
    generator : torch.Generator
        On the device of the images.

    Returns
    -------
    images : Tensor, (N, C, patch, patch) float32
    targets : Tensor, (N, patch, patch) int64
        Pixels from outside the square are not annotated.
    """
    grid = sampling_grid(len(images), images.shape[-1], patch, generator)
    moved = functional.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    shifted = targets[:, None].float() - IGNORE  # so that the zeros from outside mean "not annotated"
    labels = functional.grid_sample(shifted, grid, mode="nearest", padding_mode="zeros", align_corners=False)
    return moved, (labels[:, 0] + IGNORE).long()


def sampling_grid(count: int, side: int, patch: int, generator: torch.Generator) -> Tensor:
    """Return where to sample squares, as (N, patch, patch, 2) for `grid_sample`.

    Half of the patches are only flipped and turned by right angles, which leaves their pixels as
    they are; the other half also by any angle and scaled, which blurs them a little.
    """
    device = generator.device
    uniform = torch.rand(5, count, generator=generator, device=device)
    free = uniform[0] < 0.5
    quarter = torch.floor(uniform[1] * 4) * (math.pi / 2)
    angle = quarter + torch.where(free, (uniform[2] - 0.5) * (math.pi / 2), 0.0)
    zoom = torch.where(free, ZOOM ** (2 * uniform[3] - 1), 1.0)
    flip = torch.where(uniform[4] < 0.5, -1.0, 1.0)
    cosine, sine = (torch.cos(angle) * zoom).round(decimals=6), (torch.sin(angle) * zoom).round(decimals=6)
    matrix = torch.stack([torch.stack([cosine * flip, -sine], -1), torch.stack([sine * flip, cosine], -1)], -2)
    line = torch.arange(patch, device=device, dtype=torch.float32) - (patch - 1) / 2
    y, x = torch.meshgrid(line, line, indexing="ij")
    places = torch.stack([x, y], dim=-1) / (side / 2)  # centre of the square = 0, its edges = -1 and 1
    return torch.einsum("hwj,nij->nhwi", places, matrix)


@dataclass(frozen=True)
class Disturbance:
    """How much worse than the training image others may be.

    Attributes
    ----------
    blur : float
        Largest standard deviation of the blur, in pixels; half as often as blurred, patches are sharpened.
    noise : float
        Largest standard deviation of the noise, as a multiple of that of the patch.
    """

    blur: float
    noise: float


MILD = Disturbance(blur=0.9, noise=0.3)
"""For few strokes that do not grow: of a handful of annotated spots more would leave nothing to learn from."""

SEVERE = Disturbance(blur=1.2, noise=0.5)
"""For masks and strokes that grow, which are plenty; still more wipes out cracks of a pixel."""

OVERALL = 0.25
"""Spread of gain (of its logarithm) and offset: centre and scale of an image hang on what else it shows, so that the
same phase has other values in another image."""

_BLURRED, _SHARPENED, _NOISY = 0.3, 0.2, 0.5
"""Shares of the patches."""


def change_intensities(images: Tensor, generator: torch.Generator, disturbance: Disturbance = MILD) -> Tensor:
    """Change gamma, contrast, brightness, shading, sharpness and noise of normalised images, each at random.

    Parameters
    ----------
    images : Tensor, (N, C, H, W) float32
    generator : torch.Generator
        On the device of the images.
    disturbance : Disturbance
        How strong blur and noise may get.
    """
    count, channels, *size = images.shape
    device = images.device

    def normal(*shape: int) -> Tensor:
        return torch.randn(count, *shape, generator=generator, device=device)

    def uniform() -> Tensor:
        return torch.rand(count, 1, 1, 1, generator=generator, device=device)

    # Shading and noise are measured against the contrast of the patch itself: where a databar or a bright
    # particle elsewhere sets the scale of the image, it is small, and must not drown.
    spread, mean = torch.std_mean(images, dim=(2, 3), keepdim=True)
    spread = spread.clamp(0.05, 1)
    gamma = torch.exp(0.2 * normal(1, 1, 1))
    bent = 6 * ((images / 6 + 0.5).clamp(0, 1) ** gamma) - 3
    down, across = (_bend(side).to(device) for side in size)
    shading = down @ normal(1, 3, 3) @ across.T
    images = mean + (bent - mean) * torch.exp(0.2 * normal(channels, 1, 1))
    images = images + spread * (0.25 * normal(channels, 1, 1) + 0.2 * uniform() * shading)
    images = _change_sharpness(images, disturbance.blur * uniform(), uniform(), uniform())
    images = images + spread * normal(channels, *size).mul_(disturbance.noise * uniform() * (uniform() < _NOISY))
    return mean + (images - mean) * torch.exp(OVERALL * normal(1, 1, 1)) + OVERALL * normal(1, 1, 1)


@cache
def _bend(side: int) -> Tensor:
    """Return the weights, (side, 3), of a smooth curve through three values."""
    three = torch.eye(3)[:, None, None]  # each a plane of one row: lines are not interpolated bicubically
    grown = functional.interpolate(three, size=(1, side), mode="bicubic", align_corners=True)
    return grown[:, 0, 0].T.contiguous()


def _change_sharpness(images: Tensor, sigma: Tensor, choice: Tensor, amount: Tensor) -> Tensor:
    """Blur some images, and sharpen others: the microscope may have been in better focus elsewhere."""
    chosen = (choice < _BLURRED + _SHARPENED).flatten()
    if not chosen.any():
        return images
    part = images[chosen]
    blurred = _blur(part, sigma[chosen].flatten())
    sharpened = part + 0.6 * amount[chosen] * (part - blurred)
    changed = images.clone()
    changed[chosen] = torch.where(choice[chosen] < _BLURRED, blurred, sharpened)
    return changed


def _blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Blur every image with a Gaussian of its own standard deviation, (N,) in pixels."""
    channels, *size = images.shape[1:]
    reach = 5
    line = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-(line**2) / (2 * sigma.clamp_min(0.05)[:, None] ** 2))
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)[:, None]
    stacked = functional.pad(images.reshape(1, -1, *size), (reach,) * 4, mode="replicate")
    stacked = functional.conv2d(stacked, kernel[..., None], groups=len(kernel))
    return functional.conv2d(stacked, kernel[..., None, :], groups=len(kernel)).reshape(images.shape)
