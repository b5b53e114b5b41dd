"""The pixel size that a TIFF file knows, and where it says so.

Every vendor hides it elsewhere. A function per vendor returns a `Calibration`, or None when the file
says nothing or nothing sensible: no pixel size is better than a wrong one. `READERS` is the list
that is tried in order; another vendor is one more function in it.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tifffile import TiffFile

from napari_microcnn.io.lengths import believed, length, metres_of
from napari_microcnn.io.sidecars import beside
from napari_microcnn.io.vendors import fei, jeol_tem, olympus_sis, resolution_of, tescan, zeiss_sem
from napari_microcnn.micrograph import METRES, Calibration

_PRINT_DPI = (72, 75, 90, 96, 100, 120, 144, 150, 180, 200, 240, 254, 300, 350, 360, 400, 600, 720, 1200, 2400, 4800)
_FINEST, _COARSEST = 5e-12, 2e-6  # metres per pixel that a bare resolution tag is believed: no printer, no scanner

_ANYTHING = 1e3  # metres per pixel in formats that hold pictures of every kind, with a unit beside the number


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
        length(pixels.get(f"PhysicalSize{axis}"), pixels.get(f"PhysicalSize{axis}Unit", "µm")) for axis in ("Y", "X")
    ]
    return believed(sizes, "OME-XML PhysicalSize", largest=_ANYTHING)


def imagej(tif: TiffFile) -> Calibration | None:
    """Resolution tags, in the unit that ImageJ's description names.

    ImageJ copies the dpi of pictures from elsewhere as a resolution in inches or centimetres;
    that is no calibration.
    """
    unit = (tif.imagej_metadata or {}).get("unit")
    if not isinstance(unit, str):
        return None
    unit = unit.replace("\\u00B5", "µ").replace("\\u00b5", "µ")
    density = resolution_of(tif.pages.first)
    scale = metres_of(unit)
    if density is None or scale is None or _is_print(density, scale):
        return None
    return believed([scale / value for value in density], "ImageJ resolution", largest=_ANYTHING)


def header(tif: TiffFile) -> Calibration | None:
    """Text that JEOL, Hitachi and Tescan save beside an image."""
    path = tif.filehandle.path
    return beside(Path(path), tif.pages.first.imagewidth) if path else None


def resolution(tif: TiffFile) -> Calibration | None:
    """Bare resolution tags, when they are so fine that they can only come from a microscope."""
    page = tif.pages.first
    unit = page.tags.valueof("ResolutionUnit")
    density = resolution_of(page)
    scale = {2: METRES["inch"], 3: METRES["cm"]}.get(int(unit)) if isinstance(unit, int) else None
    if density is None or scale is None:
        return None
    sizes = [scale / value for value in density]
    if not all(_FINEST <= size <= _COARSEST for size in sizes):
        return None
    return believed(sizes, "TIFF resolution")


READERS: tuple[Callable[[TiffFile], Calibration | None], ...] = (
    ome, imagej, fei, zeiss_sem, tescan, olympus_sis, jeol_tem, header, resolution,
)  # fmt: skip
"""Who is asked for the pixel size, in this order."""


def _same_size(attributes: dict[str, str], page: Any) -> bool:
    """Whether OME-XML describes this image: other programs crop and resize but keep the text."""
    sizes = attributes.get("SizeY"), attributes.get("SizeX")
    return sizes == (str(page.imagelength), str(page.imagewidth))


def _is_print(density: tuple[float, float], unit: float) -> bool:
    """Whether a resolution is that of paper or a screen."""
    if unit < METRES["mm"]:
        return False
    dpi = density[1] * METRES["inch"] / unit
    return any(math.isclose(dpi, common, rel_tol=0.005) for common in _PRINT_DPI)
