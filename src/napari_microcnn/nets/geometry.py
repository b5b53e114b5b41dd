"""How far a U-Net looks; that of any network is in `napari_microcnn.nets.layers`."""

from __future__ import annotations

from napari_microcnn.config import UNetConfig


def receptive_radius(config: UNetConfig) -> int:
    """Return the distance in pixels beyond which no input pixel can change an output pixel.

    Level by level from the bottom: the two 3 x 3 convolutions of the bottleneck reach 2 of its
    pixels; one level up these are twice as many pixels, plus 1 for the position within the 2 x 2
    pool, plus 2 for the encoder's and 2 for the decoder's convolutions.

    Examples
    --------
    >>> receptive_radius(UNetConfig(depth=4))
    107
    """
    radius = 2
    for _ in range(config.depth):
        radius = 2 * radius + 1 + 4
    return radius


def halo(config: UNetConfig) -> int:
    """Return the margin in pixels that makes a tile's answer equal to the whole image's.

    It is valid for tiles that start and end on multiples of ``2**depth``. Reckoned from the edge
    of such a tile outwards: down the decoder every level adds its two convolutions, and a pixel
    begun on the level below counts whole; up the encoder likewise. It is less than
    `receptive_radius`, because the edge of the tile is also the edge of a pooling cell, and is
    rounded up to a multiple of ``2**depth``, so that windows stay aligned.

    Examples
    --------
    >>> halo(UNetConfig(depth=4))
    96
    """
    reach = 2
    for _ in range(config.depth):
        reach = -(-reach // 2) + 2
    for _ in range(config.depth):
        reach = reach * 2 + 2
    step: int = 2**config.depth
    return -(-reach // step) * step


def least_window(config: UNetConfig) -> int:
    """Return the number of pixels from which on PyTorch convolves a window like a larger one, bit for bit.

    On the CPU it takes other convolution kernels, which round differently, for float32 inputs of
    up to 20,480 numbers. The fewest numbers enter the first convolution (one per pixel and
    channel) and that of the bottleneck (``width / 2**(depth + 1)`` per pixel); the result is
    larger than that asks for, to stay clear of the limit.
    """
    bottleneck: int = 2 ** (16 + config.depth) // config.width
    return max(2**16, bottleneck)
