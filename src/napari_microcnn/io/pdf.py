"""A report of one sample as PDF, with all that its HTML page tells. Needs fpdf2, the extra ``pdf``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from unicodedata import combining, normalize

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_microcnn.io.errors import WriteError
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

if TYPE_CHECKING:
    from fpdf import FPDF

_MARGIN, _WIDTH, _GAP = 15.0, 180.0, 6.0
"""Of an A4 page, in mm."""
_HALF = (_WIDTH - _GAP) / 2
_TALLEST = 110.0
_BINS, _CHART = 24, 28.0
_GREEK = [
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu",
    "xi", "omicron", "pi", "rho", "sigma", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
]  # fmt: skip
_CYRILLIC = [
    "a", "b", "v", "g", "d", "e", "zh", "z", "i", "y", "k", "l", "m", "n", "o", "p", "r", "s", "t", "u", "f", "kh",
    "ts", "ch", "sh", "shch", '"', "y", "'", "e", "yu", "ya",
]  # fmt: skip
_SPELT = (
    {ord("\u0391") + index: name.capitalize() for index, name in enumerate(_GREEK)}
    | {ord("\u03b1") + index: name for index, name in enumerate(_GREEK)}
    | {ord("\u0410") + index: name.capitalize() for index, name in enumerate(_CYRILLIC)}
    | {ord("\u0430") + index: name for index, name in enumerate(_CYRILLIC)}
    | str.maketrans({"\u0401": "Yo", "\u0451": "yo", "\u03bc": "µ"})
    | str.maketrans({"–": "-", "—": "-", "\u2212": "-", "\u2018": "'", "\u2019": "'", "…": "..."})
    | str.maketrans({"≥": ">=", "≤": "<=", "≈": "~", "→": "->", "∞": "inf", "√": "sqrt", "Ł": "L", "ł": "l"})
)
"""Letters and signs that are not in Latin-1, as they are spelt in it; the alphabets lie in order in Unicode."""


def check_pdf() -> None:
    """Make sure, before any work is done, that PDF can be written here.

    Raises
    ------
    WriteError
        If not; one sentence.
    """
    if find_spec("fpdf") is None:
        raise WriteError("A report as PDF needs an extra: pip install 'napari-microcnn[pdf]'.")


def sample_pdf(
    micrograph: Micrograph,
    record: Mapping[str, Any],
    *,
    classes: NDArray[Any] | None = None,
    labels: NDArray[Any] | None = None,
    table: Mapping[str, Sequence[Any] | NDArray[Any]] | None = None,
) -> bytes:
    """Return a report as PDF: image with overlay, numbers, distributions, model card, verdict, provenance.

    Parameters
    ----------
    micrograph, record, classes, labels, table
        As for `napari_microcnn.io.page.sample_page`.

    Returns
    -------
    bytes
        The whole record is attached to the document as ``record.json``.

    Raises
    ------
    WriteError
        If fpdf2 is not installed.
    """
    check_pdf()
    from fpdf import FPDF

    record = plain(record)
    paper = FPDF(format="A4")
    paper.set_margins(_MARGIN, _MARGIN, _MARGIN)
    paper.set_auto_page_break(True, _MARGIN)
    paper.set_title(_latin(micrograph.name))
    paper.add_page()
    _text(paper, micrograph.name, 16, "B")
    version = record.get("versions", {}).get("napari-microcnn", "")
    _text(paper, f"napari-microcnn {version}, {record.get('time', '')}", 8, grey=True)
    paper.ln(2)
    _pictures(paper, pictures_of(micrograph, record, classes, labels))
    _verdict(paper, record.get("domain_gap"))
    _numbers(paper, record.get("results") or {}, record.get("warnings") or ())
    _charts(paper, table or {})
    if record.get("model"):
        _rows(paper, "Model", model_card(record["model"]))
    _rows(paper, "Provenance", origin(record))
    everything = json.dumps(record, indent=2, ensure_ascii=False).encode()
    paper.embed_file(bytes=everything, basename="record.json", desc="How it was made, and all numbers")
    return bytes(paper.output())


def _latin(text: object) -> str:
    """Return text in the letters that every PDF reader has; unknown ones become question marks."""
    spelt = str(text).translate(_SPELT)
    return "".join(letter if letter <= "\xff" else _without_accents(letter) for letter in spelt)


def _without_accents(letter: str) -> str:
    """Return a letter without its accents, or a raised or lowered digit as a plain one."""
    parts = normalize("NFKD", letter).translate(_SPELT)
    kept = "".join(part for part in parts if not combining(part))
    return kept.encode("latin-1", "replace").decode("latin-1")


def _text(paper: FPDF, text: object, size: float, style: str = "", *, grey: bool = False, width: float = 0) -> None:
    paper.set_font("Helvetica", style, size)
    paper.set_text_color(110 if grey else 30)
    paper.multi_cell(width, size * 0.45, _latin(text), align="L", new_x="LMARGIN", new_y="NEXT")


def _heading(paper: FPDF, text: str) -> None:
    paper.ln(3)
    if paper.will_page_break(20):  # a heading stands above something
        paper.add_page()
    _text(paper, text, 11, "B")
    paper.set_draw_color(190)
    paper.line(_MARGIN, paper.get_y() + 0.6, _MARGIN + _WIDTH, paper.get_y() + 0.6)
    paper.ln(2)


def _pictures(paper: FPDF, drawn: Pictures) -> None:
    height, width = drawn.shown.shape[:2]
    wide = min(_HALF, _TALLEST * width / height)
    top, tall = paper.get_y(), wide * height / width
    for place, picture in enumerate((drawn.shown, drawn.over)):
        paper.image(Image.fromarray(picture), x=_MARGIN + place * (_HALF + _GAP), y=top, w=wide, h=tall)
    paper.set_y(top + tall + 1)
    if drawn.bar is not None:
        paper.set_fill_color(30)
        paper.rect(_MARGIN, paper.get_y() + 0.6, drawn.bar[0] * wide, 1.2, "F")
        paper.set_y(paper.get_y() + 2.6)
        _text(paper, drawn.bar[1], 8)
    below = paper.get_y()
    _text(paper, drawn.caption, 8, grey=True, width=_HALF)
    end = paper.get_y()
    paper.set_xy(_MARGIN + _HALF + _GAP, top + tall + 2)
    paper.set_font("Helvetica", "", 8)
    for colour, name in drawn.legend:
        paper.set_fill_color(*_rgb(colour))
        paper.rect(paper.get_x(), paper.get_y() + 0.4, 2.6, 2.6, "F")
        paper.set_x(paper.get_x() + 3)
        paper.cell(None, 3.6, _latin(name))
        paper.set_x(paper.get_x() + 3)
    paper.set_xy(_MARGIN, max(below, end))


def _verdict(paper: FPDF, gap: Mapping[str, Any] | None) -> None:
    if not gap:
        return
    _heading(paper, "Does the model know such images?")
    top = paper.get_y()
    paper.set_x(_MARGIN + 4)
    paper.set_font("Helvetica", "", 9)
    sentence = gap.get("sentence") or gap.get("reason", "")
    paper.multi_cell(_WIDTH - 4, 4.2, _latin(sentence), align="L", new_x="LMARGIN", new_y="NEXT")
    paper.set_fill_color(*_rgb(LIGHTS.get(gap.get("light", ""), "#666666")))
    paper.rect(_MARGIN, top, 1.6, paper.get_y() - top, "F")


def _numbers(paper: FPDF, results: Mapping[str, Any], warnings: Sequence[str]) -> None:
    if not results:
        return
    _heading(paper, "Numbers")
    rows = [("", "value", "unit", "95 % interval"), *number_rows(results)]
    _table(paper, rows, (86, 28, 22, 44), ("LEFT", "RIGHT", "LEFT", "LEFT"), headings=True)
    paper.ln(1)
    for warning in warnings:
        _text(paper, f"- {warning}", 9)


def _charts(paper: FPDF, table: Mapping[str, Sequence[Any] | NDArray[Any]]) -> None:
    drawn = distributions(table)
    if not drawn:
        return
    _heading(paper, "Distributions")
    for place, (title, values) in enumerate(drawn):
        if place % 2 == 0 and paper.will_page_break(_CHART + 10):
            paper.add_page()
        _histogram(paper, values, title, _MARGIN + place % 2 * (_HALF + _GAP), paper.get_y())
        if place % 2 or place == len(drawn) - 1:
            paper.set_y(paper.get_y() + _CHART + 10)


def _histogram(paper: FPDF, values: NDArray[np.float64], title: str, left: float, top: float) -> None:
    counts, edges = np.histogram(values, _BINS)
    paper.set_fill_color(86, 180, 233)
    step = _HALF / _BINS
    for place, height in enumerate(_CHART * counts / counts.max()):
        paper.rect(left + place * step, top + _CHART - height, 0.92 * step, height, "F")
    paper.set_font("Helvetica", "", 7.5)
    for text, align in ((f"{edges[0]:.3g}", "L"), (title, "C"), (f"{edges[-1]:.3g}", "R")):
        paper.set_xy(left, top + _CHART + 0.5)
        paper.cell(_HALF, 3.4, _latin(text), align=align)
    paper.set_xy(left, top + _CHART + 4)
    paper.set_text_color(110)
    paper.cell(_HALF, 3.4, described(values, int(counts.max())))
    paper.set_text_color(30)
    paper.set_xy(_MARGIN, top)


def _rows(paper: FPDF, title: str, told: Mapping[str, Any]) -> None:
    _heading(paper, title)
    _table(paper, [(key, str(value)) for key, value in told.items() if value], (38, 142), ("LEFT", "LEFT"))


def _table(
    paper: FPDF,
    rows: Sequence[Sequence[str]],
    widths: tuple[float, ...],
    align: tuple[str, ...],
    *,
    headings: bool = False,
) -> None:
    paper.set_font("Helvetica", "", 8)
    paper.set_text_color(30)
    paper.set_fill_color(255)  # cells take what the last rectangle was filled with
    with paper.table(
        col_widths=widths, text_align=align, borders_layout="NONE", first_row_as_headings=headings, line_height=4.0
    ) as table:
        for row in rows:
            table.row([_latin(cell) for cell in row])


def _rgb(colour: str) -> tuple[int, int, int]:
    """Return the three parts of a colour such as ``"#56b4e9"``."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return red, green, blue
