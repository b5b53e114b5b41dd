"""Pictures of a confusion matrix and of learning curves, for reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Picture = NDArray[np.uint8]
Curve = tuple[Sequence[float], Sequence[float]]

_INK, _PAPER, _GRID, _BLUE = "#222222", "#ffffff", "#dddddd", (31, 90, 160)
_COLOURS = ("#56b4e9", "#e69f00", "#009e73", "#d55e00")
_TEXT, _CELL, _LONGEST = 15, 74, 18


def draw_confusion(counts: NDArray[np.int64], names: Sequence[str]) -> Picture:
    """Draw a confusion matrix: true classes in rows, predicted ones in columns, shares of the row as shades.

    Parameters
    ----------
    counts : numpy.ndarray, (K, K)
    names : sequence of str

    Returns
    -------
    numpy.ndarray, (Y, X, 3) uint8
    """
    short = [name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…" for name in names]
    font = _font(_TEXT)
    margin = 60 + max(int(font.getlength(name)) for name in short)
    side = _CELL * len(names)
    image = Image.new("RGB", (margin + side + 20, margin + side + 20), _PAPER)
    draw = ImageDraw.Draw(image)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    for row, column in np.ndindex(counts.shape):
        x, y, share = margin + column * _CELL, margin + row * _CELL, float(shares[row, column])
        red, green, blue = (round(255 + (value - 255) * share) for value in _BLUE)
        draw.rectangle((x, y, x + _CELL, y + _CELL), fill=(red, green, blue), outline=_GRID)
        ink = _PAPER if share > 0.5 else _INK
        draw.text((x + _CELL / 2, y + _CELL / 2), str(counts[row, column]), ink, font, anchor="mm")
    for index, name in enumerate(short):
        middle = margin + (index + 0.5) * _CELL
        draw.text((margin - 8, middle), name, _INK, font, anchor="rm")
        _upright(image, name, (round(middle), margin - 8), font)
    draw.text((margin + side / 2, 14), "predicted", _INK, font, anchor="mm")
    draw.text((10, margin - 20), "true", _INK, font, anchor="lm")
    return np.asarray(image)


def draw_curves(
    panels: Mapping[str, Mapping[str, Curve]], size: tuple[int, int] = (640, 240), across: str = "epoch"
) -> Picture:
    """Draw curves, one panel below the other.

    Parameters
    ----------
    panels : mapping
        Title of every panel, and in it the name of every curve with its x and y values.
    size : (int, int)
        Width and height of a panel in pixels.
    across : str
        What the horizontal axis shows.

    Returns
    -------
    numpy.ndarray, (Y, X, 3) uint8
    """
    width, height = size
    image = Image.new("RGB", (width, height * len(panels)), _PAPER)
    draw = ImageDraw.Draw(image)
    for index, (title, curves) in enumerate(panels.items()):
        _panel(draw, title, across, curves, (70, index * height + 30, width - 20, (index + 1) * height - 40))
    return np.asarray(image)


def _panel(
    draw: ImageDraw.ImageDraw, title: str, axis: str, curves: Mapping[str, Curve], box: tuple[int, int, int, int]
) -> None:
    left, top, right, bottom = box
    font = _font(13)
    xs = [x for curve in curves.values() for x in curve[0]] or [0.0, 1.0]
    ys = [y for curve in curves.values() for y in curve[1]] or [0.0, 1.0]
    x_low, x_high, y_low, y_high = min(xs), max(xs), min(0.0, *ys), max(*ys, 1e-9)
    for step in range(5):
        y = bottom - (bottom - top) * step / 4
        draw.line((left, y, right, y), fill=_GRID)
        draw.text((left - 6, y), f"{y_low + (y_high - y_low) * step / 4:.3g}", _INK, font, anchor="rm")
    draw.text((left, bottom + 8), f"{x_low:g}", _INK, font, anchor="lt")
    draw.text((right, bottom + 8), f"{x_high:g}", _INK, font, anchor="rt")
    draw.text(((left + right) / 2, bottom + 8), axis, _INK, font, anchor="mt")
    draw.text((left, top - 16), title, _INK, font, anchor="lm")
    place = float(right)
    for colour, (name, (across, up)) in zip(_COLOURS, curves.items(), strict=False):
        points = [
            (
                left + (right - left) * (one - x_low) / max(x_high - x_low, 1e-9),
                bottom - (bottom - top) * (other - y_low) / (y_high - y_low),
            )
            for one, other in zip(across, up, strict=True)
        ]
        draw.line(points, fill=colour, width=2)
        draw.text((place, top - 16), name, colour, font, anchor="rm")
        place -= font.getlength(name) + 16


def _upright(image: Image.Image, text: str, place: tuple[int, int], font: ImageFont.FreeTypeFont) -> None:
    """Write text that reads upwards, its beginning at a place."""
    label = Image.new("RGB", (int(font.getlength(text)) + 4, _TEXT + 8), _PAPER)
    ImageDraw.Draw(label).text((0, (_TEXT + 8) / 2), text, _INK, font, anchor="lm")
    turned = label.rotate(90, expand=True)
    image.paste(turned, (place[0] - turned.width // 2, place[1] - turned.height))


def _font(size: int) -> ImageFont.FreeTypeFont:
    return cast("ImageFont.FreeTypeFont", ImageFont.load_default(size))
