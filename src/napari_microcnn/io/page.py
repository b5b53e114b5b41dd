"""A report of one sample as a single HTML page that needs no other file."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from napari_microcnn.io.page_parts import (
    LIGHTS,
    Pictures,
    described,
    distributions,
    model_card,
    number_rows,
    origin,
    pictures_of,
)
from napari_microcnn.io.write import plain
from napari_microcnn.micrograph import Micrograph

_BINS = 24
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
        _pictures(pictures_of(micrograph, record, classes, labels)),
        _verdict(record.get("domain_gap")),
        _numbers(record.get("results") or {}, record.get("warnings") or ()),
        _distributions(table or {}),
        f"<h2>Model</h2>{_rows(model_card(record['model']))}" if record.get("model") else "",
        _provenance(record),
    ]
    return page_of(micrograph.name, parts)


def page_of(title: str, parts: Sequence[str]) -> str:
    """Return parts of a page as a whole HTML page."""
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>\n' + "\n".join(parts) + "\n</body></html>\n"


def _pictures(drawn: Pictures) -> str:
    legend = " ".join(
        f'<span class="swatch" style="background:{escape(colour)}"></span>{escape(name)}'
        for colour, name in drawn.legend
    )
    bar = ""
    if drawn.bar is not None:
        bar = f'<div class="bar" style="width:{100 * drawn.bar[0]:.3f}%"></div>{escape(drawn.bar[1])}'
    return (
        f'<div class="pair"><figure><img alt="micrograph" src="{_embedded(drawn.shown)}">{bar}'
        f"<figcaption>{escape(drawn.caption)}</figcaption></figure>"
        f'<figure><img alt="result over the micrograph" src="{_embedded(drawn.over)}">'
        f"<figcaption>{legend}</figcaption></figure></div>"
    )


def _embedded(picture: NDArray[np.uint8]) -> str:
    png = bytes(imagecodecs.png_encode(np.ascontiguousarray(picture)))
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def _verdict(gap: Mapping[str, Any] | None) -> str:
    if not gap:
        return ""
    colour, sentence = LIGHTS.get(gap.get("light", ""), "#666"), gap.get("sentence") or gap.get("reason", "")
    return (
        "<h2>Does the model know such images?</h2>"
        f'<p class="verdict" style="border-color:{colour}">{escape(sentence)}</p>'
    )


def _numbers(results: Mapping[str, Any], warnings: Sequence[str]) -> str:
    if not results:
        return ""
    rows = "".join(
        f'<tr><td>{escape(words)}</td><td class="n">{number}</td><td>{escape(unit)}</td><td>{between}</td></tr>'
        for words, number, unit, between in number_rows(results)
    )
    told = "".join(f"<li>{escape(warning)}</li>" for warning in warnings)
    head = "<tr><th></th><th>value</th><th>unit</th><th>95 % interval</th></tr>"
    return f"<h2>Numbers</h2><table>{head}{rows}</table>" + (f"<ul>{told}</ul>" if told else "")


def _distributions(table: Mapping[str, Sequence[Any] | NDArray[Any]]) -> str:
    drawn = "".join(_histogram(values, title) for title, values in distributions(table))
    return f'<h2>Distributions</h2><div class="pair">{drawn}</div>' if drawn else ""


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
    note = described(values, int(counts.max()))
    return f"<figure><svg {style}>{bars}{ends}{middle}</svg><figcaption>{note}</figcaption></figure>"


def _provenance(record: Mapping[str, Any]) -> str:
    everything = escape(json.dumps(record, indent=2, ensure_ascii=False))
    more = f"<details><summary>Everything</summary><pre>{everything}</pre></details>"
    return f"<h2>Provenance</h2>{_rows(origin(record))}{more}"


def _rows(told: Mapping[str, Any]) -> str:
    rows = (f"<tr><td>{escape(key)}</td><td>{escape(str(value))}</td></tr>" for key, value in told.items() if value)
    return f"<table>{''.join(rows)}</table>"
