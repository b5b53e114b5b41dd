"""Make the pictures of the documentation: ``make pictures``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from skimage.segmentation import find_boundaries

import napari_microcnn as mc
from napari_microcnn.io.samples import NANOPOROUS_CLASSES
from napari_microcnn.synth import LOOKS, polycrystal

IMAGES = Path(__file__).parent / "images"
SIDE, GAP, CAPTION = 460, 12, 34
CROP = (slice(120, 120 + SIDE), slice(300, 300 + SIDE))

Picture = NDArray[np.uint8]


def main() -> None:
    """Draw every picture."""
    IMAGES.mkdir(exist_ok=True)
    panels = [*_pores(), *_grains()]
    width = len(panels) * (SIDE + GAP) - GAP
    sheet = Image.new("RGB", (width, SIDE + CAPTION), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(20)
    for index, (caption, panel) in enumerate(panels):
        left = index * (SIDE + GAP)
        sheet.paste(Image.fromarray(panel), (left, 0))
        draw.text((left, SIDE + 6), caption, "#222222", font=font)
    sheet.quantize(256, dither=Image.Dither.NONE).save(IMAGES / "overview.png", optimize=True)


def _pores() -> list[tuple[str, Picture]]:
    """Draw the built-in micrograph with its strokes, and what a minute of training makes of them."""
    micrograph, strokes = mc.nanoporous()
    data = [mc.Annotated(micrograph.pixels, strokes, micrograph.name, micrograph.calibration)]
    model = mc.result_of(mc.train_segmenter(data, NANOPOROUS_CLASSES, mc.TrainConfig(minutes=None, epochs=25)))
    result = mc.result_of(mc.segment(micrograph, model, mc.SegmentConfig(objects=1)))
    table = mc.measure_objects(np.asarray(result.labels), micrograph.calibration)
    grey = _rgb(np.asarray(micrograph.pixels)[CROP])
    painted, found = grey.copy(), grey.copy()
    for entry in NANOPOROUS_CLASSES:
        painted[strokes[CROP] == entry.id] = _colour(entry.colour)
    pores = np.asarray(result.labels)[CROP]
    inside = pores > 0
    found[inside] = (0.55 * found[inside] + 0.45 * np.array(_colour(NANOPOROUS_CLASSES[0].colour))).astype(np.uint8)
    found[find_boundaries(pores, mode="inner")] = _colour(NANOPOROUS_CLASSES[0].colour)
    if micrograph.calibration is not None:
        _scale_bar(found, micrograph.calibration.to("nm").pixel_size[1], 50)
    diameter = float(np.mean(table["equivalent_circular_diameter_nm"]))
    return [("a few strokes", painted), (f"a minute later: pores, {diameter:.1f} nm on average", found)]


def _grains() -> list[tuple[str, Picture]]:
    """Draw a synthetic polycrystal and the grains that the shipped model finds in it."""
    structure, imaging = LOOKS["etched"]
    size = {"height": SIDE, "width": SIDE, "grains": 130}
    made = polycrystal(structure.model_copy(update=size), imaging, 3)
    result = mc.result_of(mc.segment(mc.Micrograph(made.image), "grain-boundaries"))
    labels = np.asarray(result.labels)
    hues = np.random.default_rng(5).uniform(60, 250, (int(labels.max()) + 1, 3))
    hues[0] = 20
    coloured = (0.65 * hues[labels] + 0.35 * _rgb(made.image)).astype(np.uint8)
    return [("a synthetic polycrystal", _rgb(made.image)), ("its grains, without any annotation", coloured)]


def _rgb(grey: NDArray[Any]) -> Picture:
    return np.repeat(np.asarray(grey, np.uint8)[..., None], 3, axis=-1)


def _colour(text: str) -> tuple[int, int, int]:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def _scale_bar(picture: Picture, nanometres_per_pixel: float, length: float) -> None:
    """Draw a white bar of so many nanometres, with its length, into a corner."""
    pixels = round(length / nanometres_per_pixel)
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    right, bottom = SIDE - 16, SIDE - 16
    draw.rectangle((right - pixels - 10, bottom - 36, right + 8, bottom + 8), "#000000")
    draw.rectangle((right - pixels, bottom - 6, right, bottom), "#ffffff")
    draw.text((right - pixels, bottom - 32), f"{length:g} nm", "#ffffff", font=ImageFont.load_default(18))
    picture[:] = np.asarray(image)


if __name__ == "__main__":
    main()
