"""Lengths as files give them, checked before anybody believes them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from napari_microcnn.micrograph import METRES, Calibration, canonical_unit

_SMALLEST, _LARGEST = 1e-13, 1e-2
"""Metres per pixel: finer than a tenth of a picometre or coarser than a centimetre is no micrograph."""
_ANISOTROPY = 10
"""Pixels more oblong than this are a mistake in the file."""


def metres_of(unit: object) -> float | None:
    """Return a unit in metres, or None when it is no unit of length."""
    try:
        return METRES[canonical_unit(str(unit))]
    except ValueError:
        return None


def length(value: object, unit: object) -> float | None:
    """Return a length in metres, or None when it is not a positive length."""
    scale = metres_of(unit)
    number = number_of(value)
    return positive(number * scale) if scale is not None and number is not None else None


def number_of(value: object) -> float | None:
    """Return a number that may be written with a decimal comma, or None."""
    if isinstance(value, bool):
        return None
    try:
        return float(value.replace(",", ".")) if isinstance(value, str) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None


def positive(value: float) -> float | None:
    """Return a number if it is finite and above zero."""
    return value if math.isfinite(value) and value > 0 else None


def believed(metres: Sequence[float | None], source: str, *, largest: float = _LARGEST) -> Calibration | None:
    """Return both pixel sizes, y and x, in a unit that makes them easy to read.

    Parameters
    ----------
    metres : sequence of float or None
        Length per pixel along y and x in metres.
    source : str
        Who says so.
    largest : float
        Metres per pixel that are too much for whoever says so.

    Returns
    -------
    Calibration or None
        None when a size is missing, no positive number, or such as no micrograph has.
    """
    y, x = metres
    if y is None or x is None or not positive(y) or not positive(x):
        return None
    if min(y, x) < _SMALLEST or max(y, x) > largest or max(y, x) > _ANISOTROPY * min(y, x):
        return None
    unit = next((name for name in ("m", "mm", "µm", "nm") if min(y, x) >= 0.1 * METRES[name]), "pm")
    digits = 12  # what a rational or a decimal in a file can mean; hides the noise of the division
    return Calibration((_round(y / METRES[unit], digits), _round(x / METRES[unit], digits)), unit, source)


def _round(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")
