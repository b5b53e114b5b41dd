"""Small DM3 and DM4 files of Gatan's DigitalMicrograph, which no library writes; for `benchmarks.specimens`."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

_ARRAY, _FLOAT, _UINT32, _UINT16, _INT16 = 20, 6, 5, 4, 2


def write_dm(path: Path, grey: np.ndarray[Any, Any], version: int) -> Path:
    """Write an image with a scale as the tags of a DM file of version 3 or 4."""
    tags = _Tags(version)
    unit = tags.array("Units", "nm".encode("utf-16-le"), _UINT16, 2)
    dims = [tags.group("", tags.number("Origin", 0, _FLOAT), tags.number("Scale", 0.25, _FLOAT), unit)] * 2
    none = tags.array("Units", b"", _UINT16, 0)
    bright = tags.group("Brightness", tags.number("Origin", 0, _FLOAT), tags.number("Scale", 1, _FLOAT), none)
    sides = [tags.number("", side, _UINT32) for side in grey.shape[::-1]]
    data = tags.group(
        "ImageData",
        tags.group("Calibrations", bright, tags.group("Dimension", *dims)),
        tags.array("Data", grey.astype("<i2").tobytes(), _INT16, grey.size),
        tags.number("DataType", 1, _UINT32),
        tags.group("Dimensions", *sides),
        tags.number("PixelDepth", 2, _UINT32),
    )
    image = tags.group("", data, tags.group("ImageTags"), tags.array("Name", "a".encode("utf-16-le"), _UINT16, 1))
    source = tags.group("ImageSourceList", tags.group("", tags.number("ImageRef", 0, _UINT32)))
    root = tags.entries(tags.group("ImageList", image), source)
    path.write_bytes(struct.pack(">i", version) + tags.long(len(root)) + struct.pack(">i", 1) + root + bytes(8))
    return path


class _Tags:
    """Makes tags: numbers are little-endian, lengths big-endian, with 32 bits in version 3 and 64 in version 4."""

    def __init__(self, version: int) -> None:
        self._version = version

    def long(self, *values: int) -> bytes:
        return struct.pack(f">{len(values)}{'q' if self._version == 4 else 'i'}", *values)

    def entries(self, *entries: bytes) -> bytes:
        return b"\1\0" + self.long(len(entries)) + b"".join(entries)

    def group(self, name: str, *entries: bytes) -> bytes:
        return self._tagged(name, self.entries(*entries), 20)

    def number(self, name: str, value: float, code: int) -> bytes:
        packed = struct.pack("<f", value) if code == _FLOAT else struct.pack("<I", int(value))
        return self._tagged(name, b"%%%%" + self.long(1, code) + packed, 21)

    def array(self, name: str, data: bytes, code: int, count: int) -> bytes:
        return self._tagged(name, b"%%%%" + self.long(3, _ARRAY, code, count) + data, 21)

    def _tagged(self, name: str, content: bytes, kind: int) -> bytes:
        length = self.long(len(content)) if self._version == 4 else b""
        return struct.pack(">bh", kind, len(name)) + name.encode() + length + content
