"""What the network in training makes of one region, shown while it learns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from napari_microcnn.data import Annotated, intensity_limits
from napari_microcnn.data.windows import Box, read_window
from napari_microcnn.device import fast_bfloat16
from napari_microcnn.events import PreviewDone
from napari_microcnn.nets import UNet, halo

LARGEST = 448
"""Side of the region that is shown, at most: it takes less than a second on two processor cores."""


class Preview:
    """Predicts one region of one training image.

    Parameters
    ----------
    data : sequence of Annotated
    wanted : (int, (slice, slice))
        Index of the image; rows and columns, of which at most `LARGEST` around the middle are shown.
    ids : sequence of int
        Value in class maps of every output of the network.

    Raises
    ------
    ValueError
        If there is no such image, or the region lies outside it.
    """

    def __init__(self, data: Sequence[Annotated], wanted: tuple[int, tuple[slice, slice]], ids: Sequence[int]) -> None:
        self._index, region = wanted
        if not 0 <= self._index < len(data):
            raise ValueError(f"There is no training image {self._index} to preview; there are {len(data)}.")
        image = data[self._index].image
        rows, columns = (_clipped(part, int(length)) for part, length in zip(region, image.shape[:2], strict=True))
        self._box = Box(*rows, *columns)
        self._image, self._limits = image, intensity_limits(image)
        self._ids = np.array(ids, np.uint8)
        self._net: UNet | None = None

    def watching(self, validate: Callable[[UNet], tuple[float, float]]) -> Callable[[UNet], tuple[float, float]]:
        """Return `validate`, with the side effect that its network is the one to preview."""

        def watched(net: UNet) -> tuple[float, float]:
            self._net = net
            return validate(net)

        return watched

    def predict(self) -> PreviewDone:
        """Return the class map of the region by the network that was validated last."""
        if self._net is None:
            raise RuntimeError("There is nothing to preview before the first validation.")
        config, device = self._net.config, next(self._net.parameters()).device
        window, core = read_window(
            self._image, self._box, margin=halo(config), step=2**config.depth, limits=self._limits
        )
        images = torch.from_numpy(window)[None].to(device, memory_format=torch.channels_last)
        fast = fast_bfloat16(device)
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=fast):
            classes = self._net(images)[0, :, core[0], core[1]].argmax(dim=0).cpu().numpy()
        return PreviewDone(self._index, self._box.slices, self._ids[classes])


def _clipped(part: slice, length: int) -> tuple[int, int]:
    """Return start and end of a slice, within the image and not longer than what is shown."""
    start, stop, _ = part.indices(length)
    if stop <= start:
        raise ValueError(f"The region to preview, {start} to {stop}, lies outside the image ({length} pixels).")
    spare = max(0, stop - start - LARGEST)
    return start + spare // 2, stop - (spare - spare // 2)
