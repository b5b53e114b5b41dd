from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from napari_microcnn.io.page import sample_page
from napari_microcnn.io.page_parts import spoken
from napari_microcnn.micrograph import Calibration, Micrograph

RECORD = {
    "software": "napari-microcnn",
    "versions": {"napari-microcnn": "0.1.0"},
    "time": "2026-01-02T03:04:05+00:00",
    "input": {"file": "steel.tif", "sha256": "ab" * 32},
    "model": {
        "name": "two <phases>",
        "sha256": "cd" * 32,
        "classes": [
            {"id": 1, "name": "ferrite", "colour": "#ff0000"},
            {"id": 2, "name": "pearlite", "colour": "#0000ff"},
        ],
    },
    "results": {"mean_intercept_µm": 12.5, "mean_intercept_µm_low": 11.0, "mean_intercept_µm_high": 14.0, "objects": 2},
    "warnings": ["Fewer than 50 grains in a field."],
    "domain_gap": {"light": "red", "sentence": "The model only finds 40% again."},
    "command": "napari-microcnn segment steel.tif",
}


class Tags(HTMLParser):
    """Every opened tag must be closed, and nothing may be fetched."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert not {"href", "srcset"} & set(given)
        assert (given.get("src") or "data:").startswith("data:")
        if tag not in ("meta", "img", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("meta", "img", "rect"):
            assert self.open.pop() == tag


def pictures(page: str) -> list[np.ndarray]:
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(one)))) for one in found]


def page(calibration: Calibration | None = None, **parts: object) -> str:
    pixels = np.tile(np.linspace(0, 1000, 80, dtype=np.float32), (40, 1))
    return sample_page(Micrograph(pixels, "YX", calibration, "steel & co"), RECORD, **parts)  # type: ignore[arg-type]


def test_a_page_needs_no_other_file_and_is_well_formed() -> None:
    table = {"label": [1, 2, 3], "area_µm2": [1.0, 2.0, 5.0], "circularity": [0.5, np.nan, 0.9]}
    assert Tags(text := page(table=table)).open == []
    assert "steel &amp; co" in text
    assert "two &lt;phases&gt;" in text
    assert text.count("<svg") == 2


def test_numbers_have_units_and_intervals() -> None:
    text = page()
    assert '<td>mean intercept</td><td class="n">12.5</td><td>µm</td><td>11 to 14</td>' in text
    assert "mean intercept µm low" not in text
    assert "Fewer than 50 grains" in text
    assert "The model only finds 40% again." in text
    assert "#b71c1c" in text


def test_the_overlay_shows_classes_and_objects() -> None:
    classes, labels = np.ones((40, 80), np.uint8), np.zeros((40, 80), np.int32)
    classes[:, 40:] = 2
    labels[10:20, 10:20] = 1
    plain, over = pictures(page(classes=classes, labels=labels))
    assert plain.shape == over.shape == (40, 80, 3)
    assert (plain[..., 0] == plain[..., 2]).all()
    assert over[30, 20, 0] > over[30, 20, 2]
    assert over[30, 60, 0] < over[30, 60, 2]
    np.testing.assert_array_equal(over[19, 12], (255, 220, 0))


def test_the_scale_bar_is_as_long_as_it_says() -> None:
    text = page(Calibration((0.5, 0.25), "µm", "test"))
    found = re.search(r'class="bar" style="width:([\d.]+)%"></div>([\d.]+) µm', text)
    assert found is not None
    assert float(found[1]) / 100 * 80 * 0.25 == pytest.approx(float(found[2]), rel=1e-3)
    assert "not calibrated" in page()


def test_large_images_become_small_and_constant_ones_are_shown() -> None:
    large = Micrograph(np.zeros((100, 3000), np.uint16), name="wide")
    assert pictures(sample_page(large, {}))[0].shape == (34, 1000, 3)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("D10_by_area_nm", ("D10 by area", "nm")),
        ("grains_per_px2", ("grains", "1/px²")),
        ("mean_intercept_um", ("mean intercept", "µm")),
        ("boundary_length_per_area_1/um", ("boundary length per area", "1/µm")),
        ("um", ("um", "")),
        ("surface_per_volume_1/µm", ("surface per volume", "1/µm")),
        ("relative_accuracy_intercept_percent", ("relative accuracy intercept", "%")),
        ("area_fraction_ferrite", ("area fraction ferrite", "")),
    ],
)
def test_names_as_people_write_them(name: str, expected: tuple[str, str]) -> None:
    assert spoken(name) == expected
