"""Means over fields with the interval they leave open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit  # scipy.stats takes half a second to import


@dataclass(frozen=True)
class Estimate:
    """A mean over fields with its 95 % interval.

    Attributes
    ----------
    value : float
    low, high : float
        Ends of the interval; nan where a single field says nothing of the spread.
    fields : int
        Number of fields, or parts of a field, that the spread comes from.
    """

    value: float
    low: float
    high: float
    fields: int

    @property
    def margin(self) -> float:
        """Half of the interval."""
        return (self.high - self.low) / 2

    @property
    def relative_accuracy(self) -> float:
        """Half of the interval in percent of the value: %RA of ASTM E112."""
        return 100 * self.margin / abs(self.value) if self.value else float("nan")

    def contains(self, value: float) -> bool:
        """Whether a value lies in the interval."""
        return self.low <= value <= self.high

    def mapped(self, function: Callable[[float], float]) -> Estimate:
        """Return a quantity that grows or falls with this one, with the interval that belongs to it."""
        low, high = sorted((function(self.low), function(self.high)))
        return Estimate(function(self.value), low, high, self.fields)

    def __str__(self) -> str:
        return f"{self.value:.4g}" + (f" ({self.low:.4g} to {self.high:.4g})" if np.isfinite(self.margin) else "")


def ratio(counted: ArrayLike, examined: ArrayLike) -> Estimate:
    """Return the total counted over the total examined, with the interval from the spread between fields.

    For fields of one size this is the mean over the fields with t s / sqrt(n), as in ASTM E112 and E562; fields of
    different size weigh by it. The interval ends at 0, since nothing can be less.

    Parameters
    ----------
    counted : array-like, (N,)
        What was counted in every field: grains, intersections, points, pixels.
    examined : array-like, (N,)
        What it was counted on: area, line length, number of points. Fields without any are left out.

    Returns
    -------
    Estimate
        nan if nothing was examined.

    References
    ----------
    W. G. Cochran, Sampling Techniques, 3rd ed. (1977), section 6.4: the ratio estimate and its variance.
    """
    above, below = (np.asarray(values, float) for values in (counted, examined))
    used = below > 0
    above, below = above[used], below[used]
    number = len(below)
    if number == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    value = float(above.sum() / below.sum())
    if number < 2:
        return Estimate(value, float("nan"), float("nan"), number)
    variance = number / (number - 1) * float(((above - value * below) ** 2).sum()) / float(below.sum()) ** 2
    margin = float(stdtrit(number - 1, 0.975) * np.sqrt(variance))
    return Estimate(value, max(value - margin, 0.0), value + margin, number)
