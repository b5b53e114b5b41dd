"""The pixel size in the private TIFF tags of the makers of microscopes.

A file whose tag speaks of an image of another width was resized after it was saved; its pixel size
is then not believed.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

from tifffile import TiffFile

from napari_microcnn.io.lengths import believed, length, number_of, positive
from napari_microcnn.micrograph import METRES, Calibration

_ZEISS_TAG, _TESCAN_TAG = 34118, 50431
_FEI_TAGS = {34680: "FEI_SFEG", 34682: "FEI_HELIOS"}
_SIS_TAGS = (33560, 33471)
_ZEISS_BLOCK_WIDTH = 1024
"""The unnamed block of Zeiss gives the pixel size of an image of this width."""
_FEI_BEAMS = ("EBeam", "IBeam", "IRBeam")
_AGREE = 0.05
"""Relative difference of two statements of one file that may come from rounding."""


def fei(tif: TiffFile) -> Calibration | None:
    """``Scan.PixelWidth`` and ``PixelHeight`` in m of FEI and Thermo, or the field width over ``ResolutionX``."""
    page = tif.pages.first
    for tag in _FEI_TAGS:
        content = page.tags.valueof(tag)
        if not isinstance(content, Mapping):
            continue
        columns = number_of(_entry(content, "Image", "ResolutionX"))
        if columns is not None and columns != page.imagewidth:
            return None
        sizes = [_metres(content, "Scan", key) for key in ("PixelHeight", "PixelWidth")]
        if any(sizes):
            field = _metres(content, "Scan", "HorFieldsize")
            if field and sizes[1] and not math.isclose(field, sizes[1] * page.imagewidth, rel_tol=_AGREE):
                return None
            return believed(sizes, f"FEI tag {tag}, Scan.PixelWidth")
        return _fei_field(content, columns, tag)
    return None


def fei_field_rows(tif: TiffFile) -> int | None:
    """Return how many rows of an FEI image show the specimen; the databar is below them."""
    page = tif.pages.first
    for tag in _FEI_TAGS:
        content = page.tags.valueof(tag)
        if isinstance(content, Mapping):
            rows = number_of(_entry(content, "Image", "ResolutionY"))
            columns = number_of(_entry(content, "Image", "ResolutionX"))
            if rows and columns == page.imagewidth and page.imagelength / 2 <= rows < page.imagelength:
                return int(rows)
    return None


def _fei_field(content: Mapping[str, Any], columns: float | None, tag: int) -> Calibration | None:
    """Field width over columns; when the beam in use is not named it must be the only one with a field."""
    fields = {beam: _metres(content, beam, "HFW") for beam in _FEI_BEAMS}
    named = fields.get(str(_entry(content, "Beam", "Beam")))
    known = [field for field in fields.values() if field]
    field = named or (known[0] if len(known) == 1 else None)
    size = field / columns if field and columns else None
    return believed([size, size], f"FEI tag {tag}, HFW / ResolutionX")


def zeiss_sem(tif: TiffFile) -> Calibration | None:
    """``ap_image_pixel_size`` of Zeiss SEM files, or the number in the unnamed block before it.

    The named value is rounded to a few digits; where the unnamed one, which holds for an image
    1024 pixels wide, agrees with it, it is the better one.
    """
    page = tif.pages.first
    content = page.tags.valueof(_ZEISS_TAG)
    if not isinstance(content, dict) or _zeiss_width(content) not in (None, page.imagewidth):
        return None
    block = _zeiss_block(content.get(""), page)
    source = f"Zeiss SEM tag {_ZEISS_TAG}"
    if "ap_image_pixel_size" in content:
        entry = content["ap_image_pixel_size"]
        named = length(entry[1], entry[2]) if isinstance(entry, tuple) and len(entry) == 3 else None
        exact = block if named and block and math.isclose(named, block, rel_tol=0.01) else named
        return believed([exact, exact], f"{source}, ap_image_pixel_size")
    return believed([block, block], f"{source}, unnamed block")


def _zeiss_width(content: Mapping[str, Any]) -> int | None:
    """Return the width that an image was stored with, from text like ``1024 * 768``."""
    entry = content.get("dp_image_store")
    found = re.match(r"\s*(\d{1,9})\s*\*\s*\d+", str(entry[1])) if isinstance(entry, tuple) and len(entry) > 1 else None
    return int(found[1]) if found else None


def _zeiss_block(block: Any, page: Any) -> float | None:
    if not isinstance(block, tuple) or len(block) < 4 or not isinstance(block[3], float) or not page.imagewidth:
        return None
    return positive(block[3] * _ZEISS_BLOCK_WIDTH / page.imagewidth)


def tescan(tif: TiffFile) -> Calibration | None:
    """``PixelSizeX`` and ``PixelSizeY`` in m, in the text blocks of Tescan's tag."""
    content = tif.pages.first.tags.valueof(_TESCAN_TAG)
    if isinstance(content, tuple):
        if not all(isinstance(byte, int) for byte in content):
            return None
        content = bytes(byte & 255 for byte in content)
    text = content.decode("latin-1") if isinstance(content, bytes) else content
    return tescan_text(text, f"Tescan tag {_TESCAN_TAG}") if isinstance(text, str) else None


