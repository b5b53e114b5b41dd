"""Pixel sizes from files of every maker, written here byte by byte; a wrong tag gives none, never a wrong number."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_microcnn.io.read import read_micrograph
from napari_microcnn.micrograph import Calibration

WIDTH, HEIGHT = 64, 48
GREY = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)
ASCII, BYTE, SHORT, LONG, RATIONAL = 2, 1, 3, 4, 5

Tag = tuple[int, int, int, bytes]


def tiff(tags: Sequence[Tag]) -> bytes:
    """Write a little-endian TIFF of one strip: header, pixels, values, directory."""
    basic = [
        (256, LONG, 1, struct.pack("<I", WIDTH)), (257, LONG, 1, struct.pack("<I", HEIGHT)),
        (258, SHORT, 1, struct.pack("<H", 8)), (259, SHORT, 1, struct.pack("<H", 1)),
        (262, SHORT, 1, struct.pack("<H", 1)), (273, LONG, 1, struct.pack("<I", 8)),
        (277, SHORT, 1, struct.pack("<H", 1)), (278, LONG, 1, struct.pack("<I", HEIGHT)),
        (279, LONG, 1, struct.pack("<I", GREY.size)),
    ]  # fmt: skip
    body, entries = GREY.tobytes(), b""
    for code, kind, count, value in sorted([*basic, *tags]):
        if len(value) > 4:
            entries += struct.pack("<HHII", code, kind, count, 8 + len(body))
            body += value + b"\0" * (len(value) % 2)
        else:
            entries += struct.pack("<HHI", code, kind, count) + value.ljust(4, b"\0")
    directory = struct.pack("<H", len(basic) + len(tags)) + entries + struct.pack("<I", 0)
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + directory


def text_tag(code: int, text: str, kind: int = ASCII) -> Tag:
    content = text.encode("latin-1") + b"\0"
    return code, kind, len(content), content


def opened(path: Path, *tags: Tag) -> Calibration | None:
    path.write_bytes(tiff(tags))
    micrograph = read_micrograph(path)
    assert np.array_equal(micrograph.pixels, GREY)
    return micrograph.calibration


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "scan 7.tif"


def is_size(found: Calibration | None, y: float, x: float, unit: str, source: str) -> None:
    assert found is not None
    assert found.to(unit).pixel_size == pytest.approx((y, x), rel=1e-9)
    assert found.source.startswith(source)


BAD_LENGTHS = ["inf", "nan", "0", "-1e-8", "1e9", "1e-20", "many", ""]

# ------------------------------------------------------------------ FEI


def fei(width: str = "1.35e-008", height: str = "1.35e-008", more: str = "", columns: int = WIDTH) -> str:
    return (
        f"[User]\r\nDate=07/04/2011\r\n[Beam]\r\nHV=5000\r\nBeam=EBeam\r\n[EBeam]\r\nHFW=9.6e-007\r\n"
        f"[Scan]\r\nPixelWidth={width}\r\nPixelHeight={height}\r\n{more}"
        f"[Image]\r\nResolutionX={columns}\r\nResolutionY=40\r\n[Specimen]\r\nTemperature=\r\n"
    )


@pytest.mark.parametrize("tag", [34680, 34682])
def test_fei(path: Path, tag: int) -> None:
    is_size(opened(path, text_tag(tag, fei())), 13.5, 13.5, "nm", f"FEI tag {tag}, Scan.PixelWidth")
    is_size(opened(path, text_tag(tag, fei(height="1.5e-008"))), 15.0, 13.5, "nm", "FEI")
    consistent = text_tag(tag, fei(more="HorFieldsize=8.64e-007\r\n"))
    is_size(opened(path, consistent), 13.5, 13.5, "nm", "FEI")


def test_fei_tells_where_its_databar_begins(path: Path) -> None:
    path.write_bytes(tiff([text_tag(34682, fei())]))
    assert read_micrograph(path).metadata["field_rows"] == 40


def test_fei_field_width(path: Path) -> None:
    without = fei().replace("[Scan]\r\nPixelWidth=1.35e-008\r\nPixelHeight=1.35e-008\r\n", "")
    is_size(opened(path, text_tag(34682, without)), 15.0, 15.0, "nm", "FEI tag 34682, HFW / ResolutionX")
    two_beams = without.replace("Beam=EBeam", "") + "[IBeam]\r\nHFW=4e-007\r\n"
    assert opened(path, text_tag(34682, two_beams)) is None


@pytest.mark.parametrize("bad", BAD_LENGTHS)
def test_fei_without_a_sensible_size(path: Path, bad: str) -> None:
    assert opened(path, text_tag(34682, fei(bad, bad).replace("HFW=9.6e-007", f"HFW={bad}"))) is None


def test_fei_contradictions(path: Path) -> None:
    assert opened(path, text_tag(34682, fei(columns=2 * WIDTH))) is None  # resized after it was saved
    assert opened(path, text_tag(34682, fei(more="HorFieldsize=5e-006\r\n"))) is None
    assert opened(path, text_tag(34682, fei(height="1.35e-006"))) is None
    assert opened(path, text_tag(34682, "")) is None
    assert opened(path, text_tag(34682, "PixelWidth=1e-8\r\n\x00\xff")) is None


# ---------------------------------------------------------------- Zeiss


def test_zeiss_image_that_was_resized(path: Path) -> None:
    def sem(stored: str) -> Tag:
        lines = ["0", "0", "0", "5e-9", "DP_IMAGE_STORE", f"Store resolution = {stored}",
                 "AP_IMAGE_PIXEL_SIZE", "Image Pixel Size = 80.00 nm"]  # fmt: skip
        return text_tag(34118, "\r\n".join(lines))

    is_size(opened(path, sem(f"{WIDTH} * {HEIGHT}")), 80.0, 80.0, "nm", "Zeiss SEM tag 34118, ap_image_pixel_size")
    assert opened(path, sem("1024 * 768")) is None


# --------------------------------------------------------------- Tescan

HEADER = "[MAIN]\r\nAccFrames=1\r\nDevice=MIRA3\r\nPixelSizeX={x}\r\nPixelSizeY={y}\r\n[SEM]\r\nHV=2e4\r\n"


def tescan(x: str, y: str) -> Tag:
    blocks = [(1, b"\xff\xd8\xff\xd9"), (2, HEADER.format(x=x, y=y).encode()), (0, b"")]
    content = b"".join(struct.pack("<IH", len(data) + 2, kind) + data for kind, data in blocks)
    return 50431, BYTE, len(content), content


def test_tescan(path: Path) -> None:
    is_size(opened(path, tescan("1.2e-8", "1.3e-8")), 13.0, 12.0, "nm", "Tescan tag 50431")


@pytest.mark.parametrize("bad", BAD_LENGTHS)
def test_tescan_without_a_sensible_size(path: Path, bad: str) -> None:
    assert opened(path, tescan(bad, bad)) is None
    assert opened(path, tescan("1e-8", bad)) is None


@pytest.mark.parametrize("name", ["scan 7.hdr", "scan 7-tif.hdr", "scan 7.HDR", "scan 7.tif.hdr"])
def test_tescan_header(path: Path, name: str) -> None:
    path.with_name(name).write_text(HEADER.format(x="1.2e-8", y="1.2e-8"), newline="")
    is_size(opened(path), 12.0, 12.0, "nm", "Tescan header scan 7")


def test_header_beside_a_png(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.png")
    (tmp_path / "a-png.hdr").write_text(HEADER.format(x="1.2e-8", y="1.2e-8"))
    is_size(read_micrograph(tmp_path / "a.png").calibration, 12.0, 12.0, "nm", "Tescan header a-png.hdr")


# ---------------------------------------------------------- Olympus SIS


def sis(x: float, y: float, exponent: int, magic: bytes = b"SIS0") -> bytes:
    """Write a file whose SIS block points, by its place in the file, at another with the pixel size."""
    general = struct.pack("<10xhdd8xd2x34s32s", exponent, x, y, 500.0, b"XM10", b"TIFF")
    head = struct.pack("<4s6xhhhhh6x32sH", magic, 30, 12, 1, 5, 110, b"scan", 1)
    content = head + struct.pack("<hhI", 1, 1, 0) + general
    whole = tiff([(33560, BYTE, len(content), content)])
    place = whole.index(magic + b"\0" * 6)
    entry = struct.pack("<hhI", 1, 1, place + len(head) + 8)
    return whole[: place + len(head)] + entry + whole[place + len(head) + 8 :]


def test_olympus_sis(path: Path) -> None:
    path.write_bytes(sis(0.645, 0.65, -6))
    is_size(read_micrograph(path).calibration, 0.65, 0.645, "µm", "Olympus SIS tag 33560")


@pytest.mark.parametrize(
    ("x", "exponent"),
    [(float("nan"), -6), (float("inf"), -6), (0.0, -6), (-0.6, -6), (0.645, 20), (0.645, -300)],
)
def test_olympus_without_a_sensible_size(path: Path, x: float, exponent: int) -> None:
    path.write_bytes(sis(x, x, exponent))
    assert read_micrograph(path).calibration is None


def test_olympus_ini_tells_no_size(path: Path) -> None:
    assert opened(path, text_tag(33471, "[Dimension]\r\nBand=1\r\n")) is None


# ----------------------------------------------------------------- JEOL

JEOL = (
    "$CM_FORMAT JEOL-SEM\r\n$CM_VERSION 1.0\r\n$CM_MAG 10000\r\n$CM_IMAGE_SIZE {width} 40\r\n"
    "$CM_FULL_SIZE {width} 48\r\n$$SM_MICRON_BAR {bar}\r\n$$SM_MICRON_MARKER {marker}\r\n"
)


@pytest.mark.parametrize(
    ("bar", "marker", "nm", "encoding"),
    [
        ("50", "1um", 20.0, "utf-8"),
        ("40", "100nm", 2.5, "utf-16"),
        ("64", "10\u00b5m", 156.25, "latin-1"),
        ("20", "0.1 mm", 5000.0, "utf-8-sig"),
    ],
)
def test_jeol_text(path: Path, bar: str, marker: str, nm: float, encoding: str) -> None:
    path.with_suffix(".txt").write_bytes(JEOL.format(width=WIDTH, bar=bar, marker=marker).encode(encoding))
    is_size(opened(path), nm, nm, "nm", "JEOL header scan 7.txt")


@pytest.mark.parametrize(
    ("width", "bar", "marker"),
    [(128, "50", "1um"), (WIDTH, "0", "1um"), (WIDTH, "-5", "1um"), (WIDTH, "500", "1um"), (WIDTH, "nan", "1um"),
     (WIDTH, "50", "1sec"), (WIDTH, "50", "um"), (WIDTH, "50", "infum"), (WIDTH, "", ""), (WIDTH, "50", "0um")],
)  # fmt: skip
def test_jeol_text_without_a_sensible_size(path: Path, width: int, bar: str, marker: str) -> None:
    path.with_suffix(".txt").write_text(JEOL.format(width=width, bar=bar, marker=marker))
    assert opened(path) is None


def jeol_tem(mode: str, magnification: str, density: int = 66_000, per: int = 100) -> list[Tag]:
    report = (
        f"<TemReporter><Eos><EosMode>eosTEM</EosMode></Eos><ImageFormingSystem><ModeString>{mode}</ModeString>"
        f"<SelectorValue>{magnification}</SelectorValue></ImageFormingSystem></TemReporter>"
    )
    rational = struct.pack("<II", density, per)
    return [
        text_tag(270, report), text_tag(271, "JEOL Ltd."), (282, RATIONAL, 1, rational),
        (283, RATIONAL, 1, rational), (296, SHORT, 1, struct.pack("<H", 3)),
    ]  # fmt: skip


def test_jeol_tiff(path: Path) -> None:
    nm = 1e7 / 660 / 20_000  # 660 pixels per cm of the camera, seen through a magnification of 20,000
    is_size(opened(path, *jeol_tem("MAG", "20000")), nm, nm, "nm", "JEOL SightX")


@pytest.mark.parametrize(
    ("mode", "magnification"),
    [("DIFF", "20000"), ("MAG", "0"), ("MAG", "nan"), ("MAG", "-8000"), ("MAG", ""), ("MAG", "<b>")],
)
def test_jeol_tiff_without_a_sensible_size(path: Path, mode: str, magnification: str) -> None:
    assert opened(path, *jeol_tem(mode, magnification)) is None


# -------------------------------------------------------------- Hitachi


def hitachi(size: str, columns: int = WIDTH) -> str:
    return (
        "[SemImageFile]\r\nInstructName=SU8000\r\nImageName=scan 7.tif\r\n"
        f"DataSize={columns}x48\r\nPixelSize={size}\r\nMicronMarker=1000\r\n"
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_hitachi_text(path: Path, encoding: str) -> None:
    path.with_suffix(".txt").write_bytes(hitachi("24.80469").encode(encoding))
    is_size(opened(path), 24.80469, 24.80469, "nm", "Hitachi header scan 7.txt, PixelSize")


@pytest.mark.parametrize("bad", [*BAD_LENGTHS[:4], "1e12", "1e-9", "many", ""])
def test_hitachi_text_without_a_sensible_size(path: Path, bad: str) -> None:
    path.with_suffix(".txt").write_text(hitachi(bad))
    assert opened(path) is None


def test_hitachi_text_of_another_width(path: Path) -> None:
    path.with_suffix(".txt").write_text(hitachi("24.8", columns=1280))
    assert opened(path) is None


def test_notes_beside_an_image(path: Path) -> None:
    path.with_suffix(".txt").write_text("PixelSize=5\nSample 4, etched 20 s\n")
    path.with_suffix(".hdr").write_bytes(bytes(range(256)))
    assert opened(path) is None
