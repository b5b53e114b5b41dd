"""PNG files of masks, which say in a comment how large a pixel is."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np

from napari_microcnn.io.errors import WriteError
from napari_microcnn.io.lengths import believed, length
from napari_microcnn.micrograph import Calibration, Pixels

KEYWORD = "napari-microcnn"
"""Of the text that tells the pixel size."""
_HEADER = 33  # bytes of the signature and the chunk IHDR
_LONGEST = 1000


def encode_png(pixels: Pixels, axes: str, calibration: Calibration | None) -> bytes:
    """Return a PNG file of whole numbers, with the pixel size as JSON in a text chunk behind the header.

    The chunk ``pHYs`` would be its place, but word processors take that for the size on paper, and an image of a
    micrometre there cannot be seen.

    Raises
    ------
    WriteError
        If PNG cannot hold such an image; one sentence.
    """
    colour = axes == "YXC" and pixels.shape[-1] == 3
    if axes != "YX" and not colour:
        raise WriteError(f"PNG holds one image, not axes {axes!r}; choose TIFF.")
    values = np.asarray(pixels)
    if values.dtype.kind == "f":
        raise WriteError("PNG holds whole numbers only; choose TIFF for fractions such as probabilities.")
    if values.dtype.kind == "b":
        values = values.astype(np.uint8)
    if values.dtype.str[1:] not in ("u1", "u2"):
        if values.min() < 0 or values.max() > 65_535:
            raise WriteError(f"PNG holds numbers from 0 to 65535, not {values.min()} to {values.max()}; choose TIFF.")
        values = values.astype(np.uint16)
    png = bytes(imagecodecs.png_encode(np.ascontiguousarray(values)))
    if calibration is None:
        return png
    told = {"pixel_size": list(calibration.pixel_size), "unit": calibration.unit, "shape": list(values.shape[:2])}
    body = b"tEXt" + KEYWORD.encode() + b"\0" + json.dumps(told).encode()
    return png[:_HEADER] + struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) + png[_HEADER:]


def commented_size(path: Path, shape: tuple[int, ...]) -> Calibration | None:
    """Return the pixel size that `encode_png` has noted, unless the image was cropped or resized since."""
    with path.open("rb") as file:
        file.seek(_HEADER)
        start = file.read(_LONGEST)
    keyword = b"tEXt" + KEYWORD.encode() + b"\0"
    if start[4:].startswith(keyword):
        end = 8 + int.from_bytes(start[:4], "big")
        try:
            told = json.loads(start[4 + len(keyword) : end])
            if told["shape"] == list(shape[:2]):
                return believed([length(size, told["unit"]) for size in told["pixel_size"]], "PNG comment")
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
    return None
