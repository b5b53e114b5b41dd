"""The eight orientations of a square: a network should see the same in all of them, and never quite does."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Orientation:
    """A flip along either axis, then perhaps an exchange of the axes."""

    rows: bool
    columns: bool
    exchange: bool

    def apply(self, images: Tensor) -> Tensor:
        """Return images (..., H, W) in this orientation."""
        turned = images.flip(self._axes) if self._axes else images
        return turned.transpose(-1, -2) if self.exchange else turned

    def undo(self, images: Tensor) -> Tensor:
        """Return images (..., H, W) of this orientation as they were."""
        turned = images.transpose(-1, -2) if self.exchange else images
        return turned.flip(self._axes) if self._axes else turned

    def region(self, region: tuple[slice, slice], shape: tuple[int, int]) -> tuple[slice, slice]:
        """Return where a region of images (..., H, W) of a shape lies in this orientation.

        Examples
        --------
        >>> Orientation(rows=True, columns=False, exchange=True).region((slice(0, 2), slice(3, 5)), (10, 20))
        (slice(3, 5, None), slice(8, 10, None))
        """
        rows, columns = (
            slice(side - part.stop, side - part.start) if flipped else part
            for part, side, flipped in zip(region, shape, (self.rows, self.columns), strict=True)
        )
        return (columns, rows) if self.exchange else (rows, columns)

    @property
    def _axes(self) -> list[int]:
        return [axis for axis, flipped in ((-2, self.rows), (-1, self.columns)) if flipped]


ORIENTATIONS = tuple(
    Orientation(*flags)
    for flags in (
        (False, False, False),
        (True, True, False),
        (True, False, True),
        (False, True, True),
        (False, False, True),
        (True, True, True),
        (False, True, False),
        (True, False, False),
    )
)
"""As it is; by half a turn, which cancels what pulls to one side; by quarter turns; then mirrored."""


def orientations_of(flips: bool, turns: bool, most: int | None = None) -> tuple[Orientation, ...]:
    """Return the orientations in which an image has the same class, at most so many; the first is the image as it is.

    Parameters
    ----------
    flips, turns : bool
        Whether mirroring, and turning by right angles, leaves the class as it is.
    most : int, optional
    """
    allowed = [
        one
        for one in ORIENTATIONS
        if (turns or not one.exchange)
        and (flips or (one.rows + one.columns + one.exchange) % 2 == 0)  # an odd number of mirrors is a mirror
        and (flips or turns or not (one.rows or one.columns))
    ]
    return tuple(allowed[:most])
