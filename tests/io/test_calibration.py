"""The pixel size comes from where the vendor hides it, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_microcnn.io.calibration import READERS, find_calibration
from napari_microcnn.io.read import read_micrograph
from napari_microcnn.io.samples import sample_path
from napari_microcnn.micrograph import Calibration

GREY = np.random.default_rng(0).integers(0, 256, (48, 64), dtype=np.uint8)


def calibration_of(path: Path, pixels: Any = GREY, **options: Any) -> Calibration | None:
    tifffile.imwrite(path, pixels, **options)
    return read_micrograph(path).calibration


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "picture.tif"


# ------------------------------------------------------------------ OME


@pytest.mark.parametrize(
    ("size", "unit", "expected"),
    [
        ((0.25, 0.5), "µm", ((0.5, 0.25), "µm")),
        ((0.25, 0.25), None, ((0.25, 0.25), "µm")),
        ((12.5, 12.5), "nm", ((12.5, 12.5), "nm")),
        ((0.8, 0.8), "Å", ((80.0, 80.0), "pm")),
        ((2e-9, 2e-9), "m", ((2.0, 2.0), "nm")),
        ((1e-4, 1e-4), "mm", ((0.1, 0.1), "µm")),
    ],
)
def test_ome(path: Path, size: tuple[float, float], unit: str | None, expected: Any) -> None:
    metadata: dict[str, Any] = {"axes": "YX", "PhysicalSizeX": size[0], "PhysicalSizeY": size[1]}
    if unit:
        metadata |= {"PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit}
    found = calibration_of(path, ome=True, metadata=metadata)
    assert found is not None
    assert found.pixel_size == pytest.approx(expected[0], rel=1e-9)
    assert found.unit == expected[1]
    assert found.source == "OME-XML PhysicalSize"


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"PhysicalSizeX": 0.5},
        {"PhysicalSizeX": 0.0, "PhysicalSizeY": 0.0},
        {"PhysicalSizeX": -1.0, "PhysicalSizeY": -1.0},
        {"PhysicalSizeX": 1, "PhysicalSizeY": 1, "PhysicalSizeXUnit": "pixel", "PhysicalSizeYUnit": "pixel"},
        {"PhysicalSizeX": 1, "PhysicalSizeY": 1, "PhysicalSizeXUnit": "reference frame"},
    ],
)
def test_ome_without_a_sensible_size(path: Path, metadata: dict[str, Any]) -> None:
    assert calibration_of(path, ome=True, metadata={"axes": "YX", **metadata}) is None


def test_ome_text_of_another_image_is_not_believed(path: Path) -> None:
    tifffile.imwrite(path, GREY, ome=True, metadata={"axes": "YX", "PhysicalSizeX": 2.0, "PhysicalSizeY": 2.0})
    with tifffile.TiffFile(path) as tif:
        text = tif.ome_metadata
    assert calibration_of(path, GREY[::2, ::2], description=text.encode(), metadata=None) is None


def test_broken_ome_text(path: Path) -> None:
    text = '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image></OME>'
    assert calibration_of(path, description=text, metadata=None) is None


# --------------------------------------------------------------- ImageJ


@pytest.mark.parametrize(
    ("unit", "expected"),
    [("um", "µm"), ("micron", "µm"), ("\\u00B5m", "µm"), ("nm", "nm"), ("mm", "mm"), ("cm", "mm")],
)
def test_imagej(path: Path, unit: str, expected: str) -> None:
    found = calibration_of(path, imagej=True, resolution=(4.0, 2.0), metadata={"unit": unit})
    assert found is not None
    factor = 10 if unit == "cm" else 1
    assert found.pixel_size == pytest.approx((0.5 * factor, 0.25 * factor), rel=1e-6)
    assert found.unit == expected
    assert found.source == "ImageJ resolution"


@pytest.mark.parametrize(
    ("resolution", "unit"),
    [
        ((4.0, 4.0), "pixel"),
        ((4.0, 4.0), ""),
        ((4.0, 4.0), None),
        ((4.0, 4.0), "sec"),
        ((72.0, 72.0), "inch"),
        ((96.0, 96.0), "inch"),
        ((300.0, 300.0), "inch"),
        ((28.346, 28.346), "cm"),
        ((0.0, 0.0), "um"),
    ],
)
def test_imagej_without_calibration(path: Path, resolution: tuple[float, float], unit: str | None) -> None:
    metadata = {} if unit is None else {"unit": unit}
    assert calibration_of(path, imagej=True, resolution=resolution, metadata=metadata) is None


# ------------------------------------------------------------ Zeiss SEM


def zeiss(values: str, names: dict[str, str]) -> tuple[int, str, int, bytes, bool]:
    lines = [*values.split(), *(line for key, text in names.items() for line in (key, text))]
    content = "\r\n".join(lines).encode("cp1252")
    return (34118, "s", len(content) + 1, content + b"\0", True)


BLOCK = "0 0 0 5.429688e-010 500000 6 20000 2.369"


@pytest.mark.parametrize(
    ("values", "names", "width", "expected"),
    [
        (BLOCK, {"AP_IMAGE_PIXEL_SIZE": "Image Pixel Size = 543.0 pm"}, 1024, 0.5429688),
        (BLOCK, {"AP_IMAGE_PIXEL_SIZE": "Image Pixel Size = 271.5 pm"}, 2048, 0.2714844),
        ("0 0 0 0", {"AP_IMAGE_PIXEL_SIZE": "Image Pixel Size = 543.0 pm"}, 1024, 0.543),
        ("0 0 0 9.9e-9", {"AP_IMAGE_PIXEL_SIZE": "Image Pixel Size = 543.0 pm"}, 1024, 0.543),
        ("0 0 0 0", {"AP_IMAGE_PIXEL_SIZE": "Image Pixel Size = 12.4 nm"}, 1024, 12.4),
        ("0 0 0 0", {"AP_IMAGE_PIXEL_SIZE": "Image Pixel Size = 0.05 µm"}, 1024, 50.0),
        (BLOCK, {"AP_PIXEL_SIZE": "Pixel Size = 7.0 nm", "AP_WD": "WD = 6.2 mm"}, 1024, 0.5429688),
        (BLOCK, {}, 1024, 0.5429688),
        (BLOCK, {}, 512, 1.0859376),
    ],
)
def test_zeiss(path: Path, values: str, names: dict[str, str], width: int, expected: float) -> None:
    found = calibration_of(path, np.zeros((8, width), np.uint8), extratags=[zeiss(values, names)], metadata=None)
    assert found is not None
    assert found.to("nm").pixel_size == pytest.approx((expected, expected), rel=1e-6)
    assert found.source.startswith("Zeiss SEM tag 34118")


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ("0 0 0 0", {}),
        ("0 0 0 -5e-10", {}),
        ("0 0", {}),
        ("", {"AP_WD": "WD = 6.2 mm"}),
        (BLOCK, {"AP_IMAGE_PIXEL_SIZE": "Image Pixel Size = 0.0 fm"}),
        (BLOCK, {"AP_IMAGE_PIXEL_SIZE": "Image Pixel Size = unknown"}),
    ],
)
def test_zeiss_without_a_sensible_size(path: Path, values: str, names: dict[str, str]) -> None:
    pixels = np.zeros((8, 1024), np.uint8)
    assert calibration_of(path, pixels, extratags=[zeiss(values, names)], metadata=None) is None


def test_the_real_sample() -> None:
    found = read_micrograph(sample_path("nanoporous/nanoporous.tif")).calibration
    assert found is not None
    assert found.pixel_size == pytest.approx((0.5429688, 0.5429688), rel=1e-7)
    assert found.unit == "nm"
    # The databar says that the image is 556.0 nm wide.
    assert found.pixel_size[1] * 1024 == pytest.approx(556.0, abs=0.05)


# --------------------------------------------------- bare resolution tags


@pytest.mark.parametrize("dpi", [72, 96, 150, 300, 600, 1200])
def test_print_resolution_is_no_calibration(path: Path, dpi: int) -> None:
    assert calibration_of(path, resolution=(dpi, dpi), resolutionunit="inch", metadata=None) is None
    assert calibration_of(path, resolution=(dpi / 2.54,) * 2, resolutionunit="centimeter", metadata=None) is None


def test_resolution_of_a_microscope(path: Path) -> None:
    found = calibration_of(path, resolution=(1e4 / 0.25, 1e4 / 0.5), resolutionunit="centimeter", metadata=None)
    assert found is not None
    assert found.pixel_size == pytest.approx((0.5, 0.25))
    assert (found.unit, found.source) == ("µm", "TIFF resolution")


@pytest.mark.parametrize("resolution", [(0, 0), (1, 1), (2**32 - 1, 2**32 - 1), (1e5, 0)])
def test_odd_resolution_is_no_calibration(path: Path, resolution: tuple[float, float]) -> None:
    assert calibration_of(path, resolution=resolution, resolutionunit="centimeter", metadata=None) is None


def test_resolution_without_unit_is_no_calibration(path: Path) -> None:
    assert calibration_of(path, resolution=(4e7, 4e7), resolutionunit="none", metadata=None) is None


def test_nothing_known(path: Path) -> None:
    assert calibration_of(path) is None


def test_readers_are_asked_in_order(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile.imwrite(path, GREY)
    mine = Calibration((1.0, 1.0), "nm", "a new vendor")
    monkeypatch.setattr("napari_microcnn.io.calibration.READERS", (*READERS, lambda tif: mine))
    with tifffile.TiffFile(path) as tif:
        assert find_calibration(tif) is mine


def test_imagej_description_in_utf8(path: Path) -> None:
    description = "ImageJ=1.53t\nunit=µm\n".encode()
    found = calibration_of(path, description=description, resolution=(4.0, 4.0), metadata=None)
    assert found is not None
    assert found.pixel_size == (0.25, 0.25)
    assert found.unit == "µm"
