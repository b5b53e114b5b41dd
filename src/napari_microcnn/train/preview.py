"""What the network in training makes of one region, shown while it learns."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from napari_microcnn.data import Annotated
from napari_microcnn.data.databar import field_limits
from napari_microcnn.data.normalisation import IntensityLimits
from napari_microcnn.data.overview import OVERVIEW, correction
from napari_microcnn.data.resampling import Resampled, zoomed_shape
from napari_microcnn.data.windows import Box, read_window
from napari_microcnn.device import fast_bfloat16
from napari_microcnn.events import Alive, Event, PreviewDone, ViewChanged
from napari_microcnn.micrograph import Pixels
from napari_microcnn.nets import UNet, folded

LARGEST = 1024
"""Side of the region that is shown, at most: half a second to one second on two processor cores."""

STRIP = 512
"""Rows that are predicted at once: between two strips the training can be stopped."""

MARGIN = 32
"""Less than the network sees, and so the edges of strips are not exact; it saves a third of the time."""

LONGEST_WAIT = 1.5
"""Seconds between two previews, at most, unless a preview takes longer than that."""

SHARE = 0.25
"""Part of the time that previews may take, as long as `LONGEST_WAIT` allows it."""


class Preview:
    """Predicts one region of one training image.

    Parameters
    ----------
    data : sequence of Annotated
        The training images; may grow.
    view : ViewChanged
        What is looked at; of its region at most `LARGEST` around the middle are shown.

    Raises
    ------
    ValueError
        If there is no such image, or the region lies outside it.
    """

    def __init__(self, data: Sequence[Annotated], view: ViewChanged) -> None:
        self._limits: dict[int, IntensityLimits] = {}
        self._due = 0.0
        self.look_at(data, view)

    def look_at(self, data: Sequence[Annotated], view: ViewChanged) -> None:
        """Move to another place, and be due there at once.

        Raises
        ------
        ValueError
            As at the start; the place stays the old one then.
        """
        if not 0 <= view.image < len(data):
            raise ValueError(f"There is no training image {view.image} to preview; there are {len(data)}.")
        image = data[view.image].image
        rows, columns = (_clipped(part, int(n)) for part, n in zip(view.region, image.shape[:2], strict=True))
        self._image, self._view, self._box = image, view, Box(*rows, *columns)
        self._due = 0.0

    @property
    def asked(self) -> bool:
        """Whether another place was asked for that was not shown yet."""
        return self._due == 0.0

    @property
    def due(self) -> bool:
        """Whether it is time for the next preview."""
        return time.monotonic() >= self._due

    def predict(self, net: UNet, ids: Sequence[int], changes: int = 0, *, overview: bool = False) -> Iterator[Event]:
        """Yield `Alive` between the pieces of work, then `PreviewDone`.

        Parameters
        ----------
        net : UNet
            In inference mode; stays as it is.
        ids : sequence of int
            Value in class maps of every output of the network.
        changes : int
            Number of changes of the annotation that the network has learnt from.
        overview : bool
            Whether to correct it by what the network makes of the overview.
        """
        started = time.monotonic()
        shown = ids.index(self._view.shown) if self._view.shown in ids else None
        device = next(net.parameters()).device
        precision = torch.bfloat16 if fast_bfloat16(device) else torch.float32
        ready = folded(net).to(dtype=precision).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        top, bottom, left, right = self._box
        strips = []
        for start in range(top, bottom, STRIP):
            strip = Box(start, min(start + STRIP, bottom), left, right)
            strips.append(self._look(ready, self._image, strip))
            yield Alive()
        probabilities = torch.cat(strips)
        if overview:
            probabilities = self._with_overview(ready, probabilities)
        classes = np.array(ids, np.uint8)[probabilities.argmax(dim=2).cpu().numpy()]
        probability = None
        if shown is not None:
            share = probabilities[..., shown] / probabilities.sum(dim=2)
            probability = (share * 255).round().to(torch.uint8).cpu().numpy()
        taken = time.monotonic() - started
        self._due = time.monotonic() + max(taken, min(LONGEST_WAIT, taken * (1 / SHARE - 1)))
        yield PreviewDone(
            self._view.image,
            self._box.slices,
            classes,
            probability,
            changes,
        )

    def _with_overview(self, net: UNet, near: Tensor) -> Tensor:
        """Return the probabilities, (H, W, K), of the region, corrected by what the network makes of the overview."""
        plane = Resampled(self._image, zoomed_shape(self._image.shape, OVERVIEW), np.float64)
        rows, columns = (
            (int(start * OVERVIEW), min(length, max(int(start * OVERVIEW) + 1, round(stop * OVERVIEW))))
            for start, stop, length in zip(self._box[::2], self._box[1::2], plane.shape[:2], strict=True)
        )
        distant = self._look(net, plane, Box(*rows, *columns)).cpu().numpy()  # type: ignore[arg-type]  # like an array
        reduced = Resampled(near.cpu().numpy(), distant.shape[:2])[:, :]
        return near * torch.from_numpy(Resampled(correction(distant, reduced), self._box.shape)[:, :]).to(near)

    def _look(self, net: UNet, plane: Pixels, box: Box) -> Tensor:
        """Return the probabilities, (H, W, K) float32, of a box."""
        index = self._view.image
        if index not in self._limits:
            self._limits[index] = field_limits(self._image)
        step: int = 2**net.config.depth
        margin = -(-MARGIN // step) * step
        window, core = read_window(plane, box, margin=margin, step=step, limits=self._limits[index])
        parameter = next(net.parameters())
        images = torch.from_numpy(window)[None].to(parameter.device, parameter.dtype, memory_format=torch.channels_last)
        with torch.inference_mode():
            logits: Tensor = net(images)
            return logits[0, :, core[0], core[1]].permute(1, 2, 0).float().softmax(dim=2)


def _clipped(part: slice, length: int) -> tuple[int, int]:
    """Return start and end of a slice, within the image and not longer than what is shown."""
    start, stop, _ = part.indices(length)
    if stop <= start:
        raise ValueError(f"The region to preview, {start} to {stop}, lies outside the image ({length} pixels).")
    spare = max(0, stop - start - LARGEST)
    return start + spare // 2, stop - (spare - spare // 2)
