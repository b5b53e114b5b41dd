"""Grey images for networks that take colours, and the other way round."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from napari_microcnn.micrograph import Pixels

Conversion: TypeAlias = Callable[[Pixels], Pixels]


def conversion(wanted: int, channels: int) -> tuple[Conversion, str]:
    """Return what makes planes of so many channels fit a network, and what the user should know about it.

    Only grey and colours stand for each other; everything else stays as it is, without a word.
    """
    if wanted == 1 and channels == 3:
        return luminance, "The model takes grey images: the colours were turned into luminance."
    if wanted == 3 and channels == 1:
        return grey_as_colour, "The model takes colour images: the grey values stand for all three colours."
    return _as_it_is, ""


def _as_it_is(plane: Pixels) -> Pixels:
    return plane


def grey_as_colour(plane: Pixels) -> Pixels:
    """Turn (Y, X) into (Y, X, 3): grey micrographs are often saved as colour pictures, and read as grey."""
    colour: Pixels = np.stack([plane] * 3, axis=-1)
    return colour


def luminance(plane: Pixels) -> Pixels:
    """Turn (Y, X, 3) into (Y, X) float32 with the weights of ITU-R BT.601."""
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    parts = [plane[..., channel].astype(np.float32) * weight for channel, weight in enumerate(weights)]
    result: Pixels = parts[0] + parts[1] + parts[2]
    return result
