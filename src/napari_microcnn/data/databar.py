"""What a microscope wrote into the picture: a databar along an edge, and plates with a scale bar.

Both are drawn: one grey value as the ground, another as the ink, and borders that are straight to
the pixel. Noise, and the bent borders of anything grown, never are. A databar is missed rather than
material taken for one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_microcnn.data.normalisation import IntensityLimits, intensity_limits
from napari_microcnn.data.windows import Box
from napari_microcnn.micrograph import DRAWN, Pixels

Grey = NDArray[np.float32]

_LEAST_SIDE = 96
"""Microscopes save no smaller images, in pixels; windows cut from one have no databar."""
_LARGEST = 1 << 26
"""Images of more pixels are stitched, and have none either."""
_TALLEST, _FLATTEST = 0.3, 10
"""Height of a databar: at most this share of the image, at least so many rows."""
_SMALLEST_PLATE = 5e-4
"""Share of the image."""
_GREYS = 16
"""Pictures of fewer grey values are drawings or masks themselves."""
_EXACT = ("u1", "u2", "f4")
"""Types whose values are the same as float32, so that a large plane is not held as that too."""
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
        Planes of more than 64 million pixels are not read.

    Returns
    -------
    Overlays
        False where there is nothing.
    """
    shape = int(plane.shape[0]), int(plane.shape[1])
    whole = Box(0, shape[0], 0, shape[1])
    if min(shape) < _LEAST_SIDE or shape[0] * shape[1] > _LARGEST or plane.dtype.kind == "b":
        return Overlays(whole, (), shape)
    pixels = np.asarray(plane)
    bytes_only = pixels.dtype == np.uint8
    grey: NDArray[Any] = pixels if pixels.ndim == 2 else pixels.mean(axis=2, dtype=np.float32)
    if grey.dtype.str[1:] not in _EXACT:
        grey = grey.astype(np.float32)
    del pixels
    if _few_greys(grey[shape[0] // 3 : 2 * shape[0] // 3 : 2, ::2]):
        return Overlays(whole, (), shape)
    for blur in (0, _JPEG) if bytes_only else (0,):
        below = _bar_rows(grey, blur)
        above = _bar_rows(grey[::-1], blur)
        field = Box(above, shape[0] - below, 0, shape[1])
        plates = tuple(_plates(grey[field.slices], blur, field.top))
        found = Overlays(field, plates, shape)
        if found:
            return found
    return Overlays(whole, (), shape)


def _few_greys(part: NDArray[Any]) -> bool:
    found = np.flatnonzero(np.bincount(part.ravel())) if part.dtype == np.uint8 else np.unique(part)
    return len(found) < _GREYS


def _bar_rows(grey: NDArray[Any], blur: float) -> int:
    """Return the height of the databar at the bottom, 0 without one."""
    height = len(grey)
    tallest = int(_TALLEST * height)
    strip = grey[height - tallest - 1 :].astype(np.float32)
    # The ground is what most of the lowest rows are.
    ground = _mode(strip[-max(_FLATTEST, height // 50) :])
    lowest = max(3, height // 100)  # some microscopes leave a line of the image below their databar
    if not _drawn(*_shares(strip[-lowest:], ground, blur)[1:]).any():
        return 0
    middle, even, own = _shares(strip, ground, blur)
    drawn = _drawn(even, own)
    last = len(strip) - int(np.argmax(drawn[::-1]))
    gaps = np.flatnonzero(~drawn[:last])
    first = int(gaps[-1]) + 1 if gaps.size else 1
    contrast = 0.3 * (float(grey.max()) - float(grey.min()))
    reach = 6 if blur else 1  # JPEG blurs the edge over a block
    for row in range(max(1, first), last - _FLATTEST + 1):
        # Straight to the pixel: an even row right below one that is not, or is of quite another grey.
        above = np.arange(max(0, row - reach), row)
        other = np.abs(middle[above] - middle[row]) > contrast
        if even[max(0, row - _FLATTEST) : row].mean() < 0.5:  # else the material has the colour of the ground too
            other |= own[above] <= 0.9
        if own[row] >= 0.97 and other.any() and _is_text(strip[row:last], ground, blur, contrast):
            return len(strip) - int(above[other][-1]) - 1
    return 0


def _shares(strip: Grey, ground: float, blur: float) -> tuple[Grey, NDArray[np.float64], NDArray[np.float64]]:
    """Return the middle grey of every row, which share of it is ground, and which has any one grey value."""
    middle: Grey = np.median(strip, axis=1)
    even, like_middle = (
        np.count_nonzero(np.abs(strip - grey) <= blur, axis=1) / strip.shape[1] for grey in (ground, middle[:, None])
    )
    own: NDArray[np.float64] = np.maximum(even, like_middle)
    return middle, even, own


def _drawn(even: NDArray[np.float64], own: NDArray[np.float64]) -> NDArray[np.bool_]:
    result: NDArray[np.bool_] = (even >= 0.5) | (own >= 0.9)
    return result


def _is_text(bar: Grey, ground: float, blur: float, contrast: float) -> bool:
    """Whether there is ink of mainly one grey value on even ground, in as many pieces as letters."""
    distance = np.abs(bar - ground)
    span = float(distance.max())
    ink = distance > max(contrast, 0.3 * span)
    if span <= contrast or not 0.003 <= ink.mean() <= 0.5 or (bar == ground).mean() < 0.4:
        return False
    colour = _mode(bar[ink])
    strong = (np.abs(bar[ink] - colour) <= max(3 * blur, 0.1 * span)).mean()
    runs = int(np.diff(ink.astype(np.int8), axis=1, prepend=0).clip(0).sum(axis=1).max())
    _, pieces = ndimage.label(ink)
    return bool(strong >= 0.25 and runs >= 6 and pieces >= 5)


def _plates(grey: NDArray[Any], blur: float, top: int) -> Iterator[Box]:
    """Yield even rectangles that hold a straight bar of another grey value, and letters."""
    low, high = float(grey.min()), float(grey.max())
    for ground in {low, high, _mode(grey[::3, ::3])}:
        even = _is_even(grey, ground, blur)
        if np.count_nonzero(even) < _SMALLEST_PLATE / 2 * even.size or not _has_line(even):
            continue
        pieces = _large_pieces(even, 0.3 * _SMALLEST_PLATE * grey.size)
        if pieces is None:
            continue
        for number, place in enumerate(ndimage.find_objects(pieces), 1):
            height, width = (part.stop - part.start for part in place)
            size = height * width
            if height < _FLATTEST or width < 24 or width < height or not _SMALLEST_PLATE <= size / grey.size <= 0.2:
                continue
            plate = pieces[place] == number
            filled = ndimage.binary_fill_holes(plate)
            if plate.mean() < 0.3 or filled.mean() < 0.985:
                continue
            if _has_scale_bar(grey[place].astype(np.float32), ~plate, high - low, blur):
                rows, cols = place
                yield Box(rows.start + top, rows.stop + top, cols.start, cols.stop)


def _is_even(grey: NDArray[Any], ground: float, blur: float) -> NDArray[np.bool_]:
    low, high = ground - blur, ground + blur
    if grey.dtype == np.uint8:  # compared as bytes, which is quicker
        low, high = max(0, int(low)), min(255, int(high))
    result: NDArray[np.bool_] = (grey >= low) & (grey <= high)
    return result


def _has_line(mask: NDArray[np.bool_]) -> bool:
    """Whether half of the edge of the smallest plate could be in the mask: noise is ruled out soon."""
    half = int((_SMALLEST_PLATE * mask.size) ** 0.5 / 2)
    eight = np.ascontiguousarray(mask[:, : mask.shape[1] // 8 * 8]).view(np.uint64)  # eight pixels in one number
    full = eight == np.uint64(0x0101010101010101)
    for _ in range(1, max(1, (half - 7) // 8)):  # so many lie whole in a line, wherever it begins
        full = full[:, 1:] & full[:, :-1]
    return bool(full.any())


def _large_pieces(mask: NDArray[np.bool_], least: float) -> NDArray[np.int32] | None:
    """Number the connected regions of so many pixels, if any: in noisy pictures there are millions of others."""
    pieces, count = ndimage.label(mask)
    sizes = np.zeros(count + 1, np.int64)
    for row in pieces:
        here = row[row > 0]  # mostly few: counting them one by one costs no memory
        np.add.at(sizes, here, 1)
    large = sizes >= least
    large[0] = False
    if not large.any():
        return None
    numbers = np.where(large, np.cumsum(large), 0).astype(np.int32)
    for row in pieces:
        row[:] = numbers[row]
    result: NDArray[np.int32] = pieces
    return result


def _has_scale_bar(plate: Grey, ink: NDArray[np.bool_], span: float, blur: float) -> bool:
    """Whether the ink has letters, and a line of one grey value that is long, straight and as thick all along."""
    pieces, count = ndimage.label(ink)
    if count < 3:
        return False
    ground = float(np.median(plate[~ink]))
    for number, place in enumerate(ndimage.find_objects(pieces), 1):
        height, width = (part.stop - part.start for part in place)
        if width < 0.25 * plate.shape[1] or height > 0.5 * len(plate):
            continue
        line = pieces[place] == number
        full = line.mean(axis=1) >= 0.97  # the rows of the line itself; ticks at its ends stand out of them
        values = plate[place][full]
        if full.any() and full.sum() <= 0.25 * width and np.abs(values - ground).min() >= 0.3 * span:
            return bool((np.abs(values - np.median(values)) <= 3 * blur).mean() >= 0.9)
    return False


def _mode(values: NDArray[Any]) -> float:
    if values.dtype == np.uint8:
        return float(np.bincount(values.ravel(), minlength=1).argmax())
    found, counts = np.unique(values, return_counts=True)
    return float(found[counts.argmax()])
