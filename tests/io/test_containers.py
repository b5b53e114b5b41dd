"""Electron micrographs that are no TIFF: MRC, EMD of Velox and of the NCEM, DM3."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from napari_microcnn.io.read import ReadError, read_micrograph

FIELD = np.random.default_rng(0).integers(0, 30_000, (12, 20)).astype(np.int16)

# ------------------------------------------------------------------ MRC


def mrc(cell: tuple[float, float], grid: tuple[int, int] = (20, 12), order: str = "<", sections: int = 1) -> bytes:
    """Write the header of MRC2014 word by word: sizes, mode 1 (int16), start, grid, cell, angles, axes."""
    head = struct.pack(f"{order}10i", 20, 12, sections, 1, 0, 0, 0, *grid, sections)
    head += struct.pack(f"{order}6f", *cell, 1.0, 90.0, 90.0, 90.0) + struct.pack(f"{order}3i", 1, 2, 3)
    head += struct.pack(f"{order}3f", 0.0, 30_000.0, 15_000.0) + struct.pack(f"{order}2i", 0, 0)
    stamp = b"\x44\x44\0\0" if order == "<" else b"\x11\x11\0\0"
    head = head.ljust(108, b"\0") + struct.pack(f"{order}i", 20140)
    head = head.ljust(208, b"\0") + b"MAP " + stamp
    return head.ljust(1024, b"\0") + np.stack([FIELD] * sections).astype(f"{order}i2").tobytes()


@pytest.mark.parametrize("order", ["<", ">"])
def test_mrc(tmp_path: Path, order: str) -> None:
    path = tmp_path / "a.mrc"
    path.write_bytes(mrc((20 * 2.5, 12 * 3.0), order=order))
    micrograph = read_micrograph(path)
    assert np.array_equal(micrograph.pixels, FIELD)
    assert micrograph.calibration is not None
    assert micrograph.calibration.to("Å").pixel_size == pytest.approx((3.0, 2.5), rel=1e-9)
    assert micrograph.calibration.source == "MRC cell size"


def test_mrc_stack(tmp_path: Path) -> None:
    path = tmp_path / "a.mrc"
    path.write_bytes(mrc((50.0, 30.0), sections=3))
    micrograph = read_micrograph(path)
    assert (micrograph.axes, micrograph.pixels.shape) == ("ZYX", (3, 12, 20))


@pytest.mark.parametrize(
    ("cell", "grid"),
    [
        ((0.0, 0.0), (20, 12)),
        ((20.0, 12.0), (20, 12)),  # 1 Å: filled in
        ((float("nan"), 30.0), (20, 12)),
        ((float("inf"), float("inf")), (20, 12)),
        ((-50.0, -30.0), (20, 12)),
        ((50.0, 30.0), (0, 0)),
        ((1e18, 1e18), (20, 12)),
        ((50.0, 3e4), (20, 12)),
    ],
)
def test_mrc_without_a_sensible_size(tmp_path: Path, cell: tuple[float, float], grid: tuple[int, int]) -> None:
    path = tmp_path / "a.mrc"
    path.write_bytes(mrc(cell, grid))
    assert read_micrograph(path).calibration is None


def test_truncated_mrc(tmp_path: Path) -> None:
    path = tmp_path / "a.mrc"
    path.write_bytes(mrc((50.0, 30.0))[:1100])
    with pytest.raises(ReadError, match="truncated"):
        read_micrograph(path)


# ------------------------------------------------------------------ EMD


def velox(path: Path, size: Any, unit: str = "m") -> Path:
    told = {"BinaryResult": {"PixelSize": size, "PixelUnitX": unit, "PixelUnitY": unit}}
    text = json.dumps(told).encode()
    with h5py.File(path, "w") as file:
        image = file.create_group("Data/Image/0f1e2d3c")
        image["Data"] = FIELD[:, :, None]
        image["Metadata"] = np.frombuffer(text.ljust(4000, b"\0"), np.uint8)[:, None]
    return path


def test_velox(tmp_path: Path) -> None:
    micrograph = read_micrograph(velox(tmp_path / "a.emd", {"width": "1.2e-10", "height": "1.3e-10"}))
    assert np.array_equal(micrograph.pixels, FIELD)
    assert micrograph.calibration is not None
    assert micrograph.calibration.to("pm").pixel_size == pytest.approx((130.0, 120.0), rel=1e-9)
    assert micrograph.calibration.source == "EMD (Velox) PixelSize"


@pytest.mark.parametrize(
    ("size", "unit"),
    [
        ({"width": "0", "height": "0"}, "m"),
        ({"width": "nan", "height": "nan"}, "m"),
        ({"width": "-1e-9", "height": "-1e-9"}, "m"),
        ({"width": "1e-9", "height": "1e-9"}, "1/m"),  # a diffraction pattern
        ({"width": "1", "height": "1"}, ""),
        ({"width": "1", "height": "1"}, "m"),
        ({"width": "1e-9"}, "m"),
        ("1e-9", "m"),
        (None, "m"),
    ],
)
def test_velox_without_a_sensible_size(tmp_path: Path, size: Any, unit: str) -> None:
    assert read_micrograph(velox(tmp_path / "a.emd", size, unit)).calibration is None


def ncem(path: Path, steps: tuple[float, float], unit: Any, names: tuple[str, str] = ("y", "x")) -> Path:
    with h5py.File(path, "w") as file:
        group = file.create_group("data/image")
        group.attrs["emd_group_type"] = 1
        group["data"] = FIELD if names == ("y", "x") else FIELD.T
        lengths = group["data"].shape
        for number, (step, name, length) in enumerate(zip(steps, names, lengths, strict=True), 1):
            group[f"dim{number}"] = (np.arange(length) * step).astype(np.float32)
            group[f"dim{number}"].attrs["name"] = name
            group[f"dim{number}"].attrs["units"] = unit
    return path


@pytest.mark.parametrize("unit", ["[n_m]", b"[n_m]", "nm"])
def test_ncem(tmp_path: Path, unit: Any) -> None:
    micrograph = read_micrograph(ncem(tmp_path / "a.emd", (0.5, 0.25), unit))
    assert np.array_equal(micrograph.pixels, FIELD)
    assert micrograph.calibration is not None
    assert micrograph.calibration.to("nm").pixel_size == pytest.approx((0.5, 0.25), rel=1e-6)
    assert micrograph.calibration.source == "EMD (NCEM) dimensions"


def test_ncem_that_counts_from_x(tmp_path: Path) -> None:
    micrograph = read_micrograph(ncem(tmp_path / "a.emd", (0.25, 0.5), "[u_m]", ("x", "y")))
    assert np.array_equal(micrograph.pixels, FIELD)
    assert micrograph.calibration is not None
    assert micrograph.calibration.to("µm").pixel_size == pytest.approx((0.5, 0.25), rel=1e-6)


@pytest.mark.parametrize(
    ("step", "unit"), [(1.0, "[px]"), (1.0, ""), (0.5, "[n_m^-1]"), (0.0, "[n_m]"), (-0.5, "[n_m]"), (np.nan, "[n_m]")]
)
def test_ncem_without_a_sensible_size(tmp_path: Path, step: float, unit: str) -> None:
    assert read_micrograph(ncem(tmp_path / "a.emd", (step, step), unit)).calibration is None


def test_hdf5_without_an_image(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.emd", "w") as file:
        file["table"] = np.arange(5)
    with pytest.raises(ReadError, match="holds no image"):
        read_micrograph(tmp_path / "a.emd")
    (tmp_path / "b.emd").write_bytes((tmp_path / "a.emd").read_bytes()[:300])
    with pytest.raises(ReadError, match="damaged"):
        read_micrograph(tmp_path / "b.emd")


# ------------------------------------------------------------------ DM3


def tagged(name: str, content: bytes, kind: int) -> bytes:
    return struct.pack(">bh", kind, len(name)) + name.encode() + content


def group(name: str, *entries: bytes) -> bytes:
    return tagged(name, struct.pack(">bbi", 1, 0, len(entries)) + b"".join(entries), 20)


def number(name: str, value: float, code: int, form: str) -> bytes:
    return tagged(name, b"%%%%" + struct.pack(">ii", 1, code) + struct.pack("<" + form, value), 21)


def array(name: str, data: bytes, code: int, count: int) -> bytes:
    return tagged(name, b"%%%%" + struct.pack(">iiii", 3, 20, code, count) + data, 21)


def dm3(scale: float, unit: str) -> bytes:
    """Write the tags of a DM3 file: numbers little-endian, lengths big-endian, 20 = array, 2 = int16, 4 = uint16."""
    text = unit.encode("utf-16-le")
    dims = [
        group("", number("Origin", 0.0, 6, "f"), number("Scale", scale, 6, "f"), array("Units", text, 4, len(unit)))
        for _ in range(2)
    ]
    brightness = group(
        "Brightness", number("Origin", 0.0, 6, "f"), number("Scale", 1.0, 6, "f"), array("Units", b"", 4, 0)
    )
    data = group(
        "ImageData",
        group("Calibrations", brightness, group("Dimension", *dims)),
        array("Data", FIELD.astype("<i2").tobytes(), 2, FIELD.size),
        number("DataType", 1, 5, "I"),
        group("Dimensions", number("", 20, 5, "I"), number("", 12, 5, "I")),
        number("PixelDepth", 2, 5, "I"),
    )
    name = array("Name", "a".encode("utf-16-le"), 4, 1)
    image = group("", data, group("ImageTags"), name)
    root = group("ImageList", image) + group("ImageSourceList", group("", number("ImageRef", 0, 5, "I")))
    root = struct.pack(">bbi", 1, 0, 2) + root
    return struct.pack(">iii", 3, len(root), 1) + root + bytes(8)


def test_dm3(tmp_path: Path) -> None:
    pytest.importorskip("rsciio")
    path = tmp_path / "a.dm3"
    path.write_bytes(dm3(0.25, "nm"))
    micrograph = read_micrograph(path)
    assert np.array_equal(micrograph.pixels, FIELD)
    assert micrograph.calibration is not None
    assert micrograph.calibration.to("nm").pixel_size == pytest.approx((0.25, 0.25), rel=1e-6)
    assert micrograph.calibration.source == "DM scale"


@pytest.mark.parametrize(("scale", "unit"), [(1.0, ""), (0.02, "1/nm"), (0.0, "nm"), (-1.0, "nm"), (np.inf, "nm")])
def test_dm3_without_a_sensible_size(tmp_path: Path, scale: float, unit: str) -> None:
    pytest.importorskip("rsciio")
    path = tmp_path / "a.dm3"
    path.write_bytes(dm3(scale, unit))
    assert read_micrograph(path).calibration is None


def test_dm3_without_rosettasciio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rsciio.digitalmicrograph", None)
    path = tmp_path / "a.dm3"
    path.write_bytes(dm3(0.25, "nm"))
    with pytest.raises(ReadError, match=r"pip install 'napari-microcnn\[dm\]'"):
        read_micrograph(path)
