"""The pixel size in a text file that a microscope saves beside the image."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from napari_microcnn.io.lengths import believed, length, number_of
from napari_microcnn.io.vendors import tescan_text
from napari_microcnn.micrograph import Calibration

_LARGEST = 1 << 20
"""No header is longer, in bytes."""


def beside(path: Path, width: int) -> Calibration | None:
    """Look for a header of JEOL, Hitachi or Tescan beside an image.

    Parameters
    ----------
    path : Path
        The image; its header has the same name but for the ending.
    width : int
        Columns of the image; a header of an image of another width is not believed.
    """
    for endings, read in ((("{stem}.txt",), _text), (("{stem}.hdr", "{stem}-{kind}.hdr", "{name}.hdr"), _tescan)):
        for ending in endings:
            name = ending.format(stem=path.stem, kind=path.suffix[1:], name=path.name)
            for spelling in (name, name[:-4] + name[-4:].upper()):
                header = path.with_name(spelling)
                text = _read(header)
                found = read(text, header.name, width) if text is not None else None
                if found is not None:
                    return found
    return None


def _text(text: str, name: str, width: int) -> Calibration | None:
    if "$$SM_MICRON_BAR" in text:
        return _jeol(text, name, width)
    return _hitachi(text, name, width) if "[SemImageFile]" in text else None


def _jeol(text: str, name: str, width: int) -> Calibration | None:
    """Length of the micron marker over that of its bar in pixels."""
    said = {key: rest.strip() for key, _, rest in (line.strip().partition(" ") for line in text.splitlines())}
    widths = [
        number_of(said[key].split()[0]) for key in ("$CM_FULL_SIZE", "$CM_IMAGE_SIZE") if said.get(key, "").split()
    ]
    if widths and width not in widths:
        return None
    marker = re.fullmatch(r"([\d.,]+)\s*([^\W\d]+)", said.get("$$SM_MICRON_MARKER", ""))
    bar = number_of(said.get("$$SM_MICRON_BAR"))
    if marker is None or bar is None or not 1 <= bar <= width:
        return None
    metres = length(marker[1], marker[2])
    size = metres / bar if metres else None
    return believed([size, size], f"JEOL header {name}, SM_MICRON_MARKER")


def _hitachi(text: str, name: str, width: int) -> Calibration | None:
    """``PixelSize`` in nm."""
    said = dict(re.findall(r"^\s*(\w+)\s*=\s*(.*?)\s*$", text, re.MULTILINE))
    columns = re.match(r"\d+", said.get("DataSize", ""))
    if columns and number_of(columns[0]) != width:
        return None
    size = length(said.get("PixelSize"), "nm")
    return believed([size, size], f"Hitachi header {name}, PixelSize")


def _tescan(text: str, name: str, width: int) -> Calibration | None:  # noqa: ARG001 - Tescan tells no width
    return tescan_text(text, f"Tescan header {name}") if "[MAIN]" in text else None


def _read(path: Path) -> str | None:
    """Return the text of a header, in UTF-16, UTF-8 or Latin-1, or None if there is none."""
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            return None
        content = path.read_bytes()
    except OSError:
        return None
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")
