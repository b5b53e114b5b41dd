"""Grain size numbers of ASTM E112 and ISO 643, and what the standards ask of a measurement."""

from __future__ import annotations

import math
from collections.abc import Sequence

from napari_microcnn.measure.interval import Estimate

GRAINS_PER_FIELD = 50
"""ASTM E112, planimetric procedure: about as many grains as a field should show."""

FIELDS = 3
"""ASTM E112, planimetric procedure: as many fields at least."""

ACCURACY = 10.0
"""ASTM E112: %RA up to which a result is good enough for most purposes."""


def number_from_density(per_mm2: float) -> float:
    """Return G of so many grains per mm2 (ASTM E112, planimetric); minus infinity without any."""
    return 3.321928 * math.log10(per_mm2) - 2.954 if per_mm2 > 0 else -math.inf


def number_from_intercept(millimetres: float) -> float:
    """Return G of a mean lineal intercept (ASTM E112, intercept procedures); minus infinity if it is infinite."""
    return -6.643856 * math.log10(millimetres) - 3.288 if millimetres > 0 else math.inf


def iso_number(per_mm2: float) -> float:
    """Return the grain size index of ISO 643, of which G = 0 are 8 grains per mm2."""
    return math.log2(per_mm2) - 3 if per_mm2 > 0 else -math.inf


def warnings_of(grains: Sequence[float], density: Estimate, intercept: Estimate, parts: bool) -> list[str]:
    """Say what the standard would object to.

    Parameters
    ----------
    grains : sequence of float
        Equivalent number of grains in every field.
    density, intercept : Estimate
        Of all fields.
    parts : bool
        Whether the spread comes from parts of the fields.
    """
    found = []
    few = sum(count < GRAINS_PER_FIELD for count in grains)
    if few:
        found.append(
            f"{few} of {len(grains)} fields show fewer than {GRAINS_PER_FIELD} grains (the fewest: {min(grains):.0f}); "
            "ASTM E112 asks for about that many: use a lower magnification."
        )
    if len(grains) < FIELDS:
        found.append(
            f"Only {len(grains)} field{'s' if len(grains) > 1 else ''}; ASTM E112 asks for {FIELDS} at least, taken "
            "blindly over the section."
        )
    if parts:
        found.append(
            "The interval comes from the parts of the fields: it says nothing of how places farther apart differ."
        )
    for name, estimate in (("number of grains per area", density), ("mean lineal intercept", intercept)):
        if estimate.relative_accuracy > ACCURACY:
            found.append(
                f"The relative accuracy of the {name} is {estimate.relative_accuracy:.0f} %; ASTM E112 asks for "
                f"{ACCURACY:.0f} % or better: measure more fields."
            )
    return found
