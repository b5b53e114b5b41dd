"""Pixel sizes and the names of units in tables."""

from __future__ import annotations

from napari_microcnn.micrograph import Calibration

_ASCII = {"µm": "um", "Å": "angstrom"}  # spreadsheets guess encodings


def pixel_sizes(calibration: Calibration | None) -> tuple[float, float]:
    """Return the length of a pixel along y and x; 1 without calibration."""
    return calibration.pixel_size if calibration is not None else (1.0, 1.0)


def length_unit(calibration: Calibration | None) -> str:
    """Return the unit of lengths for the name of a column: ``"nm"``, ``"um"``, or ``"px"``."""
    return _ASCII.get(calibration.unit, calibration.unit) if calibration is not None else "px"
