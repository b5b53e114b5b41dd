"""Prediction tile by tile, equal to the prediction of the whole plane at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_microcnn.config import SegmentConfig, UNetConfig
from napari_microcnn.data.normalisation import IntensityLimits, intensity_limits
from napari_microcnn.data.orientations import ORIENTATIONS, Orientation
from napari_microcnn.data.overview import OVERVIEW, correction
from napari_microcnn.data.resampling import Resampled, zoomed_shape
from napari_microcnn.data.windows import Box, read_window, split, window_around
from napari_microcnn.device import (
    available_memory,
    inference_precision,
    keep_memory,
    needed_memory,
    out_of_memory,
    resolve_device,
)
from napari_microcnn.events import Notice
from napari_microcnn.micrograph import Pixels
from napari_microcnn.models import Model
from napari_microcnn.nets import halo, least_window, prepared

SMALLEST_TILE = 32
_REACH = 16
"""Pixels around a tile that its own pixels take part of, by way of the overview's resolution."""

_WORKSPACE = {"cpu": 260 << 20, "mps": 1 << 30, "cuda": 4 << 30}
"""Bytes for the network's intermediate results, at most; more would not be faster."""


@dataclass(frozen=True, eq=False)
class Tile:
    """The answer for one tile.

    Attributes
    ----------
    region : tuple of slice
        Rows and columns of the plane.
    probabilities : numpy.ndarray, (K, H, W) float32
        Probability of every class, in the order of the model's classes.
    done, total : int
        Tiles done so far, this one included, and in all.
    cores : numpy.ndarray or None
        (H, W) float32, probability of the core of an object, from models of objects that touch.
    """

    region: tuple[slice, slice]
    probabilities: NDArray[np.float32]
    done: int
    total: int
    cores: NDArray[np.float32] | None = None


