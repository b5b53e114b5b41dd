"""Images of a collection made comparable."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from napari_microcnn.config import ClassInfo
from napari_microcnn.data.collections import ClassifiedImage, Collection
from napari_microcnn.data.comparable import at_one_pixel_size, comparable, without_overlays
from napari_microcnn.micrograph import Calibration

CLASSES = (ClassInfo(id=0, name="a", colour="#000000"), ClassInfo(id=1, name="b", colour="#ffffff"))


def grating(side: int, period: float) -> np.ndarray[Any, Any]:
    waves = 127 + 100 * np.sin(2 * np.pi * np.arange(side) / period)
    return np.repeat(waves[None], side, 0).astype(np.uint8)


def collection(*sizes: float | None, side: int = 128) -> Collection:
    """Return gratings of a period of 16 µm, seen with pixels of these sizes in µm."""
    images = [
        ClassifiedImage(
            grating(side, 16 / (size or 1)), index % 2, str(index), str(index),
            None if size is None else Calibration((size, size), "µm", "test"),
        )
        for index, size in enumerate(sizes)
    ]  # fmt: skip
    return Collection(tuple(images), CLASSES)


def period(image: ClassifiedImage) -> float:
    row = np.asarray(image.pixels[0], float)
    return len(row) / float(np.abs(np.fft.rfft(row - row.mean())).argmax())


def test_finer_images_are_resampled_to_the_coarsest() -> None:
    found = at_one_pixel_size(collection(0.5, 1.0, 0.25))
    assert [image.pixels.shape[0] for image in found.images] == [64, 128, 32]
    assert [period(image) for image in found.images] == [16.0, 16.0, 16.0]
    assert {image.pixels.dtype for image in found.images} == {np.dtype(np.uint8)}
    assert {image.calibration.pixel_size for image in found.images if image.calibration} == {(1.0, 1.0)}
    assert "from 0.25 to 1 µm" in found.notices[-1]


@pytest.mark.parametrize("sizes", [(0.5, None), (None, None), (1.0, 1.05), (0.2, 1.0), (1.0, 1.0)])
def test_images_that_are_left_as_they_are(sizes: tuple[float | None, ...]) -> None:
    given = collection(*sizes)
    assert at_one_pixel_size(given) is given


def test_images_that_would_become_too_small_are_left() -> None:
    given = collection(0.25, 1.0, side=24)
    assert at_one_pixel_size(given) is given


def with_databar(noise: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    picture = Image.fromarray(noise.copy())
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 170, 255, 199), fill=0)
    draw.text((10, 178), "20 kV  x5,000   SE   1 µm", fill=255)
    return np.asarray(picture)


def test_databars_are_cut_off() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 256), dtype=np.uint8)
    images = tuple(ClassifiedImage(pixels, k, str(k), str(k)) for k, pixels in enumerate((noise, with_databar(noise))))
    given = Collection(images, CLASSES)
    found = without_overlays(given)
    assert found.images[0] is given.images[0]
    assert np.array_equal(found.images[1].pixels, noise[:170])
    assert found.notices == ("The databar or the scale bar was cut off 1 of 2 images.",)
    assert comparable(Collection(images[:1], CLASSES)).notices == ()
