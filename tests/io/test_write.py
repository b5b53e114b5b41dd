"""What is written is read back by others: tifffile, Pillow, and parsers of XML, CSV and JSON."""

from __future__ import annotations

import csv
import json
import threading
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from napari_microcnn.io import write
from napari_microcnn.io.read import read_labels, read_micrograph
from napari_microcnn.io.write import WriteError, write_image, write_json, write_table
from napari_microcnn.micrograph import METRES, Calibration

RNG = np.random.default_rng(0)
MASK = RNG.integers(0, 3, (48, 64), dtype=np.uint8)
NM = Calibration((0.5429688, 0.5429688), "nm", "test")
NAMESPACE = {"ome": "http://www.openmicroscopy.org/Schemas/OME/2016-06"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mask.tif"


def ome_pixels(path: Path) -> dict[str, str]:
    with Image.open(path) as picture:
        # Pillow takes the text for Latin-1; OME-XML is UTF-8.
        text = picture.tag_v2[270].encode("latin-1").decode()  # type: ignore[attr-defined]
    node = ET.fromstring(text).find("ome:Image/ome:Pixels", NAMESPACE)
    assert node is not None
    return node.attrib


def test_ome_tiff_carries_the_pixel_size_twice(path: Path) -> None:
    write_image(path, MASK, calibration=Calibration((0.5, 0.25), "µm", "test"), name="etched")
    described = ome_pixels(path)
    assert (described["PhysicalSizeX"], described["PhysicalSizeXUnit"]) == ("0.25", "µm")
    assert (described["PhysicalSizeY"], described["PhysicalSizeYUnit"]) == ("0.5", "µm")
    assert (described["SizeX"], described["SizeY"], described["Type"]) == ("64", "48", "uint8")
    with Image.open(path) as picture:
        np.testing.assert_array_equal(np.asarray(picture), MASK)
        tags = picture.tag_v2  # type: ignore[attr-defined]
        # ImageJ without Bio-Formats: pixels per centimetre (unit 3).
        assert tags[296] == 3
        assert 1e4 / float(tags[282]) == pytest.approx(0.25)
        assert 1e4 / float(tags[283]) == pytest.approx(0.5)
        # It opens no tiles, and of compressions deflate.
        assert 322 not in tags
        assert tags[259] == 8


@pytest.mark.parametrize("unit", [unit for unit in METRES if unit != "inch"])
def test_every_unit_survives(path: Path, unit: str) -> None:
    write_image(path, MASK, calibration=Calibration((3.5, 3.5), unit, "test"))
    found = read_micrograph(path).calibration
    assert found is not None
    assert found.to(unit).pixel_size == pytest.approx((3.5, 3.5))


def test_the_sample_keeps_its_pixel_size(path: Path) -> None:
    write_image(path, MASK, calibration=NM)
    found = read_micrograph(path).calibration
    assert found is not None
    assert found.pixel_size == NM.pixel_size
    assert found.unit == "nm"


def test_plain_tiff_has_a_resolution_and_no_description(path: Path) -> None:
    write_image(path, MASK, calibration=NM, format="tiff")
    with tifffile.TiffFile(path) as tif:
        assert not tif.is_ome
        assert "ImageDescription" not in tif.pages.first.tags
    found = read_micrograph(path).calibration
    assert found is not None
    assert found.to("nm").pixel_size == pytest.approx(NM.pixel_size, rel=1e-6)


def test_pixels_too_small_for_a_resolution_tag(path: Path) -> None:
    write_image(path, MASK, calibration=Calibration((1.0, 1.0), "pm", "test"))
    assert ome_pixels(path)["PhysicalSizeX"] == "1.0"
    with tifffile.TiffFile(path) as tif:
        assert tif.pages.first.tags["XResolution"].value == (1, 1)


def test_without_calibration_nothing_is_claimed(path: Path) -> None:
    write_image(path, MASK)
    assert "PhysicalSizeX" not in ome_pixels(path)
    assert read_micrograph(path).calibration is None


@pytest.mark.parametrize(
    ("dtype", "stored"),
    [
        ("?", "u1"), ("u1", "u1"), ("u2", "u2"), ("i4", "i4"), ("u4", "u4"), ("i8", "i4"), ("u8", "u4"),
        ("f2", "f4"), ("f4", "f4"), ("f8", "f8"), (">u2", "u2"),
    ],
)  # fmt: skip
def test_number_types(path: Path, dtype: str, stored: str) -> None:
    write_image(path, MASK.astype(dtype))
    read = tifffile.imread(path)
    assert read.dtype == np.dtype(stored)
    np.testing.assert_array_equal(read, MASK.astype(dtype))


def test_numbers_that_do_not_fit(path: Path) -> None:
    with pytest.raises(WriteError, match="do not fit the int32"):
        write_image(path, MASK.astype(np.int64) + 2**40)
    assert not path.exists()


@pytest.mark.parametrize(
    ("shape", "axes", "stored"),
    [
        ((3, 48, 64), "ZYX", "ZYX"),
        ((3, 48, 64), "TYX", "TYX"),
        ((2, 3, 48, 64), "TZYX", "TZYX"),
        ((3, 48, 64), "CYX", "CYX"),
        ((2, 3, 48, 64), "ZCYX", "ZCYX"),
        ((48, 64, 3), "YXC", "YXS"),
        ((48, 64, 5), "YXC", "CYX"),
        ((2, 48, 64, 3), "TYXC", "TYXS"),
        ((1, 1), "YX", "YX"),
        ((1, 500), "YX", "YX"),
    ],
)
@pytest.mark.parametrize("form", ["ome-tiff", "tiff"])
def test_axes(path: Path, shape: tuple[int, ...], axes: str, stored: str, form: Any) -> None:
    pixels = RNG.integers(0, 256, shape, dtype=np.uint8)
    write_image(path, pixels, axes, NM, format=form)
    read = tifffile.imread(path)
    expected = np.moveaxis(pixels, -1, -3) if stored == "CYX" and axes == "YXC" else pixels
    # Plain TIFF knows pages but not which are depths and which are times.
    np.testing.assert_array_equal(read.reshape(expected.shape), expected)
    if form == "ome-tiff":
        with tifffile.TiffFile(path) as tif:
            assert tif.series[0].axes == stored
        again = read_micrograph(path)
        assert again.calibration is not None
        assert again.axes == {"CYX": "YXC", "ZCYX": "ZYXC"}.get(axes, axes)


def test_channel_names(path: Path) -> None:
    write_image(path, np.zeros((2, 8, 8), np.float32), "CYX", channel_names=["pore", "ligament"])
    with tifffile.TiffFile(path) as tif:
        root = ET.fromstring(tif.ome_metadata or "")
    assert [node.get("Name") for node in root.iterfind(".//ome:Channel", NAMESPACE)] == ["pore", "ligament"]


@settings(max_examples=30, deadline=None)
@given(
    pixels=hnp.arrays(np.uint16, hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=14)),
    chunk=st.integers(1, 12),
    strip=st.integers(16, 2000),
    lazy=st.booleans(),
)
def test_strips_and_bands_of_any_size(
    tmp_path_factory: pytest.TempPathFactory, pixels: np.ndarray[Any, Any], chunk: int, strip: int, lazy: bool
) -> None:
    path = tmp_path_factory.mktemp("strips") / "stack.tif"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write, "_STRIP_BYTES", strip)
        patch.setattr(write, "_BAND_BYTES", 3 * strip)
        write_image(path, da.from_array(pixels, chunks=chunk) if lazy else pixels, "ZYX")
    np.testing.assert_array_equal(tifffile.imread(path).reshape(pixels.shape), pixels)


