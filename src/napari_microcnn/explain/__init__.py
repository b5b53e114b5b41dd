"""What a network sees: why it says what it says, and how far it looks."""

from __future__ import annotations
