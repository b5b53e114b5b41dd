"""A plane that is worked on block by block, in passes that are kept on the disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from napari_microcnn.data.resampling import Resampled
from napari_microcnn.data.windows import Box, split
from napari_microcnn.device import give_back_memory
from napari_microcnn.events import Event, Progress
from napari_microcnn.io.scratch import Scratch
from napari_microcnn.predict.answer import nearest_places

_MOST = 4
"""Blocks that are prepared at the same time: each of them takes some tens of megabytes."""

Columns = dict[str, NDArray[Any]]
T = TypeVar("T")


class Readable(Protocol):
    """Anything that is read by slices of rows and columns."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Height and width."""

    def __getitem__(self, region: tuple[slice, slice], /) -> Any:
        """Return rows and columns."""


@dataclass(frozen=True)
class Canvas:
    """A plane of some size and its place in the scratch.

    Attributes
    ----------
    scratch : Scratch
    name : str
        What the names of its arrays and passes begin with.
    shape : tuple of int
        Height and width.
    side : int
        Of its blocks, in pixels.
    lasting : bool
        Whether arrays and passes are kept on the disk; a plane of one block is sooner worked on again as a whole.
    """

    scratch: Scratch
    name: str
    shape: tuple[int, int]
    side: int
    lasting: bool = True

    def array(self, name: str, dtype: Any) -> Any:
        """Return an array of the canvas' size, all 0 at first."""
        full = f"{self.name}-{name}"
        if not self.lasting:
            return self.scratch.passing(full, self.shape, dtype)
        return self.scratch.array(
            full, self.shape, -(-self.side // 2), dtype
        )  # for margins less is read around a block

    def drop(self, *names: str) -> None:
        """Delete arrays."""
        self.scratch.drop(*(f"{self.name}-{name}" for name in names))

    @property
    def blocks(self) -> list[Box]:
        """All blocks, row by row."""
        return split(Box(0, self.shape[0], 0, self.shape[1]), self.side)

    def grown(self, box: Box, margin: int) -> tuple[Box, tuple[slice, slice]]:
        """Return a block with a margin as far as the plane reaches, and where the block lies in that."""
        height, width = self.shape
        outer = Box(
            max(0, box.top - margin),
            min(height, box.bottom + margin),
            max(0, box.left - margin),
            min(width, box.right + margin),
        )
        return outer, within(box, outer)

    def run(
        self,
        name: str,
        message: str,
        prepare: Callable[[Box], T],
        work: Callable[[Box, T], None],
        finish: Callable[[], Columns],
    ) -> Generator[Event, None, Columns]:
        """Do something with every block, keep what comes out of it, and return that; at once if it was done before.

        Parameters
        ----------
        name : str
            Of the pass.
        message : str
            For the user.
        prepare : callable
            Reads a block and does all that needs no other one, in threads, several blocks at a time.
        work : callable
            Gets one block after the other, row by row, and what was prepared. It may be called for some of them again
            after an interruption.
        finish : callable
            Returns what is to be kept.
        """
        full, blocks = f"{self.name}-{name}", self.blocks
        if full in self.scratch:
            return self.scratch.load(full)
        threads, left = min(_MOST, torch.get_num_threads()), iter(blocks)
        with ThreadPoolExecutor(threads) as pool:
            ahead = deque(pool.submit(prepare, box) for box in islice(left, threads))
            for number, box in enumerate(blocks, 1):
                ready = ahead.popleft().result()
                ahead.extend(pool.submit(prepare, box) for box in islice(left, 1))
                work(box, ready)
                yield Progress(number, len(blocks), message)
        if len(blocks) > 1:
            give_back_memory()  # what the blocks needed: the tables of the whole plane come on top
        found = finish()
        if self.lasting:
            self.scratch.save(full, **found)
        if len(blocks) > 1:
            give_back_memory()
        return found


class Nearest:
    """An image of ids or labels seen with more or fewer pixels, read piece by piece.

    Parameters
    ----------
    source : Readable
    shape : tuple of int
        New height and width.
    numbers : numpy.ndarray, optional
        What every value of the source stands for.
    """

    def __init__(self, source: Readable, shape: tuple[int, int], numbers: NDArray[Any] | None = None) -> None:
        self._source, self._numbers = source, numbers
        self.shape: tuple[int, ...] = shape
        self._places = [nearest_places(new, old) for new, old in zip(shape, source.shape, strict=True)]

    def __getitem__(self, region: tuple[slice, slice], /) -> NDArray[Any]:
        """Return rows and columns."""
        rows, cols = (places[part] for places, part in zip(self._places, region, strict=True))
        values = np.asarray(self._source[slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)])
        if self.shape != tuple(self._source.shape):
            values = values[np.ix_(rows - rows[0], cols - cols[0])]
        return values if self._numbers is None else self._numbers[values]


class Mean:
    """The mean probability over the magnifications, in the pixels of the first one; see `PlaneAnswer.average`."""

    def __init__(self, parts: Sequence[Any]) -> None:
        self._parts = parts
        self.shape: tuple[int, ...] = tuple(parts[0].shape)
        self._others = [
            part if part.shape == self.shape else Resampled(part, (self.shape[0], self.shape[1])) for part in parts[1:]
        ]

    def __getitem__(self, region: tuple[slice, slice], /) -> NDArray[np.float32]:
        mean: NDArray[np.float32] = np.asarray(self._parts[0][region])
        for count, other in enumerate(self._others, start=2):
            mean += (np.asarray(other[region]) - mean) / count
        return mean

    def at(self, shape: tuple[int, int]) -> Readable:
        """Return it with another number of pixels."""
        return self if self.shape == shape else Resampled(self, shape)  # type: ignore[arg-type]  # read like an array


def within(box: Box, outer: Box) -> tuple[slice, slice]:
    """Return where a box lies in one around it."""
    return (
        slice(box.top - outer.top, box.bottom - outer.top),
        slice(box.left - outer.left, box.right - outer.left),
    )