class TilePredictor:
    """A model made ready to predict any number of planes.

    Parameters
    ----------
    model : Model
        Stays as it is: the network is copied, in the precision and to the device of `config`.
    config : SegmentConfig
        Device, precision and tile size are used.
    """

    def __init__(self, model: Model, config: SegmentConfig) -> None:
        self.model, self._config = model, config
        self.device = resolve_device(config.device)
        self.computed_on: str = self.device.type
        if self.device.type == "cpu":
            keep_memory()
        self.precision = inference_precision(self.device, config.precision)
        self._net = prepared(model.net, self.device, self.precision)
        self._taken = torch.float32 if self.precision == torch.int8 else self.precision
        self._step: int = 2**model.config.depth

    @property
    def precision_name(self) -> str:
        """What the network computes in, such as ``"bfloat16"``."""
        return str(self.precision).removeprefix("torch.")

    def tiles(
        self, plane: Pixels, limits: IntensityLimits | None = None, box: Box | None = None
    ) -> Iterator[Notice | Tile]:
        """Predict a plane, or a box of it; yields a `Tile` per tile, and a `Notice` where tiles had to be made smaller.

        Parameters
        ----------
        plane : array, (Y, X) or (Y, X, C)
            Real numbers of any type, of any size; may be lazy: only one tile and its margin are read at a time.
        limits : IntensityLimits, optional
            For the normalisation; found in the plane when not given.
        box : Box, optional
            The part of the plane that is wanted; the answer there is the same as that for the whole.

        Raises
        ------
        ModelError
            If the model takes another number of channels.
        ValueError
            If the memory is too small for the smallest tile.
        """
        self.model.check_channels(int(plane.shape[2]) if plane.ndim == 3 else 1)
        limits = limits or intensity_limits(plane)
        whole = box or Box(0, int(plane.shape[0]), 0, int(plane.shape[1]))
        side = self.tile_side(whole.shape)
        waiting, done = split(whole, side), 0
        while waiting:
            box = waiting.pop(0)
            if max(box.shape) > side:  # cut before the memory ran out
                waiting[:0] = split(box, side)
                continue
            try:
                probabilities = self._predict(plane, box, limits)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                side = self._smaller(min(side, max(box.shape)))
                waiting = [part for other in (box, *waiting) for part in split(other, side)]
                yield Notice(f"The memory is too small for such tiles; going on with tiles of {side} pixels.")
                continue
            done += 1
            classes = len(self.model.classes)
            cores = probabilities[classes] if self.model.tells_cores else None
            yield Tile(box.slices, probabilities[:classes], done, done + len(waiting), cores)

    def boxes(
        self, plane: Pixels, limits: IntensityLimits, boxes: Mapping[int, Box]
    ) -> Iterator[tuple[int, list[Notice | Tile]]]:
        """Predict boxes of a plane; all that is said of one comes together, with its number."""
        for number, box in boxes.items():
            yield number, list(self.tiles(plane, limits, box))

    def tile_side(self, shape: tuple[int, int]) -> int:
        """Return the side of a tile: as set, or so that the tiles fit the memory and are about equal."""
        if self._config.tile is not None:
            return -(-self._config.tile // self._step) * self._step
        window = int((self._workspace() / bytes_per_pixel(self.model.config, self.precision)) ** 0.5)
        largest = max(SMALLEST_TILE, self._step, window - 2 * halo(self.model.config))
        count = -(-max(shape) // largest)
        return -(-max(shape) // (count * self._step)) * self._step

    def _workspace(self) -> int:
        """Return the bytes that the network may take."""
        return workspace(self.device.type, available_memory(self.device))

    def _smaller(self, side: int) -> int:
        smallest = max(SMALLEST_TILE, self._step)
        if side <= smallest:
            window = smallest + 2 * halo(self.model.config)
            needed = window**2 * bytes_per_pixel(self.model.config, self.precision)
            needed += 0 if self.device.type == "cuda" else needed_memory()
            raise ValueError(
                f"The memory of the device {self.device.type!r} is too small even for a tile of {smallest} pixels, "
                f"which takes about {needed / 1e6:.0f} MB; close other programs, or choose another device or a "
                "smaller model."
            )
        return max(smallest, side // 2 // self._step * self._step)

    def _predict(self, plane: Pixels, box: Box, limits: IntensityLimits) -> NDArray[np.float32]:
        """Return the probabilities, (K, H, W), of one box."""
        if not self.model.overview:
            return np.ascontiguousarray(self.look(plane, box, limits).transpose(2, 0, 1))
        shape = (int(plane.shape[0]), int(plane.shape[1]))
        grown = window_around(box, shape, -(-_REACH // self._step) * self._step, self._step)
        near = self.look(plane, grown, limits)
        context = _Context(self, plane, limits, near, grown)
        change = Resampled(context, shape)[box.slices]  # type: ignore[arg-type]  # read like an array
        found: NDArray[np.float32] = near[box.within(grown).slices] * change
        found /= found.sum(axis=-1, keepdims=True)
        return np.ascontiguousarray(found.transpose(2, 0, 1))

    def look(self, plane: Pixels, box: Box, limits: IntensityLimits) -> NDArray[np.float32]:
        """Return the probabilities, (H, W, K), of one box at the magnification of the plane."""
        return self.see(*read_window(plane, box, limits=limits, **self.surroundings))

    @property
    def surroundings(self) -> dict[str, int]:
        """What `read_window` must know of the network."""
        return {"margin": halo(self.model.config), "step": self._step, "least": least_window(self.model.config)}

    def see(self, window: NDArray[np.float32], core: tuple[slice, slice]) -> NDArray[np.float32]:
        """Return the probabilities, (H, W, K), of the core of a normalised window, (C, H, W)."""
        orientations = ORIENTATIONS[: self._config.orientations or self.model.orientations]
        with torch.inference_mode():
            images = torch.from_numpy(window)[None].to(self.device, self._taken)
            found = self._seen(images, orientations[0], core)
            for orientation in orientations[1:]:
                found += self._seen(images, orientation, core)
            return (found / len(orientations)).cpu().numpy()

    def _seen(self, images: Tensor, orientation: Orientation, core: tuple[slice, slice]) -> Tensor:
        """Return the probabilities, (H, W, K), of the core of a window that the network sees in an orientation."""
        turned = orientation.apply(images).contiguous(memory_format=torch.channels_last)
        height, width = (part.stop - part.start for part in core)
        if height * width >= least_window(self.model.config):
            region = orientation.region(core, (images.shape[2], images.shape[3]))
            found = orientation.undo(self._net(turned, region))
        else:  # the network would round otherwise for so small a part
            found = orientation.undo(self._net(turned))[:, :, core[0], core[1]]
        logits = found[0].float().contiguous()
        if not self.model.tells_cores:
            return _softmax(logits).permute(1, 2, 0)
        core_or_not = torch.stack([torch.zeros_like(logits[-1]), logits[-1]])
        return torch.cat([_softmax(logits[:-1]), _softmax(core_or_not)[1:]]).permute(1, 2, 0)


def _softmax(logits: Tensor) -> Tensor:
    """Return the softmax over the first of (K, H, W).

    That of torch takes ten times as long over few classes, and over the first axis computes the ends of a thread's
    share otherwise, so that the tiles would show.
    """
    powers = (logits - logits.amax(dim=0)).exp_()
    return powers.div_(powers.sum(dim=0))


class _Context:
    """What the overview changes about a plane's answer, (Y, X, K) at its own resolution; predicted where it is read."""

    def __init__(
        self, predictor: TilePredictor, plane: Pixels, limits: IntensityLimits, near: NDArray[np.float32], box: Box
    ) -> None:
        self._predictor, self._limits = predictor, limits
        self._plane = Resampled(plane, zoomed_shape(plane.shape, OVERVIEW))
        self.shape = (*self._plane.shape[:2], near.shape[2])
        known = _Part(near, box, (int(plane.shape[0]), int(plane.shape[1]), near.shape[2]))
        self._near = Resampled(known, self.shape[:2])  # type: ignore[arg-type]  # read like an array

    def __getitem__(self, region: tuple[slice, slice]) -> NDArray[np.float32]:
        box = Box(region[0].start, region[0].stop, region[1].start, region[1].stop)
        distant = self._predictor.look(self._plane, box, self._limits)  # type: ignore[arg-type]  # read like an array
        return correction(distant, self._near[region])


class _Part:
    """A box of an array, found under its place in the whole of it."""

    def __init__(self, values: NDArray[np.float32], box: Box, shape: tuple[int, ...]) -> None:
        self._values, self._box, self.shape = values, box, shape

    def __getitem__(self, region: tuple[slice, slice]) -> NDArray[np.float32]:
        box = Box(region[0].start, region[0].stop, region[1].start, region[1].stop)
        return self._values[box.within(self._box).slices]


def predict_tiles(
    model: Model, plane: Pixels, config: SegmentConfig | None = None, limits: IntensityLimits | None = None
) -> Iterator[Notice | Tile]:
    """Predict one plane tile by tile; see `TilePredictor.tiles`."""
    yield from TilePredictor(model, config or SegmentConfig()).tiles(plane, limits)


def predict_plane(model: Model, plane: Pixels, config: SegmentConfig | None = None) -> NDArray[np.float32]:
    """Return the probabilities of every class, (K, Y, X) float32, of a plane that fits into memory."""
    result = np.empty((len(model.classes), *plane.shape[:2]), np.float32)
    for event in predict_tiles(model, plane, config):
        if isinstance(event, Tile):
            result[:, event.region[0], event.region[1]] = event.probabilities
    return result


def workspace(device: str, free: int) -> int:
    """Return the bytes for the network's intermediate results, on a device with so many bytes free."""
    return min(free // 4, _WORKSPACE[device])


def bytes_per_pixel(config: UNetConfig, precision: torch.dtype) -> int:
    """Estimate the memory that a window needs per pixel while the network runs.

    The finest level rules: there the last decoder block holds the skip connection, the upsampled
    features, both of them joined and its own result (5 times the width); the coarser levels and
    the caches of the convolutions add about half as much again.
    """
    return int(1.5 * 5 * config.width * precision.itemsize) + 4 * (config.channels * 3 + config.classes * 2)
