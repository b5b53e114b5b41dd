"""Labelled images made comparable: without databars, and with pixels of one size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_microcnn.data.collections import LEAST_SIDE, ClassifiedImage, Collection
from napari_microcnn.data.databar import find_overlays
from napari_microcnn.data.resampling import Resampled, zoomed_shape
from napari_microcnn.micrograph import Calibration, Pixels

FARTHEST = 4.0
"""Pixel sizes farther apart than this are not resampled: too little of the finer images would be left."""
_ALIKE = 1.1
"""Pixel sizes nearer to each other than this are left as they are, in training as in classifying."""


def comparable(collection: Collection) -> Collection:
    """Return the images as a classifier shall see them; what was done to them is added to the notices."""
    return at_one_pixel_size(without_overlays(collection))


def specimen(pixels: Pixels) -> tuple[Pixels, tuple[int, int]]:
    """Return the largest part of a plane without databar and plates, and its first row and column."""
    clear = find_overlays(pixels).clear()
    return pixels[clear.slices], (clear.top, clear.left)


def without_overlays(collection: Collection) -> Collection:
    """Cut off databars and plates with a scale bar, which tell the microscope and not the class."""
    images, cut = [], 0
    for image in collection.images:
        pixels, _ = specimen(image.pixels)
        small = pixels.shape[:2] == image.pixels.shape[:2]
        images.append(image if small else replace(image, pixels=pixels))
        cut += not small
    if not cut:
        return collection
    told = f"The databar or the scale bar was cut off {cut} of {len(images)} images."
    return replace(collection, images=tuple(images), notices=(*collection.notices, told))


def at_one_pixel_size(collection: Collection) -> Collection:
    """Resample images of different magnifications to the coarsest pixel size, if all are calibrated.

    Images of sizes more than a factor of 4 apart, and such that would become too small, are left.
    """
    known = [image.calibration for image in collection.images if image.calibration is not None]
    if not known or len(known) < len(collection.images):
        return collection
    sizes = np.array([one.to("µm").pixel_size[0] for one in known])
    coarsest = known[int(sizes.argmax())]
    factors = sizes / sizes.max()
    if not 1 / FARTHEST <= factors.min() < 1 / _ALIKE:
        return collection
    least = min(min(image.pixels.shape[:2]) * factor for image, factor in zip(collection.images, factors, strict=True))
    if least < LEAST_SIDE:
        return collection
    images = tuple(
        image if factor > 1 / _ALIKE else _resampled(image, factor, coarsest)
        for image, factor in zip(collection.images, factors, strict=True)
    )
    told = (
        f"The pixel sizes differ, from {sizes.min():.3g} to {sizes.max():.3g} µm; the finer images are resampled to "
        f"{sizes.max():.3g} µm."
    )
    return replace(collection, images=images, notices=(*collection.notices, told))


def _resampled(image: ClassifiedImage, factor: float, size: Calibration) -> ClassifiedImage:
    seen = Resampled(image.pixels, zoomed_shape(image.pixels.shape, factor), np.float64)[:, :]
    kind = image.pixels.dtype
    # Of the same type as before: grey values of images of one depth stay comparable.
    pixels = seen if kind.kind == "f" else np.rint(seen).astype(kind)
    return replace(image, pixels=pixels, calibration=size)
