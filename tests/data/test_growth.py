"""Strokes grow to the edges of what they lie in, and not beyond."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_microcnn.data import IGNORE, intensity_limits
from napari_microcnn.data import growth as growing
from napari_microcnn.data.growth import GROWN, Growth, grow_strokes, unmarked
from napari_microcnn.data.patches import Source


def discs(noise: float = 0.0, contrast: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Return a blurred picture of nine discs of 20 pixels, and where they are."""
    y, x = np.indices((240, 240)) % 80 - 40
    truth = (y**2 + x**2 < 400).astype(np.uint8)
    image = ndimage.gaussian_filter(contrast * truth, 1.0)
    return image + np.random.default_rng(0).normal(0, noise, image.shape), truth


def strokes() -> np.ndarray:
    """Return a stroke in one of the discs and one between them."""
    painted = np.full((240, 240), IGNORE, np.uint8)
    painted[118:121, 110:130] = 1
    painted[79:82, 60:100] = 0
    return painted


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.3])
def test_a_stroke_fills_what_it_lies_in(noise: float) -> None:
    image, truth = discs(noise)
    grown = unmarked(grow_strokes(image, strokes(), intensity_limits(image)))
    known = grown != IGNORE
    assert (grown == truth)[known].mean() > 0.99
    disc = ndimage.label(truth)[0] == 5
    assert (grown[disc] == 1).mean() > (0.5 if noise < 0.3 else 0.2)
    assert not (grown == 1)[~ndimage.binary_dilation(disc, iterations=2)].any()  # the other discs nobody has painted


def test_what_was_painted_stays() -> None:
    image, _ = discs(0.3)
    painted = strokes()
    painted[70:78, 60:62] = 1  # wrong, but said so
    grown = grow_strokes(image, painted, intensity_limits(image))
    assert np.array_equal(grown[painted != IGNORE], painted[painted != IGNORE])
    assert (grown[(painted == IGNORE) & (grown != IGNORE)] >= GROWN).all()


def test_colours_and_numbers_of_any_range() -> None:
    image, _ = discs(0.05)
    expected = grow_strokes(image, strokes(), intensity_limits(image))
    large = (image * 4000 + 5000).round(0)
    for same in (large, large.astype(">u2"), np.stack([image, 0 * image], axis=-1)):
        assert (grow_strokes(same, strokes(), intensity_limits(same)) == expected).mean() > 0.999


def test_pixels_that_are_no_numbers() -> None:
    image, truth = discs(0.05)
    image[100:104, 20:30] = np.nan
    grown = unmarked(grow_strokes(image, strokes(), intensity_limits(image)))
    assert (grown == truth)[grown != IGNORE].mean() > 0.99


def test_one_class_alone_does_not_grow() -> None:
    image, _ = discs()
    painted = strokes()
    painted[painted == 0] = IGNORE
    source = Source(image, painted, intensity_limits(image))
    assert np.array_equal(Growth()([source])[0].targets, painted)


def test_the_microscopes_text_is_not_reached() -> None:
    image, _ = discs()
    outside = np.zeros(image.shape, bool)
    outside[60:90, 100:140] = True
    grown = Growth()([Source(image, strokes(), intensity_limits(image), outside)])[0].targets
    assert (grown[outside] == IGNORE).all()
    assert (unmarked(grown)[60:90, 60:95] == 0).mean() > 0.5


def test_only_what_has_changed_grows_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "SIDE", 120)
    grown = []

    def counted(pixels: np.ndarray, *about: object) -> np.ndarray:
        grown.append(pixels.shape)
        return grow_strokes(pixels, *about)

    monkeypatch.setattr(growing, "grow_strokes", counted)
    image, _ = discs()
    painted = np.tile(strokes()[60:180, 60:180], (2, 2))
    source, growth = Source(image, painted, intensity_limits(image)), Growth()
    [first] = growth([source])
    assert grown == [(120, 120)] * 4
    assert np.array_equal(growth([source])[0].targets, first.targets)
    assert len(grown) == 4
    changed = painted.copy()
    changed[200, 210] = 0
    growth([source.with_targets(changed)])
    assert len(grown) == 5
