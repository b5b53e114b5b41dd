"""An image named by its content, and an annotation cut into the blocks in which it is compared and written."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

BLOCK = 256
"""Side of the blocks of an annotation in pixels."""
_WHOLE, _BAND = 64 << 20, 4 << 20
_SAMPLES, _SAMPLE = 6, 128
_MOST_CHANNELS = 4

At = tuple[int, ...]
"""First index of a block."""


def content_key(pixels: Any) -> str:
    """Return a name for the content of an image, whatever its file is called.

    Images up to 64 MB are read in bands of rows, of larger ones only blocks on a grid.

    Parameters
    ----------
    pixels : array, numpy or lazy
        Image, ``([...,] Y, X [, C])``.
    """
    dtype = np.dtype(pixels.dtype)
    digest = hashlib.blake2b(f"{tuple(pixels.shape)} {dtype.kind}{dtype.itemsize}".encode(), digest_size=16)
    for region in _looked_at(tuple(pixels.shape), dtype.itemsize):
        digest.update(np.asarray(pixels[region]).astype(dtype.newbyteorder("<"), copy=False).tobytes())
    return digest.hexdigest()


def _looked_at(shape: tuple[int, ...], itemsize: int) -> Iterator[tuple[slice | int, ...]]:
    size = math.prod(shape) * itemsize
    if size <= _WHOLE:
        length = max(1, _BAND * shape[0] // max(1, size))
        yield from ((slice(start, start + length),) for start in range(0, shape[0], length))
        return
    colours = len(shape) > 2 and shape[-1] <= _MOST_CHANNELS
    stack, (height, width) = (shape[:-3], shape[-3:-1]) if colours else (shape[:-2], shape[-2:])
    for number in range(_SAMPLES**2):
        row, column = divmod(number, _SAMPLES)
        plane = tuple(number * length // _SAMPLES**2 for length in stack)
        yield (*plane, _sample(row, height), _sample(column, width))


def _sample(number: int, length: int) -> slice:
    start = max(0, length - _SAMPLE) * number // (_SAMPLES - 1)
    return slice(start, start + _SAMPLE)


def block_starts(shape: tuple[int, ...]) -> Iterator[At]:
    """Yield the first index of every block of an annotation, ``(..., Y, X)``."""
    steps = (1,) * (len(shape) - 2) + (BLOCK, BLOCK)
    for index in np.ndindex(*(-(-length // step) for length, step in zip(shape, steps, strict=True))):
        yield tuple(i * step for i, step in zip(index, steps, strict=True))


def region_of(at: At, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the region of the block that begins at an index."""
    steps = (1,) * (len(shape) - 2) + (BLOCK, BLOCK)
    return tuple(slice(start, min(start + step, length)) for start, step, length in zip(at, steps, shape, strict=True))
