"""What goes wrong with files, each told in one sentence that says what to do."""

from __future__ import annotations

import struct

DAMAGED = (struct.error, EOFError, ValueError, IndexError, TypeError, RuntimeError)
"""What libraries that read images raise on damaged files, as found by feeding them many."""


class ReadError(ValueError):
    """A file cannot be read as a micrograph; the message says why and what to do."""


class WriteError(ValueError):
    """A file cannot be written; the message says why and what to do. Nothing half-written is left."""
