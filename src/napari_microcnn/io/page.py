"""A report of one sample as a single HTML page that needs no other file."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from napari_microcnn.io.write import plain
from napari_microcnn.micrograph import METRES, Micrograph, Pixels

_LONGEST_SIDE = 1200
_TINT = 0.35
_BINS, _SHOWN = 24, 4
_LIGHTS = {"green": "#2e7d32", "amber": "#b26a00", "red": "#b71c1c"}
_DISTRIBUTED = ("equivalent_circular_diameter", "area", "aspect_ratio", "circularity", "eccentricity", "solidity")
_STYLE = """body{font:15px/1.45 system-ui,sans-serif;color:#222;max-width:1000px;margin:2em auto;padding:0 1em}
h1{font-size:1.6em}h2{font-size:1.15em;border-bottom:1px solid #ccc;margin-top:1.8em}
table{border-collapse:collapse}td,th{padding:.2em .9em .2em 0;text-align:left;vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums}.pair{display:flex;gap:1em;flex-wrap:wrap}
figure{margin:0;flex:1 1 400px}img{width:100%;image-rendering:auto}figcaption,.quiet{color:#666;font-size:.9em}
.bar{height:5px;background:#222;margin-top:4px}.verdict{border-left:6px solid;padding:.3em 1em}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font-size:.8em}.swatch{display:inline-block;width:.9em;height:.9em;
margin-right:.3em;border:1px solid #999}@media print{figure{flex:1 1 45%}h2{break-after:avoid}}"""


def sample_page(
    micrograph: Micrograph,
    record: Mapping[str, Any],
    *,
    classes: NDArray[Any] | None = None,
    labels: NDArray[Any] | None = None,
    table: Mapping[str, Sequence[Any] | NDArray[Any]] | None = None,
) -> str:
    """Return a report as HTML: image with overlay, numbers, distributions, model card, verdict, provenance.

    Parameters
    ----------
    micrograph : Micrograph
        Of a stack, the middle plane is shown.
    record : mapping
        Provenance, with the numbers under ``"results"``, what a standard objects to under ``"warnings"`` and the
        model's verdict on the image under ``"domain_gap"``, as far as they are known.
    classes, labels : numpy.ndarray, (..., Y, X), optional
        Class map and object numbers for the overlay.
    table : mapping, optional
        Measurements of every object, for the distributions.

    Returns
    -------
    str
        Pictures are in it as PNG, so that it can be attached to a record as one file.
    """
    record = plain(record)
    title = escape(micrograph.name)
    parts = [
        f"<h1>{title}</h1>",
        (
            f'<p class="quiet">napari-microcnn {escape(str(record.get("versions", {}).get("napari-microcnn", "")))}, '
            f"{escape(str(record.get('time', '')))}</p>"
        ),
        _pictures(micrograph, record, classes, labels),
        _verdict(record.get("domain_gap")),
        _numbers(record.get("results") or {}, record.get("warnings") or ()),
        _distributions(table or {}),
        _model_card(record.get("model")),
        _provenance(record),
    ]
    return page_of(micrograph.name, parts)


def page_of(title: str, parts: Sequence[str]) -> str:
    """Return parts of a page as a whole HTML page."""
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>\n' + "\n".join(parts) + "\n</body></html>\n"


def spoken(name: str) -> tuple[str, str]:
    """Return the name of a number as people write it, and its unit.

    Examples
    --------
    >>> spoken("mean_intercept_µm")
    ('mean intercept', 'µm')
    >>> spoken("grains_per_µm2")
    ('grains', '1/µm²')
    >>> spoken("objects")
    ('objects', '')
    """
    words, _, last = name.rpartition("_")
    lengths = {*METRES, "px"}
    if words.endswith("_per") and last.rstrip("2") in lengths:
        return words.removesuffix("_per").replace("_", " "), f"1/{last.replace('2', '²')}"
    if words and (last.rstrip("2") in lengths or last.startswith("1/") or last in ("percent", "degrees", "deg")):
        return words.replace("_", " "), {"percent": "%"}.get(last, last.replace("2", "²"))
    return name.replace("_", " "), ""


def _pictures(
    micrograph: Micrograph, record: Mapping[str, Any], classes: NDArray[Any] | None, labels: NDArray[Any] | None
) -> str:
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
    legend = " ".join(
        f'<span class="swatch" style="background:{escape(one["colour"])}"></span>{escape(one["name"])}' for one in known
    )
    height, width = plane.shape[:2]
    field = f"{width} x {height} px"
    size, bar = micrograph.calibration, ""
    if size is None:
        field += ", not calibrated: lengths are in pixels"
    else:
        y, x = size.pixel_size
        field += f" = {width * x:.4g} x {height * y:.4g} {size.unit}; a pixel is {x:.4g} {size.unit} ({size.source})"
        long = _round_length(width * x / 4)
        bar = f'<div class="bar" style="width:{100 * long / (width * x):.3f}%"></div>{long:g} {escape(size.unit)}'
    return (
        f'<div class="pair"><figure><img alt="micrograph" src="{_embedded(shown)}">{bar}'
        f"<figcaption>{escape(field)}</figcaption></figure>"
        f'<figure><img alt="result over the micrograph" src="{_embedded(over)}">'
        f"<figcaption>{legend}</figcaption></figure></div>"
    )


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


def _embedded(picture: NDArray[np.uint8]) -> str:
    png = bytes(imagecodecs.png_encode(np.ascontiguousarray(picture)))
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def _verdict(gap: Mapping[str, Any] | None) -> str:
    if not gap:
        return ""
    colour, sentence = _LIGHTS.get(gap.get("light", ""), "#666"), gap.get("sentence") or gap.get("reason", "")
    return (
        "<h2>Does the model know such images?</h2>"
        f'<p class="verdict" style="border-color:{colour}">{escape(sentence)}</p>'
    )


def _numbers(results: Mapping[str, Any], warnings: Sequence[str]) -> str:
    if not results:
        return ""
    ends = {f"{name}{end}" for name in results for end in ("_low", "_high")}
    rows = []
    for name, value in results.items():
        if name in ends or value is None:
            continue
        low, high = results.get(f"{name}_low"), results.get(f"{name}_high")
        between = f"{low:.4g} to {high:.4g}" if low is not None and high is not None else ""
        words, unit = spoken(name)
        number = f"{value:.4g}" if isinstance(value, float) else str(value)
        rows.append(
            f'<tr><td>{escape(words)}</td><td class="n">{number}</td><td>{escape(unit)}</td><td>{between}</td></tr>'
        )
    told = "".join(f"<li>{escape(warning)}</li>" for warning in warnings)
    head = "<tr><th></th><th>value</th><th>unit</th><th>95 % interval</th></tr>"
    return f"<h2>Numbers</h2><table>{head}{''.join(rows)}</table>" + (f"<ul>{told}</ul>" if told else "")


def _distributions(table: Mapping[str, Sequence[Any] | NDArray[Any]]) -> str:
    drawn = list(_histograms(table))[:_SHOWN]
    return f'<h2>Distributions</h2><div class="pair">{"".join(drawn)}</div>' if drawn else ""


def _histograms(table: Mapping[str, Sequence[Any] | NDArray[Any]]) -> Iterator[str]:
    for wanted in _DISTRIBUTED:
        for name in table:
            words, unit = spoken(name)
            if words != wanted.replace("_", " "):
                continue
            values = np.asarray(table[name], float)
            values = values[np.isfinite(values)]
            if len(values) > 1 and np.ptp(values) > 0:
                yield _histogram(values, f"{words} / {unit}" if unit else words)


def _histogram(values: NDArray[np.float64], title: str) -> str:
    counts, edges = np.histogram(values, _BINS)
    heights = 120 * counts / counts.max()
    bars = "".join(
        f'<rect x="{20 + 15 * place}" y="{130 - height:.1f}" width="14" height="{height:.1f}" fill="#56b4e9"/>'
        for place, height in enumerate(heights)
    )
    ends = f'<text x="20" y="146">{edges[0]:.3g}</text><text x="380" y="146" text-anchor="end">{edges[-1]:.3g}</text>'
    middle = f'<text x="200" y="146" text-anchor="middle">{escape(title)}</text>'
    style = 'style="font:12px sans-serif" viewBox="0 0 400 152" width="400"'
    note = (
        f"{len(values)} objects; mean {values.mean():.4g}, median {np.median(values):.4g}; up to {counts.max()} a bar"
    )
    return f"<figure><svg {style}>{bars}{ends}{middle}</svg><figcaption>{note}</figcaption></figure>"


def _model_card(model: Mapping[str, Any] | None) -> str:
    if not model:
        return ""
    taught = model.get("provenance") or {}
    told = {
        "name": model.get("name"),
        "classes": ", ".join(f"{one['id']} = {one['name']}" for one in model.get("classes", ())),
        "architecture": (model.get("architecture") or {}).get("name"),
        "parameters": model.get("parameters"),
        "SHA-256 of the weights": model.get("sha256"),
        **{key: taught[key] for key in ("description", "data", "licence", "license", "time") if taught.get(key)},
    }
    return f"<h2>Model</h2>{_rows(told)}"


def _provenance(record: Mapping[str, Any]) -> str:
    made = record.get("input") or {}
    told = {
        "file": made.get("file") or made.get("name"),
        "SHA-256": made.get("sha256") or made.get("pixels_sha256"),
        "time": record.get("time"),
        "computed": ", ".join(f"{key} {value}" for key, value in (record.get("computed") or {}).items()),
        "versions": ", ".join(f"{key} {value}" for key, value in (record.get("versions") or {}).items()),
        "again by": record.get("command"),
    }
    everything = escape(json.dumps(record, indent=2, ensure_ascii=False))
    return f"<h2>Provenance</h2>{_rows(told)}<details><summary>Everything</summary><pre>{everything}</pre></details>"


def _rows(told: Mapping[str, Any]) -> str:
    rows = (f"<tr><td>{escape(key)}</td><td>{escape(str(value))}</td></tr>" for key, value in told.items() if value)
    return f"<table>{''.join(rows)}</table>"
