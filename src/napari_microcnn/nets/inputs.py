"""What every classifier asks of the images that it is given."""

from __future__ import annotations

import torch

from napari_microcnn.config import ClassifierConfig


def check_images(shape: torch.Size, config: ClassifierConfig) -> None:
    """See to it that images of this shape fit the network.

    Raises
    ------
    ValueError
        If the shape is not (N, C, H, W) with the right number of channels, or height and width
        are not those that the network fixes or are too small for its poolings.
    """
    if len(shape) != 4 or shape[1] != config.channels:
        raise ValueError(
            f"This network takes images (N, {config.channels}, H, W), not an array of shape {tuple(shape)}."
        )
    height, width = shape[2:]
    side, least = config.fixed_side, config.least_side
    if side is not None and (height, width) != (side, side):
        raise ValueError(
            f"The network {config.architecture!r} was made for images of {side} x {side} pixels, "
            f"not {height} x {width}; resample or crop them, or make a network for this size."
        )
    if min(height, width) < least:
        raise ValueError(
            f"The network {config.architecture!r} needs images of at least {least} x {least} pixels, "
            f"not {height} x {width}; enlarge them or use a network with fewer poolings."
        )
