"""Prediction tile by tile, equal to the prediction of the whole plane at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_microcnn.config import SegmentConfig, UNetConfig
from napari_microcnn.data.normalisation import IntensityLimits, intensity_limits
from napari_microcnn.data.windows import Box, ReadAhead, read_window, seen_around, split
from napari_microcnn.device import (
    MEMORY_ERRORS,
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
from napari_microcnn.nets import halo
from napari_microcnn.predict.batches import BATCHED, Core, Window, alike, in_batches
from napari_microcnn.predict.context import corrected, with_reach
from napari_microcnn.predict.network import ReadyNetwork, surroundings

SMALLEST_TILE = 32
_WORKSPACE = {"cpu": 260 << 20, "mps": 1 << 30, "cuda": 4 << 30}
"""Bytes for the network's intermediate results, at most; more would not be faster."""

_Job = tuple[int, Box]
"""A box to be predicted, and the number of that which it is part of."""


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
        self._net = ReadyNetwork(model, self.device, self.precision, config.orientations or model.orientations)
        self._step: int = 2**model.config.depth
        self._most, self._together = sys.maxsize, 1

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
        for _, event in self._tiles(plane, limits, {0: whole}, self.tile_side(whole.shape)):
            yield event

    def _tiles(
        self, plane: Pixels, limits: IntensityLimits, boxes: Mapping[int, Box], side: int
    ) -> Iterator[tuple[int, Notice | Tile]]:
        """Predict boxes of a plane in tiles of a side; yields what is said, and of which box."""
        waiting = [(number, tile) for number, box in boxes.items() for tile in split(box, side)]
        answers, done, classes = self._answers(plane, limits, waiting), 0, len(self.model.classes)
        while waiting:
            try:
                found = next(answers)
            except MEMORY_ERRORS as error:
                if not out_of_memory(error):
                    raise
                found = None
            if found is None:  # and the error is gone, which held what had filled the memory
                number, box = waiting[0]
                if self._together > 1:
                    self._most = self._together = self._together // 2
                else:
                    side = self._smaller(min(side, max(box.shape)))
                    waiting = [(other, part) for other, tile in waiting for part in split(tile, side)]
                    message = f"The memory is too small for such tiles; going on with tiles of {side} pixels."
                    yield number, Notice(message)
                answers = self._answers(plane, limits, waiting)
                continue
            job, probabilities = found
            waiting.remove(job)
            done += 1
            cores = probabilities[classes] if self.model.tells_cores else None
            yield job[0], Tile(job[1].slices, probabilities[:classes], done, done + len(waiting), cores)

    def boxes(
        self, plane: Pixels, limits: IntensityLimits, boxes: Mapping[int, Box]
    ) -> Iterator[tuple[int, list[Notice | Tile]]]:
        """Predict boxes of a plane; all that is said of one comes together, with its number."""
        if self.device.type not in BATCHED:
            yield from self._one_by_one(plane, limits, boxes)
            return
        longest = max((max(box.shape) for box in boxes.values()), default=1)
        said = {number: list[Notice | Tile]() for number in boxes}
        left = {number: prod(box.shape) for number, box in boxes.items()}
        for number, event in self._tiles(plane, limits, boxes, self.tile_side((longest, longest))):
            said[number].append(event)
            if isinstance(event, Tile):
                left[number] -= event.probabilities[0].size
                if not left[number]:
                    yield number, said.pop(number)

    def _one_by_one(
        self, plane: Pixels, limits: IntensityLimits, boxes: Mapping[int, Box]
    ) -> Iterator[tuple[int, list[Notice | Tile]]]:
        """Predict boxes, and read the next one meanwhile where the plane is not in memory."""
        if isinstance(plane, np.ndarray):
            for number, box in boxes.items():
                yield number, list(self.tiles(plane, limits, box))
            return
        shape = (int(plane.shape[0]), int(plane.shape[1]))
        seen = (seen_around(self._known(box, shape), shape, **self.surroundings) for box in boxes.values())
        with ReadAhead(plane, seen) as held:
            for number, box in boxes.items():
                held.turn()
                yield number, list(self.tiles(held, limits, box))  # type: ignore[arg-type]  # read like an array

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

    def _answers(
        self, plane: Pixels, limits: IntensityLimits, jobs: Sequence[_Job]
    ) -> Iterator[tuple[_Job, NDArray[np.float32]]]:
        """Yield the probabilities, (K, H, W), of boxes: one by one, or many together where that is faster."""
        if self.device.type not in BATCHED:
            yield from ((job, self._predict(plane, job[1], limits)) for job in list(jobs))
            return
        shape, memory = (int(plane.shape[0]), int(plane.shape[1])), self._workspace()

        def form(job: _Job) -> tuple[tuple[int, int], Box]:
            known = self._known(job[1], shape)
            seen = seen_around(known, shape, **self.surroundings)
            return seen.shape, known.within(seen)

        def most(job: _Job) -> int:
            pixels = prod(-(-side // self._step) * self._step for side in form(job)[0])
            return max(1, min(self._most, int(memory / (pixels * bytes_per_pixel(self.model.config, self.precision)))))

        def read(job: _Job) -> Window:
            return read_window(plane, self._known(job[1], shape), limits=limits, **self.surroundings)

        def compute(images: Tensor, core: Core) -> Tensor:
            self._together = len(images)
            return self._net.compute(images, core)

        for job, near in in_batches(alike(jobs, form, most), read, compute, self.device):
            yield job, self._finished(plane, job[1], limits, near.transpose(1, 2, 0))

    def _predict(self, plane: Pixels, box: Box, limits: IntensityLimits) -> NDArray[np.float32]:
        """Return the probabilities, (K, H, W), of one box."""
        known = self._known(box, (int(plane.shape[0]), int(plane.shape[1])))
        return self._finished(plane, box, limits, self.look(plane, known, limits))

    def _known(self, box: Box, shape: tuple[int, int]) -> Box:
        """Return what must be predicted at the magnification of the plane for the answer of a box."""
        return with_reach(box, shape, self._step) if self.model.overview else box

    def _finished(
        self, plane: Pixels, box: Box, limits: IntensityLimits, near: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return the probabilities, (K, H, W), of a box from those, (H, W, K), of what `_known` tells."""
        if self.model.overview:
            known = self._known(box, (int(plane.shape[0]), int(plane.shape[1])))
            near = corrected(plane, box, near, known, lambda overview, part: self.look(overview, part, limits))
        return np.ascontiguousarray(near.transpose(2, 0, 1))

    def look(self, plane: Pixels, box: Box, limits: IntensityLimits) -> NDArray[np.float32]:
        """Return the probabilities, (H, W, K), of one box at the magnification of the plane."""
        return self._net.see(*read_window(plane, box, limits=limits, **self.surroundings)).transpose(1, 2, 0)

    @property
    def surroundings(self) -> dict[str, int]:
        """What `read_window` must know of the network."""
        return surroundings(self.model.config)


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
