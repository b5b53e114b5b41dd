"""A plane that is worked on block by block, in passes that are kept on the disk."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.data.windows import Box, split
from napari_microcnn.device import give_back_memory
from napari_microcnn.events import Event, Progress
from napari_microcnn.io.scratch import Scratch
from napari_microcnn.predict.answer import nearest_places

Columns = dict[str, NDArray[Any]]


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
    """

    scratch: Scratch
    name: str
    shape: tuple[int, int]
    side: int

    def array(self, name: str, dtype: Any) -> Any:
        """Return an array of the canvas' size on the disk."""
        return self.scratch.array(f"{self.name}-{name}", self.shape, self.side, dtype)

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
        self, name: str, message: str, work: Callable[[Box], None], finish: Callable[[], Columns]
    ) -> Generator[Event, None, Columns]:
        """Do something with every block, keep what comes out of it, and return that; at once if it was done before.

        Parameters
        ----------
        name : str
            Of the pass.
        message : str
            For the user.
        work : callable
            Gets one block after the other, row by row. It may be called for some of them again after an interruption.
        finish : callable
            Returns what is to be kept.
        """
        full = f"{self.name}-{name}"
        if full not in self.scratch:
            blocks = self.blocks
            for number, box in enumerate(blocks, 1):
                work(box)
                yield Progress(number, len(blocks), message)
            self.scratch.save(full, **finish())
            if len(blocks) > 1:
                give_back_memory()
        return self.scratch.load(full)


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


def within(box: Box, outer: Box) -> tuple[slice, slice]:
    """Return where a box lies in one around it."""
    return (
        slice(box.top - outer.top, box.bottom - outer.top),
        slice(box.left - outer.left, box.right - outer.left),
    )
