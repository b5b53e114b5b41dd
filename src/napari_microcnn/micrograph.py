"""A micrograph: pixels together with what one pixel measures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import dask.array as da

Pixels: TypeAlias = "np.ndarray[Any, Any] | da.Array"
"""Pixels in memory, or read when they are needed."""

METRES = {"pm": 1e-12, "Å": 1e-10, "nm": 1e-9, "µm": 1e-6, "mm": 1e-3, "cm": 1e-2, "m": 1.0, "inch": 0.0254}
"""Length units a calibration may use, in metres."""

_SPELLINGS = {
    **{unit: unit for unit in METRES},
    **{"um": "µm", "μm": "µm", "micron": "µm", "microns": "µm", "micrometer": "µm", "micrometre": "µm"},
    **{"nanometer": "nm", "nanometre": "nm", "picometer": "pm", "picometre": "pm"},
    **{"millimeter": "mm", "millimetre": "mm", "meter": "m", "metre": "m", "centimeter": "cm", "centimetre": "cm"},
    **{"a": "Å", "å": "Å", "angstrom": "Å", "ångström": "Å", "in": "inch", "inches": "inch"},
}

BY_HAND = "set by the user"
"""Source of a calibration that no file tells."""
DRAWN = "databar"
"""Key of a micrograph's metadata: (top, bottom, left, right) of what the user drew, instead of what would be found."""

_NUMBER_AND_UNIT = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([^\W\d_].*)")


def canonical_unit(unit: str) -> str:
    """Return the one spelling this package uses for a length unit.

    Parameters
    ----------
    unit : str
        For example ``"um"``, ``"µm"``, ``"micron"`` or ``"nanometer"``.

    Raises
    ------
    ValueError
        If the unit is not a known length.
    """
    text = unit.strip()
    found = _SPELLINGS.get(text) or _SPELLINGS.get(text.lower())
    if found is None:
        raise ValueError(f"{unit!r} is not a known length unit; use one of {', '.join(METRES)}.")
    return found


@dataclass(frozen=True)
class Calibration:
    """The size of a pixel, and who says so.

    Attributes
    ----------
    pixel_size : tuple of float
        Length per pixel along y and x, in `unit`.
    unit : str
        Length unit, one of `METRES` (other spellings are accepted and made canonical).
    source : str
        Where the calibration came from, for example ``"Zeiss SEM tag 34118"``.
    """

    pixel_size: tuple[float, float]
    unit: str
    source: str

    def __post_init__(self) -> None:
        if not all(np.isfinite(size) and size > 0 for size in self.pixel_size):
            raise ValueError(f"A pixel size must be a positive length, not {self.pixel_size} {self.unit}.")
        object.__setattr__(self, "unit", canonical_unit(self.unit))

    @classmethod
    def parse(cls, text: str, source: str = BY_HAND) -> Calibration:
        """Read a calibration from text such as ``"0.25 um"``, with or without the space.

        Raises
        ------
        ValueError
            If that is no number and unit of length, or the number is not positive.
        """
        parts = _NUMBER_AND_UNIT.fullmatch(text.strip())
        if parts is None:
            raise ValueError(f"{text!r} is not a pixel size; write a number and a unit, like '0.25 um'.")
        size = float(parts[1])
        return cls((size, size), parts[2], source)

    @classmethod
    def of_bar(cls, text: str, pixels: float) -> Calibration:
        """Return the pixel size of an image whose scale bar is so many pixels long.

        Parameters
        ----------
        text : str
            What is written beside the bar, such as ``"10 um"``.
        pixels : float
            Its length in the image.

        Raises
        ------
        ValueError
            If the text is no length, or the bar is shorter than two pixels.
        """
        if not np.isfinite(pixels) or pixels < 2:
            raise ValueError("The ends of the scale bar lie less than two pixels apart; click both ends of it.")
        try:
            whole = cls.parse(text)
        except ValueError:
            raise ValueError(f"{text!r} is no length; write what stands beside the scale bar, like '10 um'.") from None
        size = whole.pixel_size[0] / pixels
        return cls((size, size), whole.unit, f"{BY_HAND}, scale bar of {text.strip()}")

    def to(self, unit: str) -> Calibration:
        """Return the same calibration expressed in another unit."""
        unit = canonical_unit(unit)
        factor = METRES[self.unit] / METRES[unit]
        y, x = self.pixel_size
        return replace(self, pixel_size=(y * factor, x * factor), unit=unit)

    def __str__(self) -> str:
        y, x = self.pixel_size
        size = f"{x:.6g}" if np.isclose(y, x) else f"{y:.6g} x {x:.6g}"
        return f"{size} {self.unit}/px ({self.source})"


@dataclass(frozen=True, eq=False)
class Micrograph:
    """An image, or a stack of images, with its calibration.

    Attributes
    ----------
    pixels : numpy.ndarray or dask.array.Array
        Real numbers of any type; dask when the image is read lazily.
    axes : str
        One letter per dimension: any of ``"T"`` and ``"Z"`` first, then ``"YX"``, then
        ``"C"`` when there are channels. At most four dimensions.
    calibration : Calibration or None
        None when nobody knows the size of a pixel.
    name : str
        Short name, usually the file's stem.
    path : Path or None
        The file the pixels came from.
    metadata : dict
        Whatever else the reader found worth keeping (instrument, magnification, ...).
    """

    pixels: Pixels
    axes: str = "YX"
    calibration: Calibration | None = None
    name: str = "micrograph"
    path: Path | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.axes) != self.pixels.ndim:
            raise ValueError(f"Axes {self.axes!r} do not fit an array of shape {self.pixels.shape}.")
        if self.axes.removesuffix("C") not in ("YX", "ZYX", "TYX", "TZYX") or self.pixels.ndim > 4:
            raise ValueError(
                f"A micrograph has the axes YX, with T or Z before and C after them and at most four in all; "
                f"this one has {self.axes!r} with shape {self.pixels.shape}. Open one series or channel of it."
            )
        if self.pixels.dtype.kind not in "buif":
            raise ValueError(f"Pixels must be real numbers, not {self.pixels.dtype}; take magnitude or phase first.")
        if 0 in self.pixels.shape:
            raise ValueError(f"The image is empty: its shape is {self.pixels.shape}.")

    @property
    def channels(self) -> int:
        """Number of channels; 1 without a channel axis."""
        return int(self.pixels.shape[-1]) if self.axes.endswith("C") else 1

    @property
    def plane_shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        y = self.axes.index("Y")
        return int(self.pixels.shape[y]), int(self.pixels.shape[y + 1])

    @property
    def stack_shape(self) -> tuple[int, ...]:
        """Lengths of the axes before ``YX``; empty for a single plane."""
        return tuple(int(n) for n in self.pixels.shape[: self.axes.index("Y")])

    def planes(self) -> Iterator[tuple[tuple[int, ...], Pixels]]:
        """Yield the stack index and the pixels, (Y, X) or (Y, X, C), of every plane, unread if lazy."""
        for index in np.ndindex(self.stack_shape):
            yield index, self.pixels[index]