def test_a_lazy_image_is_written_band_by_band(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "_STRIP_BYTES", 1 << 10)
    monkeypatch.setattr(write, "_BAND_BYTES", 1 << 12)
    alive, most, lock = [0], [0], threading.Lock()
    converted = write._convert

    def watch(band: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
        with lock:
            alive[0] += 1
            most[0] = max(most[0], band.nbytes)
        return converted(band, dtype)

    monkeypatch.setattr(write, "_convert", watch)
    lazy = da.zeros((512, 256), chunks=(32, 64), dtype=np.uint8) + np.arange(256, dtype=np.uint8)
    write_image(path, lazy)
    assert most[0] <= 32 * 256
    assert alive[0] == 16
    np.testing.assert_array_equal(tifffile.imread(path), np.tile(np.arange(256, dtype=np.uint8), (512, 1)))


def test_large_images_become_bigtiff(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "_CLASSIC_LIMIT", 1000)
    write_image(path, MASK, calibration=NM)
    with tifffile.TiffFile(path) as tif:
        assert tif.is_bigtiff
    np.testing.assert_array_equal(tifffile.imread(path), MASK)


@pytest.mark.parametrize(
    ("pixels", "axes"),
    [
        (MASK, "YX"),
        (MASK.astype(np.int32) + 40_000, "YX"),
        (MASK > 1, "YX"),
        (RNG.integers(0, 256, (9, 9, 3), dtype=np.uint8), "YXC"),
    ],
)
def test_png(tmp_path: Path, pixels: np.ndarray[Any, Any], axes: str) -> None:
    path = write_image(tmp_path / "mask.png", pixels, axes, NM)
    with Image.open(path) as picture:
        np.testing.assert_array_equal(np.asarray(picture), pixels)
    if axes == "YX":
        np.testing.assert_array_equal(read_labels(path), pixels)


@pytest.mark.parametrize(
    ("name", "pixels", "axes", "options", "says"),
    [
        ("a.png", np.zeros((2, 4, 4), np.uint8), "ZYX", {}, "PNG holds one image"),
        ("a.png", np.zeros((4, 4), np.float32), "YX", {}, "PNG holds whole numbers only"),
        ("a.png", np.full((4, 4), 70_000), "YX", {}, "from 0 to 65535"),
        ("a.png", np.full((4, 4), -1), "YX", {}, "from 0 to 65535"),
        ("a.jpg", MASK, "YX", {}, "names that end in .tif or .png"),
        ("a.tif", MASK, "ZYX", {}, "do not fit"),
        ("a.tif", MASK.astype(complex), "YX", {}, "real numbers"),
        ("a.tif", MASK, "YX", {"format": "bmp"}, "not as 'bmp'"),
    ],
)
def test_what_cannot_be_written(
    tmp_path: Path, name: str, pixels: np.ndarray[Any, Any], axes: str, options: Any, says: str
) -> None:
    with pytest.raises(WriteError) as error:
        write_image(tmp_path / name, pixels, axes, **options)
    assert says in str(error.value)
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------- tables


def test_table(tmp_path: Path) -> None:
    columns = {
        "label": np.array([1, 2], np.int32),
        "area_um2": np.array([0.1 + 0.2, 1e-12]),
        "touches_border": np.array([True, False]),
        "Bemerkung": ["größer, als", 'ein "Zitat"'],
    }
    path = write_table(tmp_path / "table.csv", columns)
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == list(columns)
    assert rows[0]["area_um2"] == "0.3"
    assert float(rows[1]["area_um2"]) == 1e-12
    assert [row["touches_border"] for row in rows] == ["1", "0"]
    assert [row["label"] for row in rows] == ["1", "2"]
    assert [row["Bemerkung"] for row in rows] == columns["Bemerkung"]
    assert b"\r" not in path.read_bytes()


def test_empty_table_has_its_header(tmp_path: Path) -> None:
    path = write_table(tmp_path / "none.csv", {"label": np.zeros(0, int), "area_px": np.zeros(0)})
    assert path.read_text() == "label,area_px\n"


def test_columns_of_different_length(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="must have one length"):
        write_table(tmp_path / "odd.csv", {"a": [1], "b": [1, 2]})
    assert not list(tmp_path.iterdir())


# --------------------------------------------------------------- JSON


def test_json_of_what_settings_hold(tmp_path: Path) -> None:
    content = {
        "size": np.float32(0.5), "shape": (3, 4), "ids": np.arange(3), "nan": float("nan"), "path": tmp_path,
        "unit": "µm", 5: None, "yes": np.bool_(True), "nested": [{"inf": np.inf}],
    }  # fmt: skip
    path = write_json(tmp_path / "run.json", content)
    read = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda constant: pytest.fail(constant))
    assert read == {
        "size": 0.5, "shape": [3, 4], "ids": [0, 1, 2], "nan": None, "path": str(tmp_path), "unit": "µm", "5": None,
        "yes": True, "nested": [{"inf": None}],
    }  # fmt: skip
    assert "µm" in path.read_text(encoding="utf-8")
