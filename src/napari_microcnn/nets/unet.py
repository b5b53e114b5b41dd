"""U-Net (Ronneberger, Fischer and Brox, 2015), with padded convolutions and batch normalisation."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_microcnn.config import UNetConfig

Region = tuple[slice, ...]
"""Rows and columns."""


def convolutions(channels: int, filters: int) -> nn.Sequential:
    """Two 3 x 3 convolutions, each with batch normalisation and ReLU.

    Batch and not group or instance normalisation: in inference it is a constant scale and shift,
    so the answer for a pixel does not depend on how the image was cut into tiles.
    """
    return nn.Sequential(
        nn.Conv2d(channels, filters, 3, padding=1, bias=False),
        nn.BatchNorm2d(filters),
        nn.ReLU(inplace=True),
        nn.Conv2d(filters, filters, 3, padding=1, bias=False),
        nn.BatchNorm2d(filters),
        nn.ReLU(inplace=True),
    )


def decoder_fields(core: Region, bottom: tuple[int, ...], depth: int) -> list[Region]:
    """Return what each level of the decoder must see for a part of the logits, from the finest level down.

    Parameters
    ----------
    core : tuple of slice
        Rows and columns of the logits.
    bottom : tuple of int
        Height and width at the bottleneck, which is seen whole.
    depth : int

    Returns
    -------
    list of tuple of slice
        Rows and columns at the resolution of level 0 to `depth`. Those of the levels of the decoder reach 2 pixels, for
        the two 3 x 3 convolutions, beyond what is wanted there, and are even, because the level below has half of them.

    Examples
    --------
    >>> decoder_fields((slice(16, 32), slice(0, 32)), (24, 32), 1)[0]
    (slice(14, 34, None), slice(0, 34, None))
    """
    fields, wanted = [], core
    for level in range(depth):
        sides = (side << (depth - level) for side in bottom)
        field = tuple(
            slice(max(0, (part.start - 2) // 2 * 2), min(side, -(-(part.stop + 2) // 2) * 2))
            for part, side in zip(wanted, sides, strict=True)
        )
        fields.append(field)
        wanted = tuple(slice(part.start // 2, part.stop // 2) for part in field)
    return [*fields, tuple(slice(0, side) for side in bottom)]


def cut(x: Tensor, region: Region, outer: Region | None = None) -> Tensor:
    """Return a region of an array (N, C, H, W) that holds all, or the `outer` region."""
    starts = (0, 0) if outer is None else (part.start for part in outer)
    rows, columns = (slice(part.start - start, part.stop - start) for part, start in zip(region, starts, strict=True))
    return x[:, :, rows, columns]


class UNet(nn.Module):
    """Encoder, bottleneck, decoder with skip connections, and a class score for every pixel.

    Parameters
    ----------
    config : UNetConfig
        Channels in, classes out, width and depth.

    Examples
    --------
    >>> net = UNet(UNetConfig(channels=1, classes=2, width=4, depth=2))
    >>> tuple(net(torch.zeros(1, 1, 32, 48)).shape)
    (1, 2, 32, 48)
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.width * 2**level for level in range(config.depth + 1)]
        levels = list(pairwise(widths))  # (narrow, wide) from the finest level down

        self.encoder = nn.ModuleList(convolutions(i, o) for i, o in pairwise([config.channels, *widths[:-1]]))
        self.bottleneck = convolutions(widths[-2], widths[-1])
        self.up = nn.ModuleList(nn.ConvTranspose2d(wide, narrow, 2, stride=2) for narrow, wide in reversed(levels))
        self.decoder = nn.ModuleList(convolutions(2 * narrow, narrow) for narrow, _ in reversed(levels))
        self.head = nn.Conv2d(config.width, config.classes, 1)

    def forward(self, x: Tensor, core: Region | None = None) -> Tensor:
        """Return the logits, (N, K, H, W), of images (N, C, H, W), or of a part of them.

        Parameters
        ----------
        x : Tensor
        core : tuple of slice, optional
            Rows and columns that are wanted. They are the same as in the logits of the whole, but the
            decoder, which takes most of the time, leaves out what they do not depend on.

        Raises
        ------
        ValueError
            If the number of channels is wrong or a side is not a multiple of ``2**depth``.
        """
        x, fields = self._decoded(x, core)
        logits: Tensor = self.head(x if core is None else cut(x, core, fields[0]))  # (N, K, H, W)
        return logits

    def features(self, x: Tensor) -> Tensor:
        """Return what the head tells classes by, (N, width, H, W), for images (N, C, H, W); errors as of `forward`."""
        return self._decoded(x, None)[0]

    def _decoded(self, x: Tensor, core: Region | None) -> tuple[Tensor, list[Region]]:
        """Return the features of the whole, or of what `core` needs, and then the fields of all levels."""
        self._check(x.shape)
        skips: list[Tensor] = []
        for block in self.encoder:
            x = block(x)  # (N, width * 2**level, H / 2**level, W / 2**level)
            skips.append(x)
            x = functional.max_pool2d(x, 2)
        x = self.bottleneck(x)
        fields = [] if core is None else decoder_fields(core, tuple(x.shape[2:]), self.config.depth)
        for level, up, block in zip(reversed(range(self.config.depth)), self.up, self.decoder, strict=True):
            skip = skips.pop()
            if core is not None:
                half = tuple(slice(part.start // 2, part.stop // 2) for part in fields[level])
                x, skip = cut(x, half, fields[level + 1]), cut(skip, fields[level])
            x = block(torch.cat([up(x), skip], dim=1))
        return x, fields

    def _check(self, shape: torch.Size) -> None:
        channels, step = self.config.channels, 2**self.config.depth
        if len(shape) != 4 or shape[1] != channels:
            raise ValueError(f"This network takes images (N, {channels}, H, W), not an array of shape {tuple(shape)}.")
        height, width = shape[2:]
        if height % step or width % step or not height or not width:
            padded = tuple(max(1, -(-side // step)) * step for side in (height, width))
            raise ValueError(
                f"A network of depth {self.config.depth} takes sides that are multiples of {step}, "
                f"not {height} x {width}; pad the image to {padded[0]} x {padded[1]}."
            )