def tescan_text(text: str, source: str) -> Calibration | None:
    """Read the pixel size from the keys that Tescan writes into its tag and into its header file."""
    sizes = []
    for axis in "YX":
        found = re.search(rf"(?<![A-Za-z])PixelSize{axis}=([^\r\n\0]*)", text)
        sizes.append(length(found[1].strip(), "m") if found else None)
    return believed(sizes, f"{source}, PixelSizeX")


def olympus_sis(tif: TiffFile) -> Calibration | None:
    """``pixelsizex`` and ``pixelsizey`` in m of the Olympus SIS block."""
    for tag in _SIS_TAGS:
        content = tif.pages.first.tags.valueof(tag)
        if isinstance(content, Mapping) and "pixelsizex" in content:
            sizes = [length(content.get(f"pixelsize{axis}"), "m") for axis in "yx"]
            return believed(sizes, f"Olympus SIS tag {tag}")
    return None


def jeol_tem(tif: TiffFile) -> Calibration | None:
    """Resolution of the camera over the magnification that JEOL's SightX tells in XML; images only, no diffraction."""
    page = tif.pages.first
    if page.tags.valueof("Make") != "JEOL Ltd.":
        return None
    try:
        report = ET.fromstring(str(page.description).strip(" \r\n\t\x01\x00"))  # noqa: S314 - as for OME
    except ET.ParseError:
        return None
    said = {node.tag.rpartition("}")[2]: (node.text or "").strip() for node in report.iter()}
    magnification = number_of(said.get("SelectorValue"))
    unit = {2: METRES["inch"], 3: METRES["cm"]}.get(int(page.tags.valueof("ResolutionUnit") or 0))
    density = resolution_of(page)
    if said.get("EosMode") != "eosTEM" or said.get("ModeString") != "MAG":
        return None
    if not magnification or magnification < 1 or unit is None or density is None:
        return None
    return believed([unit / value / magnification for value in density], "JEOL SightX, magnification")


def resolution_of(page: Any) -> tuple[float, float] | None:
    """Return pixels per unit along y and x, from the resolution tags of a page."""
    values = []
    for name in ("YResolution", "XResolution"):
        value = page.tags.valueof(name)
        if not isinstance(value, tuple) or len(value) != 2 or not value[1]:
            return None
        density = positive(value[0] / value[1])
        if density is None:
            return None
        values.append(density)
    return values[0], values[1]


def _entry(content: Mapping[str, Any], section: str, key: str) -> Any:
    part = content.get(section)
    return part.get(key) if isinstance(part, Mapping) else None


def _metres(content: Mapping[str, Any], section: str, key: str) -> float | None:
    return length(_entry(content, section, key), "m")
