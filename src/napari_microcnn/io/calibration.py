"""The pixel size that a TIFF file knows, and where it says so.

Every vendor hides it elsewhere. A function per vendor returns a `Calibration`, or None when the file
says nothing or nothing sensible: no pixel size is better than a wrong one. `READERS` is the list
that is tried in order; another vendor is one more function in it.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

from tifffile import TiffFile, TiffPage

from napari_microcnn.micrograph import METRES, Calibration, canonical_unit

_SEM_TAG = 34118
_SEM_BLOCK_WIDTH = 1024  # the unnamed block gives the pixel size of an image of this width
_PRINT_DPI = (72, 75, 90, 96, 100, 120, 144, 150, 180, 200, 240, 254, 300, 350, 360, 400, 600, 720, 1200, 2400, 4800)
_FINEST, _COARSEST = 5e-12, 2e-6  # metres per pixel that a bare resolution tag is believed: no printer, no scanner


def find_calibration(tif: TiffFile) -> Calibration | None:
    """Ask every reader of `READERS` in turn for the pixel size of the first image of a file.

    Parameters
    ----------
    tif : tifffile.TiffFile
        An open file.
    """
    for read in READERS:
        found = read(tif)
        if found is not None:
            return found
    return None


def ome(tif: TiffFile) -> Calibration | None:
    """``PhysicalSizeX`` and ``PhysicalSizeY`` of the first image of OME-XML (µm unless it says otherwise)."""
    text = tif.ome_metadata
    if not text:
        return None
    try:
        root = ET.fromstring(text)  # noqa: S314 - expat limits the expansion of entities
    except ET.ParseError:
        return None
    pixels = next((node for node in root.iter() if node.tag.rpartition("}")[2] == "Pixels"), None)
    if pixels is None or not _same_size(pixels.attrib, tif.pages.first):
        return None
    sizes = [
        _length(pixels.get(f"PhysicalSize{axis}"), pixels.get(f"PhysicalSize{axis}Unit", "µm")) for axis in ("Y", "X")
    ]
    return _calibration(sizes, "OME-XML PhysicalSize")


def imagej(tif: TiffFile) -> Calibration | None:
    """Resolution tags, in the unit that ImageJ's description names.

    ImageJ copies the dpi of pictures from elsewhere as a resolution in inches or centimetres;
    that is no calibration.
    """
    unit = (tif.imagej_metadata or {}).get("unit")
    if not isinstance(unit, str):
        return None
    unit = unit.replace("\\u00B5", "µ").replace("\\u00b5", "µ")
    density = _resolution(tif.pages.first)
    scale = _metres(unit)
    if density is None or scale is None or _is_print(density, scale):
        return None
    return _calibration([scale / value for value in density], "ImageJ resolution")


def zeiss_sem(tif: TiffFile) -> Calibration | None:
    """``ap_image_pixel_size`` of Zeiss SEM files, or the number in the unnamed block before it.

    The named value is rounded to a few digits; where the unnamed one, which holds for an image
    1024 pixels wide, agrees with it, it is the better one.
    """
    page = tif.pages.first
    tag = page.tags.get(_SEM_TAG)
    content = tag.value if tag is not None else None
    if not isinstance(content, dict):
        return None
    block = _block_pixel_size(content.get(""), page)
    source = f"Zeiss SEM tag {_SEM_TAG}"
    if "ap_image_pixel_size" in content:
        entry = content["ap_image_pixel_size"]
        named = _length(entry[1], entry[2]) if isinstance(entry, tuple) and len(entry) == 3 else None
        exact = block if named and block and math.isclose(named, block, rel_tol=0.01) else named
        return _calibration([exact, exact], f"{source}, ap_image_pixel_size")
    return _calibration([block, block], f"{source}, unnamed block")


def resolution(tif: TiffFile) -> Calibration | None:
    """Bare resolution tags, when they are so fine that they can only come from a microscope."""
    page = tif.pages.first
    unit = page.tags.valueof("ResolutionUnit")
    density = _resolution(page)
    scale = {2: METRES["inch"], 3: METRES["cm"]}.get(int(unit)) if isinstance(unit, int) else None
    if density is None or scale is None:
        return None
    sizes = [scale / value for value in density]
    if not all(_FINEST <= size <= _COARSEST for size in sizes):
        return None
    return _calibration(sizes, "TIFF resolution")


READERS: tuple[Callable[[TiffFile], Calibration | None], ...] = (ome, imagej, zeiss_sem, resolution)
"""Who is asked for the pixel size, in this order."""


def _same_size(attributes: dict[str, str], page: Any) -> bool:
    """Whether OME-XML describes this image: other programs crop and resize but keep the text."""
    sizes = attributes.get("SizeY"), attributes.get("SizeX")
    return sizes == (str(page.imagelength), str(page.imagewidth))


def _block_pixel_size(block: Any, page: Any) -> float | None:
    if not isinstance(block, tuple) or len(block) < 4 or not isinstance(block[3], float) or not page.imagewidth:
        return None
    return _positive(block[3] * _SEM_BLOCK_WIDTH / page.imagewidth)


def _resolution(page: TiffPage | Any) -> tuple[float, float] | None:
    """Pixels per unit along y and x, from the resolution tags."""
    values = []
    for name in ("YResolution", "XResolution"):
        value = page.tags.valueof(name)
        if not isinstance(value, tuple) or len(value) != 2 or not value[1]:
            return None
        density = _positive(value[0] / value[1])
        if density is None:
            return None
        values.append(density)
    return values[0], values[1]


def _is_print(density: tuple[float, float], unit: float) -> bool:
    """Whether a resolution is that of paper or a screen."""
    if unit < METRES["mm"]:
        return False
    dpi = density[1] * METRES["inch"] / unit
    return any(math.isclose(dpi, common, rel_tol=0.005) for common in _PRINT_DPI)


def _metres(unit: object) -> float | None:
    try:
        return METRES[canonical_unit(str(unit))]
    except ValueError:
        return None


def _length(value: object, unit: object) -> float | None:
    """Return a length in metres, or None when it is not a positive length."""
    scale = _metres(unit)
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return _positive(number * scale) if scale is not None else None


def _positive(value: float) -> float | None:
    return value if math.isfinite(value) and value > 0 else None


def _calibration(metres: list[float | None] | list[float], source: str) -> Calibration | None:
    """Both pixel sizes, y and x, in a unit that makes them easy to read."""
    y, x = metres
    if not y or not x:
        return None
    unit = next((name for name in ("m", "mm", "µm", "nm") if min(y, x) >= 0.1 * METRES[name]), "pm")
    digits = 12  # what a rational or a decimal in a file can mean; hides the noise of the division
    return Calibration((_round(y / METRES[unit], digits), _round(x / METRES[unit], digits)), unit, source)


def _round(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")
