"""What a microscope wrote into the picture: a databar along an edge, and plates with a scale bar.

Both are drawn: one grey value as the ground, another as the ink, and borders that are straight to
the pixel. Noise, and the bent borders of anything grown, never are. A databar is missed rather than
material taken for one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.data.greys import Greys, Regions, counted, most_frequent
from napari_microcnn.data.normalisation import IntensityLimits, intensity_limits
from napari_microcnn.data.plates import find_plates
from napari_microcnn.data.windows import Box
from napari_microcnn.micrograph import DRAWN, Pixels

Grey = NDArray[np.float32]

_LEAST_SIDE = 96
"""Microscopes save no smaller images, in pixels; windows cut from one have no databar."""
_LARGEST = 1 << 26
"""Images of more pixels are stitched, and have none either."""
_TALLEST, _FLATTEST = 0.3, 10
"""Height of a databar: at most this share of the image, at least so many rows."""
_GREYS = 16
"""Pictures of fewer grey values are drawings or masks themselves."""
_MOST_INKS = 1 << 20
"""Ink of more different grey values is none."""
_JPEG = 8
"""Grey levels by which JPEG blurs an even ground, of 8 bits."""


@dataclass(frozen=True)
class Overlays:
    """Where a plane shows the microscope's text.

    Attributes
    ----------
    field : Box
        The rows that show the specimen, at full width.
    plates : tuple of Box
        Plates within the field.
    shape : tuple of int
        Height and width of the plane.
    """

    field: Box
    plates: tuple[Box, ...]
    shape: tuple[int, int]

    def __bool__(self) -> bool:
        return bool(self.plates) or self.field.shape != self.shape

    @property
    def boxes(self) -> tuple[Box, ...]:
        """All that is no specimen: databars at the top and the bottom, and plates."""
        height, width = self.shape
        bars = (Box(0, self.field.top, 0, width), Box(self.field.bottom, height, 0, width))
        return (*(bar for bar in bars if bar.shape[0]), *self.plates)

    def mask(self) -> NDArray[np.bool_]:
        """Return (Y, X) bool, true where there is no specimen."""
        mask = np.zeros(self.shape, bool)
        for box in self.boxes:
            mask[box.slices] = True
        return mask

    def clear(self) -> Box:
        """Return a rectangle of the field without any plate: every plate costs the fewest pixels that it can."""
        clear = self.field
        for plate in self.plates:
            if plate.top >= clear.bottom or plate.bottom <= clear.top:
                continue
            if plate.left >= clear.right or plate.right <= clear.left:
                continue
            parts = (
                clear._replace(bottom=plate.top), clear._replace(top=plate.bottom),
                clear._replace(right=plate.left), clear._replace(left=plate.right),
            )  # fmt: skip
            clear = max(parts, key=lambda part: part.shape[0] * part.shape[1])
        return clear


def overlays_of(plane: Pixels, metadata: Mapping[str, Any]) -> Overlays:
    """Return the overlays that the user drew, which are in the metadata of a micrograph, or else those found."""
    drawn = metadata.get(DRAWN)
    if drawn is None:
        return find_overlays(plane)
    height, width = int(plane.shape[0]), int(plane.shape[1])
    top, bottom, plates = 0, height, []
    for box in (Box(*sides) for sides in drawn):
        inside = Box(max(0, box.top), min(height, box.bottom), max(0, box.left), min(width, box.right))
        if min(inside.shape) <= 0:
            continue
        wide = inside.shape[1] >= 0.98 * width
        if wide and inside.bottom >= 0.98 * height:
            bottom = min(bottom, inside.top)
        elif wide and inside.top <= 0.02 * height:
            top = max(top, inside.bottom)
        else:
            plates.append(inside)
    if bottom - top < 1:
        raise ValueError("The databar covers the whole image; make its rectangle smaller, or delete it.")
    kept = (plate._replace(top=max(top, plate.top), bottom=min(bottom, plate.bottom)) for plate in plates)
    return Overlays(Box(top, bottom, 0, width), tuple(box for box in kept if min(box.shape) > 0), (height, width))


def field_limits(plane: Pixels) -> IntensityLimits:
    """Return centre and scale of the grey values of a plane without its databar, whose black and white are no grey."""
    return intensity_limits(plane[find_overlays(plane).field.slices])


def find_overlays(plane: Pixels) -> Overlays:
    """Find databars at the bottom or the top of a plane, and plates with a scale bar in it.

    Parameters
    ----------
    plane : array, (Y, X) or (Y, X, C)
        A lazy one is read in bands of rows. Planes of more than 64 million pixels are not read.

    Returns
    -------
    Overlays
        False where there is nothing.
    """
    greys = Greys(plane)
    shape, nothing = greys.shape, Overlays(greys.whole, (), greys.shape)
    if min(shape) < _LEAST_SIDE or shape[0] * shape[1] > _LARGEST or plane.dtype.kind == "b" or _few_greys(greys):
        return nothing
    for blur in (0, _JPEG) if plane.dtype == np.uint8 else (0,):
        below = _bar_rows(greys, blur)
        above = _bar_rows(greys.upside_down(), blur)
        field = Box(above, shape[0] - below, 0, shape[1])
        found = Overlays(field, tuple(find_plates(greys, field, blur)), shape)
        if found:
            return found
    return nothing


def _few_greys(greys: Greys) -> bool:
    """Whether every second pixel of the middle third has hardly any different grey values."""
    middle = greys.whole._replace(top=greys.shape[0] // 3, bottom=2 * greys.shape[0] // 3)
    known = np.zeros(0)
    for top, band in greys.bands(middle):
        known = np.union1d(known, counted(band[(middle.top - top) % 2 :: 2, ::2])[0])
        if len(known) >= _GREYS:
            return False
    return True


def _bar_rows(greys: Greys, blur: float) -> int:
    """Return the height of the databar at the bottom, 0 without one."""
    height = greys.shape[0]
    strip = greys.whole._replace(top=height - int(_TALLEST * height) - 1)
    # The ground is what most of the lowest rows are.
    ground = most_frequent(greys.read(strip._replace(top=height - max(_FLATTEST, height // 50))))
    lowest = max(3, height // 100)  # some microscopes leave a line of the image below their databar
    if not _drawn(*_shares(greys, strip._replace(top=height - lowest), ground, blur)[1:]).any():
        return 0
    middle, even, own = _shares(greys, strip, ground, blur)
    drawn = _drawn(even, own)
    last = len(drawn) - int(np.argmax(drawn[::-1]))
    gaps = np.flatnonzero(~drawn[:last])
    first = int(gaps[-1]) + 1 if gaps.size else 1
    low, high, _ = greys.summary(greys.whole)
    contrast = 0.3 * (high - low)
    reach = 6 if blur else 1  # JPEG blurs the edge over a block

    def bar(row: int) -> Callable[[], Iterable[Grey]]:
        box = strip._replace(top=strip.top + row, bottom=strip.top + last)
        return lambda: (band.astype(np.float32) for _, band in greys.bands(box))

    for row in range(max(1, first), last - _FLATTEST + 1):
        # Straight to the pixel: an even row right below one that is not, or is of quite another grey.
        above = np.arange(max(0, row - reach), row)
        other = np.abs(middle[above] - middle[row]) > contrast
        if even[max(0, row - _FLATTEST) : row].mean() < 0.5:  # else the material has the colour of the ground too
            other |= own[above] <= 0.9
        if own[row] >= 0.97 and other.any() and _is_text(bar(row), ground, blur, contrast):
            return len(drawn) - int(above[other][-1]) - 1
    return 0


def _shares(
    greys: Greys, box: Box, ground: float, blur: float
) -> tuple[Grey, NDArray[np.float64], NDArray[np.float64]]:
    """Return the middle grey of every row, which share of it is ground, and which has any one grey value."""
    found = []
    for _, band in greys.bands(box):
        strip = band.astype(np.float32)
        middle: Grey = np.median(strip, axis=1)
        even, like_middle = (
            np.count_nonzero(np.abs(strip - grey) <= blur, axis=1) / strip.shape[1]
            for grey in (ground, middle[:, None])
        )
        found.append((middle, even, np.maximum(even, like_middle)))
    middles, evens, owns = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return middles, evens, owns


def _drawn(even: NDArray[np.float64], own: NDArray[np.float64]) -> NDArray[np.bool_]:
    result: NDArray[np.bool_] = (even >= 0.5) | (own >= 0.9)
    return result


def _is_text(bands: Callable[[], Iterable[Grey]], ground: float, blur: float, contrast: float) -> bool:
    """Whether there is ink of mainly one grey value on even ground, in as many pieces as letters."""
    span = max(float(np.abs(band - ground).max()) for band in bands())
    if span <= contrast:
        return False
    least = max(contrast, 0.3 * span)
    size = inked = plain = runs = 0
    for band in bands():
        ink = np.abs(band - ground) > least
        size, inked, plain = size + band.size, inked + int(ink.sum()), plain + int((band == ground).sum())
        runs = max(runs, int(np.diff(ink.astype(np.int8), axis=1, prepend=0).clip(0).sum(axis=1).max()))
    if not 0.003 <= inked / size <= 0.5 or plain / size < 0.4 or runs < 6:
        return False
    colours, counts, letters, top = np.zeros(0, np.float32), np.zeros(0, np.int64), Regions(), 0
    for band in bands():
        ink = np.abs(band - ground) > least
        more = counted(band[ink])
        colours, place = np.unique(np.concatenate([colours, more[0]]), return_inverse=True)
        counts = np.bincount(place, np.concatenate([counts, more[1]])).astype(np.int64)
        if len(colours) > _MOST_INKS:
            return False
        letters.add(top, ink)
        top += len(band)
    strong = counts[np.abs(colours - colours[counts.argmax()]) <= max(3 * blur, 0.1 * span)].sum() / inked
    return bool(strong >= 0.25 and len(letters.found()) >= 5)
