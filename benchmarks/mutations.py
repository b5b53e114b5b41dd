"""Ways to spoil a file, always the same for the same seed; for `benchmarks.fuzz`."""

from __future__ import annotations

import random
import re
import struct
import zlib
from pathlib import Path

from napari_microcnn.io.journal import MAGIC

_LIES = (0, 1, 2, 127, 255, 256, 32_767, 65_535, 1 << 20, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, (1 << 63) - 1)
_WORDS = (b"-1", b"1e999", b"NaN", b"null", b"true", b'"x"', b"[]", b"{}", b"9" * 40, b"9" * 6000, b"[" * 60_000)
_VALUES = re.compile(rb'(?<=[:\[,=] )[-\w.]+|(?<=  )[-\w.]+|(?<=[:\[,=])[-\w.]+|(?<=:)"[^"\n]*"|(?<=:)\[[^\[\n]*?\]')
_FRONT = 600
"""Bytes at the front in which most headers lie."""


def spoilt(content: bytes, rng: random.Random) -> bytes:
    """Return a file that is cut, flipped, told lies about its sizes, or has parts twice or none."""
    ways = (_cut, _flipped, _lying, _lying, _repeated, _dropped, _worded, _worded, _zeroed)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        content = rng.choice(ways)(content, rng) or b"\0"
    if content.startswith(MAGIC) and rng.random() < 0.8:
        return _framed(content)
    return _checked(content) if content.startswith(b"\x89PNG") and rng.random() < 0.8 else content


def spoil_folder(folder: Path, rng: random.Random) -> None:
    """Spoil a file of a folder, more often one that describes the others, or leave one out, or put another there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for _ in range(rng.choice((1, 1, 2))):
        small = [path for path in files if path.suffix == ".json" or path.name.startswith((".z", "journal"))]
        path = rng.choice(small if small and rng.random() < 0.6 else files)
        if rng.random() < 0.85:
            path.write_bytes(spoilt(path.read_bytes(), rng))
        else:
            other = rng.choice((None, path.parent, *files))
            content = other.read_bytes() if other in files and other is not None else b""
            path.unlink()
            if other in files:
                path.write_bytes(content)
            elif other is not None:
                path.mkdir()
        files = [path for path in files if path.is_file()]


def _place(content: bytes, rng: random.Random) -> int:
    front = min(_FRONT, len(content))
    return rng.choice((rng.randrange(front), len(content) - 1 - rng.randrange(front), rng.randrange(len(content))))


def _cut(content: bytes, rng: random.Random) -> bytes:
    return content[: _place(content, rng)]


def _flipped(content: bytes, rng: random.Random) -> bytes:
    spoiled = bytearray(content)
    for _ in range(rng.randint(1, 8)):
        spoiled[_place(content, rng)] ^= 1 << rng.randrange(8)
    return bytes(spoiled)


def _lying(content: bytes, rng: random.Random) -> bytes:
    length = rng.choice((1, 2, 4, 8))
    lie = (rng.choice(_LIES) % (1 << 8 * length)).to_bytes(length, rng.choice(("little", "big")))
    at = _place(content, rng)
    return content[:at] + lie + content[at + length :]


def _repeated(content: bytes, rng: random.Random) -> bytes:
    at, length = _place(content, rng), rng.randint(1, 300)
    return content[:at] + content[at : at + length] * rng.randint(1, 20) + content[at:]


def _dropped(content: bytes, rng: random.Random) -> bytes:
    at = _place(content, rng)
    return content[:at] + content[at + rng.randint(1, 300) :]


def _zeroed(content: bytes, rng: random.Random) -> bytes:
    at, length = _place(content, rng), rng.randint(1, 100)
    return content[:at] + bytes(length) + content[at + length :]


def _worded(content: bytes, rng: random.Random) -> bytes:
    """Replace a value in the text of a file by one that nobody expects, as JSON may hold it."""
    values = list(_VALUES.finditer(content))
    if not values:
        return _lying(content, rng)
    one = rng.choice(values)
    told = content[: one.start()] + rng.choice(_WORDS) + content[one.end() :]
    header = struct.unpack_from("<Q", content)[0] if content[8:9] == b"{" else 0
    if header and one.start() < header:  # safetensors: the length of the header goes before it
        told = struct.pack("<Q", header + len(told) - len(content)) + told[8:]
    return told


def _framed(content: bytes) -> bytes:
    """Give the records of a session the lengths and checksums that they now need."""
    made, start = MAGIC, len(MAGIC)
    places = [match.start() for match in re.finditer(rb'\{"name"', content)]
    for at, end in zip(places, [*(place - 8 for place in places[1:]), len(content)], strict=False):
        part = content[max(at, start) : end]
        made += struct.pack("<II", len(part), zlib.crc32(part)) + part
    return made


def _checked(content: bytes) -> bytes:
    """Give the chunks of a PNG the checksums that they now need."""
    made, at = bytearray(content), 8
    while at + 12 <= len(made):
        end = at + 8 + struct.unpack_from(">I", made, at)[0]
        if end + 4 > len(made):
            break
        struct.pack_into(">I", made, end, zlib.crc32(bytes(made[at + 4 : end])))
        at = end + 4
    return bytes(made)
