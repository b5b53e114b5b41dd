"""A model's network made ready to predict: windows in, probabilities out."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_microcnn.config import UNetConfig
from napari_microcnn.data.orientations import ORIENTATIONS, Orientation
from napari_microcnn.models import Model
from napari_microcnn.nets import halo, least_window, prepared
from napari_microcnn.predict.batches import Core
from napari_microcnn.predict.uniform import Shortened, shortened

_REMEMBERED = 8
"""Answers for windows of one value that are remembered."""


def surroundings(config: UNetConfig) -> dict[str, int]:
    """Return what `read_window` must know of a network."""
    return {"margin": halo(config), "step": 2**config.depth, "least": least_window(config)}


class ReadyNetwork:
    """The network of a model, which stays as it is: this is a copy.

    Parameters
    ----------
    model : Model
    device : torch.device
    precision : torch.dtype
        What it computes in.
    orientations : int
        In how many it sees a window; their mean is the answer.
    """

    def __init__(self, model: Model, device: torch.device, precision: torch.dtype, orientations: int) -> None:
        self._model, self._device = model, device
        self._net = prepared(model.net, device, precision)
        self._taken = torch.float32 if precision == torch.int8 else precision
        self._orientations = ORIENTATIONS[:orientations]
        self._uniform: dict[tuple[tuple[int, ...], bytes], NDArray[np.float32]] = {}

    def see(self, window: NDArray[np.float32], core: Core) -> NDArray[np.float32]:
        """Return the probabilities, (K, H, W), of the core of a normalised window, (C, H, W)."""
        if self._device.type == "cpu":  # elsewhere a smaller window is not computed alike, bit for bit
            short = shortened(window, core, **surroundings(self._model.config))
            if short is not None:
                return self._repeated(short)
        return self._computed(window, core)

    def _repeated(self, short: Shortened) -> NDArray[np.float32]:
        """Return the probabilities, (K, H, W), of the core of a window that holds one value in most places."""
        key = short.window.shape, short.window[:, 0, 0].tobytes()
        known = self._uniform.get(key)
        if known is None:
            height, width = short.window.shape[1:]
            known = self._computed(short.window, (slice(0, height), slice(0, width)))
            if len(self._uniform) >= _REMEMBERED:
                self._uniform.clear()
            self._uniform[key] = known
        found = known.take(short.columns, axis=2).take(short.rows, axis=1)
        if short.rest is not None:
            found[(slice(None), *short.rest.place)] = self._computed(short.rest.window, short.rest.core)
        return found

    def _computed(self, window: NDArray[np.float32], core: Core) -> NDArray[np.float32]:
        with torch.inference_mode():
            images = torch.from_numpy(window)[None].to(self._device)
            found: NDArray[np.float32] = self.compute(images, core)[0].cpu().numpy()
            return found

    def compute(self, images: Tensor, core: Core) -> Tensor:
        """Return the probabilities, (N, K, H, W), of the core of windows, (N, C, H, W) float32, all on the device."""
        images = images.to(self._taken)
        found = self._seen(images, self._orientations[0], core)
        for orientation in self._orientations[1:]:
            found += self._seen(images, orientation, core)
        return found / len(self._orientations)

    def _seen(self, images: Tensor, orientation: Orientation, core: Core) -> Tensor:
        """Return the probabilities, (N, K, H, W), of the core of windows that the network sees in an orientation."""
        turned = orientation.apply(images).contiguous(memory_format=torch.channels_last)
        height, width = (part.stop - part.start for part in core)
        if height * width >= least_window(self._model.config):
            region = orientation.region(core, (images.shape[2], images.shape[3]))
            found = orientation.undo(self._net(turned, region))
        else:  # the network would round otherwise for so small a part
            found = orientation.undo(self._net(turned))[:, :, core[0], core[1]]
        logits = found.float().contiguous()
        if not self._model.tells_cores:
            return _softmax(logits)
        core_or_not = torch.stack([torch.zeros_like(logits[:, -1]), logits[:, -1]], dim=1)
        return torch.cat([_softmax(logits[:, :-1]), _softmax(core_or_not)[:, 1:]], dim=1)


def _softmax(logits: Tensor) -> Tensor:
    """Return the softmax over the classes of (N, K, H, W).

    That of torch takes ten times as long over few classes, and computes the ends of a thread's share otherwise, so that
    the tiles would show.
    """
    powers = (logits - logits.amax(dim=1, keepdim=True)).exp_()
    return powers.div_(powers.sum(dim=1, keepdim=True))
