"""Reports as PDF."""

from __future__ import annotations

import re
import zlib
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fpdf")

from napari_microcnn.io import pdf
from napari_microcnn.io.errors import WriteError
from napari_microcnn.io.pdf import sample_pdf
from napari_microcnn.micrograph import Calibration, Micrograph

RECORD: dict[str, Any] = {
    "software": "napari-microcnn",
    "versions": {"napari-microcnn": "0.1.0"},
    "input": {"file": "steel.tif", "sha256": "ab" * 32},
    "model": {"name": "phases", "classes": [{"id": 1, "name": "ferrite", "colour": "#ff0000"}]},
    "results": {"mean_intercept_um": 12.5, "mean_intercept_um_low": 11.0, "mean_intercept_um_high": 14.0},
    "warnings": ["Fewer than 50 grains."],
    "domain_gap": {"light": "red", "sentence": "Do not trust it – look."},
}


def texts(document: bytes) -> str:
    """Return what stands on the pages, and what is attached."""
    found = [document]
    for start in re.finditer(rb"stream\r?\n", document):
        try:
            found.append(zlib.decompressobj().decompress(document[start.end() :]))
        except zlib.error:
            continue
    return b"\n".join(found).decode("latin-1").replace("\\(", "(").replace("\\)", ")")


def made(**parts: Any) -> str:
    pixels = np.tile(np.linspace(0, 1000, 80, dtype=np.float32), (40, 1))
    micrograph = Micrograph(pixels, "YX", Calibration((0.5, 0.5), "µm", "test"), parts.pop("name", "steel"))
    document = sample_pdf(micrograph, RECORD, **parts)
    assert document.startswith(b"%PDF")
    return texts(document)


def test_it_tells_what_the_page_tells() -> None:
    text = made(table={"area_um2": [1.0, 2.0, 5.0]})
    for told in (
        "steel",
        "mean intercept",
        "12.5",
        "µm",
        "11 to 14",
        "Fewer than 50 grains.",
        "Do not trust it - look.",
    ):
        assert f"({told})" in text or told in text, told
    assert "area / µm²" in text
    assert "3 objects; mean 2.667" in text
    assert '"sha256": "' + "ab" * 32 in text  # the attached record


def test_letters_that_pdf_readers_lack_do_no_harm() -> None:
    assert "(??)" in made(name="鋼鉄")


def test_greek_cyrillic_and_signs_are_spelt_out() -> None:
    assert "(alpha-Fe, sigma >= 3 µm, H2O)" in made(name="α-Fe, σ ≥ 3 \u03bcm, H₂O")
    assert "(Obrazets Yolka, Lódz)" in made(name="Образец Ёлка, Łódź")


def test_without_the_extra_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "find_spec", lambda name: None)
    with pytest.raises(WriteError, match=r"napari-microcnn\[pdf\]"):
        made()
