"""Receptive fields: which pixels of the input the positions of a map can see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NOWHERE = np.iinfo(np.int64).max // 2


@dataclass(frozen=True)
class AxisField:
    """What the positions along one axis of a map see of the same axis of the input.

    Parameters
    ----------
    first, last : numpy.ndarray, (L,) int64
        First and last input pixel that each of the L positions sees; first > last where a
        position sees nothing but padding.
    jump : float
        Input pixels from one position to the next (effective stride).
    start : float
        Input coordinate of the centre of the first position's field, were there no edge.
    """

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    jump: float = 1.0
    start: float = 0.0

    @property
    def size(self) -> int:
        """Pixels that the position that sees most sees."""
        return int(max(0, (self.last - self.first).max() + 1))

    def gather(self, sources: NDArray[np.int64], jump: float, start: float) -> AxisField:
        """Return what positions see that are computed from these positions, (L, taps); others lie in padding."""
        valid = (sources >= 0) & (sources < len(self.first))
        inside = np.where(valid, sources, 0)
        first = np.where(valid, self.first[inside], NOWHERE).min(axis=1)
        last = np.where(valid, self.last[inside], -1).max(axis=1)
        return AxisField(first, last, jump, start)

    def slid(self, length: int, kernel: int, stride: int, padding: int, dilation: int) -> AxisField:
        """Return the field after a convolution or pooling with `length` results along this axis.

        The centre moves as Dumoulin and Visin (2016) and Araujo, Norris and Sim (Distill, 2019) reckon it.
        """
        taps = np.arange(kernel) * dilation
        sources = np.arange(length)[:, None] * stride - padding + taps
        centre = (kernel - 1) / 2 * dilation - padding
        return self.gather(sources, self.jump * stride, self.start + centre * self.jump)

    def spread(self, length: int, kernel: int, stride: int, padding: int, dilation: int) -> AxisField:
        """Return the field after a transposed convolution: position i reaches i * stride - padding + taps."""
        reached = np.arange(length)[:, None] + padding - np.arange(kernel) * dilation
        sources = np.where(reached % stride == 0, reached // stride, -1)
        centre = (padding - (kernel - 1) / 2 * dilation) / stride
        return self.gather(sources, self.jump / stride, self.start + centre * self.jump)

    def adapted(self, length: int) -> AxisField:
        """Return the field after adaptive pooling to `length` positions, or a sum over all for a length of 1."""
        whole = len(self.first)
        positions = np.arange(length)
        begin, end = positions * whole // length, -(-(positions + 1) * whole // length)
        taps = begin[:, None] + np.arange((end - begin).max())
        sources = np.where(taps < end[:, None], taps, -1)
        centre = (whole / length - 1) / 2
        return self.gather(sources, self.jump * whole / length, self.start + centre * self.jump)

    def shifted(self, length: int, before: int) -> AxisField:
        """Return the field after padding by `before` positions (cropping, if negative) to `length` positions."""
        return self.gather(np.arange(length)[:, None] - before, self.jump, self.start - before * self.jump)

    def united(self, other: AxisField) -> AxisField:
        """Return the field of a sum or concatenation of two maps."""
        if len(self.first) != len(other.first):  # one is spread over the other, as a factor for a whole map
            wide, single = (self, other) if len(self.first) > len(other.first) else (other, self)
            single = AxisField(
                np.broadcast_to(single.first, wide.first.shape), np.broadcast_to(single.last, wide.last.shape)
            )
            return wide.united(single)
        first, last = np.minimum(self.first, other.first), np.maximum(self.last, other.last)
        return AxisField(first, last, self.jump, self.start)


@dataclass(frozen=True)
class Field:
    """Receptive fields of all positions of a map, in pixels of the input."""

    rows: AxisField
    columns: AxisField

    @classmethod
    def of_image(cls, height: int, width: int) -> Field:
        """Return the field of the input itself: every pixel sees itself."""
        return cls(*(AxisField(np.arange(side), np.arange(side)) for side in (height, width)))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels of the largest box that a position sees."""
        return self.rows.size, self.columns.size

    @property
    def jump(self) -> tuple[float, float]:
        """Pixels from one position to the next, down and to the right (effective stride)."""
        return self.rows.jump, self.columns.jump

    @property
    def start(self) -> tuple[float, float]:
        """Row and column of the centre of the first position's field, were there no edges."""
        return self.rows.start, self.columns.start

    def box(self, row: int, column: int) -> tuple[slice, slice]:
        """Return the pixels of the input that the map's position (row, column) sees, cut at the edges."""
        rows, columns = self.rows, self.columns
        return (
            slice(int(rows.first[row]), int(rows.last[row]) + 1),
            slice(int(columns.first[column]), int(columns.last[column]) + 1),
        )

    def united(self, other: Field) -> Field:
        """Return the field of a sum or concatenation of two maps."""
        return Field(self.rows.united(other.rows), self.columns.united(other.columns))


def united(fields: Sequence[Field]) -> Field:
    """Return the field of what is made of several maps of the same size."""
    result = fields[0]
    for field in fields[1:]:
        result = result.united(field)
    return result
