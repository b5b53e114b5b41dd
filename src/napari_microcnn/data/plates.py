"""Plates with a scale bar that a microscope drew into a picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_microcnn.data.greys import Greys, Regions
from napari_microcnn.data.windows import Box

_SMALLEST, _LARGEST = 5e-4, 0.2
"""Share of the image."""
_FLATTEST, _NARROWEST = 10, 24
_LOOKED_AT = 1 << 21
"""Pixels of a plate, at most; of larger ones every second row and column or fewer suffice to see what is written."""


def find_plates(greys: Greys, field: Box, blur: float) -> Iterator[Box]:
    """Yield even rectangles that hold a straight bar of another grey value, and letters.

    Parameters
    ----------
    greys : Greys
    field : Box
        Where to look.
    blur : float
        How far the grey values of even ground may scatter.
    """
    size = field.shape[0] * field.shape[1]
    low, high, frequent = greys.summary(field)
    for ground in _promising(greys, field, {low, high, frequent}, blur):
        regions = Regions(0.3 * _SMALLEST * size)
        for top, band in greys.bands(field):
            regions.add(top, _is_even(band, ground, blur))
        for place, pixels in regions.found():
            box = place._replace(left=place.left + field.left, right=place.right + field.left)
            height, width = box.shape
            area = height * width
            if height < _FLATTEST or width < _NARROWEST or width < height or pixels < 0.3 * area:
                continue
            if _SMALLEST <= area / size <= _LARGEST and _is_plate(greys, box, ground, blur, high - low):
                yield box


def _promising(greys: Greys, field: Box, grounds: Iterable[float], blur: float) -> list[float]:
    """Return the grey values that could be the ground of a plate: noise is ruled out soon."""
    size, pixels = field.shape[0] * field.shape[1], dict.fromkeys(grounds, 0)
    lines = dict.fromkeys(pixels, False)
    for _, band in greys.bands(field):
        for ground in pixels:
            even = _is_even(band, ground, blur)
            pixels[ground] += int(np.count_nonzero(even))
            lines[ground] = lines[ground] or _has_line(even, size)
    return [ground for ground, count in pixels.items() if lines[ground] and count >= _SMALLEST / 2 * size]


def _is_plate(greys: Greys, box: Box, ground: float, blur: float, span: float) -> bool:
    """Whether the even region that reaches to all sides of a box is a rectangle with letters and a scale bar."""
    grey = greys.read(box, int(np.ceil((box.shape[0] * box.shape[1] / _LOOKED_AT) ** 0.5)))
    pieces, _ = ndimage.label(_is_even(grey, ground, blur))
    reach = [(rows.stop - rows.start) * (cols.stop - cols.start) for rows, cols in ndimage.find_objects(pieces)]
    plate = pieces == int(np.argmax(reach)) + 1
    if ndimage.binary_fill_holes(plate).mean() < 0.985:
        return False
    return _has_scale_bar(grey.astype(np.float32), ~plate, span, blur)


def _is_even(grey: NDArray[Any], ground: float, blur: float) -> NDArray[np.bool_]:
    low, high = ground - blur, ground + blur
    if grey.dtype == np.uint8:  # compared as bytes, which is quicker
        low, high = max(0, int(low)), min(255, int(high))
    result: NDArray[np.bool_] = (grey >= low) & (grey <= high)
    return result


def _has_line(mask: NDArray[np.bool_], size: int) -> bool:
    """Whether half of the edge of the smallest plate in an image of this size could be in the mask."""
    half = int((_SMALLEST * size) ** 0.5 / 2)
    eight = np.ascontiguousarray(mask[:, : mask.shape[1] // 8 * 8]).view(np.uint64)  # eight pixels in one number
    full = eight == np.uint64(0x0101010101010101)
    for _ in range(1, max(1, (half - 7) // 8)):  # so many lie whole in a line, wherever it begins
        full = full[:, 1:] & full[:, :-1]
    return bool(full.any())


def _has_scale_bar(plate: NDArray[np.float32], ink: NDArray[np.bool_], span: float, blur: float) -> bool:
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
