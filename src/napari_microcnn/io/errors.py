"""What goes wrong with files, each told in one sentence that says what to do."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from tokenize import TokenError

DAMAGED = (
    struct.error, EOFError, ValueError, LookupError, TypeError, RuntimeError, AttributeError, ArithmeticError,
    AssertionError, SyntaxError, TokenError,
)  # fmt: skip
"""What libraries that read images raise on damaged files, as found by feeding them many."""


class ReadError(ValueError):
    """A file cannot be read as a micrograph; the message says why and what to do."""


class WriteError(ValueError):
    """A file cannot be written; the message says why and what to do. Nothing half-written is left."""


def too_short(path: Path, shape: Sequence[int], size: int) -> ReadError:
    """Return what to say of a file of `size` bytes whose header promises more pixels than these can hold."""
    promised = " x ".join(map(str, shape))
    return ReadError(
        f"{path.name} is truncated or its header is wrong: it promises {promised} pixels, more than its {size:,} bytes "
        "hold; copy or export it again."
    )


def no_room(path: Path) -> ReadError:
    """Return what to say of a file that is whole as far as we know, and larger than the memory."""
    return ReadError(f"{path.name} could not be read: the memory is too small for it; close other programs.")


def printable(text: str) -> str:
    """Return a text for a terminal: what would move its cursor, colour it or turn its letters around is spelled out.

    Names of files and of what is in them are chosen by whoever made them.
    """
    return "".join(letter if letter.isprintable() or letter in "\n\t" else ascii(letter)[1:-1] for letter in text)


def one_line(error: Exception | str) -> str:
    """Return a message in one line: what a person needs to mend a mistake."""
    if isinstance(error, OSError) and error.strerror:
        return printable(f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror}.")
    return printable(" ".join(str(error).split()))


def reason(path: Path, error: Exception) -> str:
    """Return why something could not be done with a file, in one line that names it."""
    return one_line(error) if path.name in str(error) else f"{path.name}: {one_line(error)}"
