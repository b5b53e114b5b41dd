"""What a report of one sample tells, whatever it is written as."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.micrograph import METRES, Micrograph, Pixels

LIGHTS = {"green": "#2e7d32", "amber": "#b26a00", "red": "#b71c1c"}
"""Colours of the model's verdict on an image."""

_UNITS = {unit: unit for unit in (*METRES, "px")} | {
    "um": "µm",
    "angstrom": "Å",
    "percent": "%",
    "degrees": "°",
    "deg": "°",
}
"""Ends of names, and how they are written."""
_LONGEST_SIDE = 1200
_TINT = 0.35
_SHOWN = 4
_DISTRIBUTED = ("equivalent_circular_diameter", "area", "aspect_ratio", "circularity", "eccentricity", "solidity")


@dataclass(frozen=True, eq=False)
class Pictures:
    """The micrograph, alone and with the result over it.

    Attributes
    ----------
    shown, over : numpy.ndarray uint8, (Y, X, 3)
        Not larger than a page needs.
    caption : str
        Size of the field, and where the pixel size comes from.
    legend : tuple of tuple of str
        Colour and name of every class.
    bar : tuple or None
        Length of the scale bar as a share of the width, and what it stands for; None without calibration.
    """

    shown: NDArray[np.uint8]
    over: NDArray[np.uint8]
    caption: str
    legend: tuple[tuple[str, str], ...]
    bar: tuple[float, str] | None


def pictures_of(
    micrograph: Micrograph, record: Mapping[str, Any], classes: NDArray[Any] | None, labels: NDArray[Any] | None
) -> Pictures:
    """Draw the middle plane of a micrograph; see `napari_microcnn.io.page.sample_page`."""
    planes = list(micrograph.planes())
    index, plane = planes[len(planes) // 2]
    step = max(1, math.ceil(max(plane.shape[:2]) / _LONGEST_SIDE))
    shown = _shown(np.asarray(plane[::step, ::step]))
    over = shown
    known = (record.get("model") or {}).get("classes", [])
    if classes is not None:
        over = _tinted(over, classes[index][::step, ::step], {one["id"]: one["colour"] for one in known})
    if labels is not None:
        over = _outlined(over, labels[index][::step, ::step])
    height, width = plane.shape[:2]
    field = f"{width} x {height} px"
    size, bar = micrograph.calibration, None
    if size is None:
        field += ", not calibrated: lengths are in pixels"
    else:
        y, x = size.pixel_size
        field += f" = {width * x:.4g} x {height * y:.4g} {size.unit}; a pixel is {x:.4g} {size.unit} ({size.source})"
        long = _round_length(width * x / 4)
        bar = long / (width * x), f"{long:g} {size.unit}"
    return Pictures(shown, over, field, tuple((one["colour"], one["name"]) for one in known), bar)


def _round_length(longest: float) -> float:
    """Return the largest 1, 2 or 5 times a power of ten that is not longer."""
    power = 10.0 ** math.floor(math.log10(longest))
    return power * max(digit for digit in (1, 2, 5) if digit * power <= longest * (1 + 1e-9))


def _shown(plane: Pixels) -> NDArray[np.uint8]:
    """Return a plane as (Y, X, 3) uint8, its darkest and brightest half percent cut off."""
    values = np.nan_to_num(np.asarray(plane, np.float32))
    if values.ndim == 3 and values.shape[2] != 3:
        values = values.mean(axis=2)
    low, high = np.percentile(values, (0.5, 99.5))
    grey = (255 * np.clip((values - low) / max(float(high - low), 1e-12), 0, 1)).astype(np.uint8)
    return grey if grey.ndim == 3 else np.repeat(grey[..., None], 3, axis=2)


def _tinted(picture: NDArray[np.uint8], classes: NDArray[Any], colours: Mapping[int, str]) -> NDArray[np.uint8]:
    result = picture.astype(np.float32)
    for number, colour in colours.items():
        rgb = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)], np.float32)
        where = classes == number
        result[where] = (1 - _TINT) * result[where] + _TINT * rgb
    return result.round().astype(np.uint8)


def _outlined(picture: NDArray[np.uint8], labels: NDArray[Any]) -> NDArray[np.uint8]:
    edge = np.zeros(labels.shape, bool)
    edge[:-1] |= labels[:-1] != labels[1:]
    edge[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    result = picture.copy()
    result[edge] = (255, 220, 0)
    return result


def spoken(name: str) -> tuple[str, str]:
    """Return the name of a number as people write it, and its unit.

    Examples
    --------
    >>> spoken("mean_intercept_um")
    ('mean intercept', 'µm')
    >>> spoken("grains_per_um2")
    ('grains', '1/µm²')
    >>> spoken("objects")
    ('objects', '')
    """
    words, _, last = name.rpartition("_")
    per, power = last.startswith("1/"), "²" if last.endswith("2") else ""
    length = last.removeprefix("1/").rstrip("2")
    unit = _UNITS.get(length)
    if not words or unit is None:
        return name.replace("_", " "), ""
    if words.endswith("_per"):
        words, per = words.removesuffix("_per"), True
    return words.replace("_", " "), f"{'1/' if per else ''}{unit}{power}"


def number_rows(results: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Yield what a number is called, its value, its unit, and the ends of its 95 % interval."""
    ends = {f"{name}{end}" for name in results for end in ("_low", "_high")}
    for name, value in results.items():
        if name in ends or value is None:
            continue
        low, high = results.get(f"{name}_low"), results.get(f"{name}_high")
        words, unit = spoken(name)
        number = f"{value:.4g}" if isinstance(value, float) else str(value)
        yield words, number, unit, f"{low:.4g} to {high:.4g}" if low is not None and high is not None else ""


def distributions(table: Mapping[str, Sequence[Any] | NDArray[Any]]) -> list[tuple[str, NDArray[np.float64]]]:
    """Return title and values of the properties that a report shows as histograms."""
    found = []
    for wanted in _DISTRIBUTED:
        for name in table:
            words, unit = spoken(name)
            if words != wanted.replace("_", " "):
                continue
            values = np.asarray(table[name], float)
            values = values[np.isfinite(values)]
            if len(values) > 1 and np.ptp(values) > 0:
                found.append((f"{words} / {unit}" if unit else words, values))
    return found[:_SHOWN]


def described(values: NDArray[np.float64], highest: int) -> str:
    """Return what stands below a histogram; `highest` is how many its highest bar has."""
    return f"{len(values)} objects; mean {values.mean():.4g}, median {np.median(values):.4g}; up to {highest} a bar"


def model_card(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a model is, by the words for it."""
    taught = model.get("provenance") or {}
    return {
        "name": model.get("name"),
        "classes": ", ".join(f"{one['id']} = {one['name']}" for one in model.get("classes", ())),
        "architecture": (model.get("architecture") or {}).get("name"),
        "parameters": model.get("parameters"),
        "SHA-256 of the weights": model.get("sha256"),
        **{key: taught[key] for key in ("description", "data", "licence", "license", "time") if taught.get(key)},
    }


def origin(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a result was made, by the words for it."""
    made = record.get("input") or {}
    return {
        "file": made.get("file") or made.get("name"),
        "SHA-256": made.get("sha256") or made.get("pixels_sha256"),
        "time": record.get("time"),
        "computed": ", ".join(f"{key} {value}" for key, value in (record.get("computed") or {}).items()),
        "versions": ", ".join(f"{key} {value}" for key, value in (record.get("versions") or {}).items()),
        "again by": record.get("command"),
    }
