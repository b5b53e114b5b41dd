"""What goes wrong with files, each told in one sentence that says what to do."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from tokenize import TokenError

DAMAGED = (
    struct.error, EOFError, ValueError, LookupError, TypeError, RuntimeError, AttributeError, ArithmeticError,
    AssertionError, SyntaxError, TokenError, MemoryError,
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


def one_line(error: Exception | str) -> str:
    """Return a message in one line: what a person needs to mend a mistake."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror}."
    return " ".join(str(error).split())


def reason(path: Path, error: Exception) -> str:
    """Return why something could not be done with a file, in one line that names it."""
    return one_line(error) if path.name in str(error) else f"{path.name}: {one_line(error)}"
