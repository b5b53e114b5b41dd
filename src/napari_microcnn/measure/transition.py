"""Where a quantity that goes from zero to one crosses one half, with an error bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import curve_fit
from scipy.special import expit
from scipy.stats import norm
from scipy.stats import t as student

_DRAWS = 400


@dataclass(frozen=True, eq=False)
class Transition:
    """A transition found in the answers of a network; as text with its 95 % interval.

    Attributes
    ----------
    temperature : float
        Where the fitted step crosses one half.
    error : float
        Standard error of it.
    margin : float
        Half of its 95 % interval: as many standard errors as Student's distribution asks for so few networks.
    width : float
        Of the step: between 0.27 and 0.73.
    temperatures, means, spreads : numpy.ndarray, (T,)
        Mean output at every temperature and its standard error.
    """

    temperature: float
    error: float
    margin: float
    width: float
    temperatures: NDArray[np.float64]
    means: NDArray[np.float64]
    spreads: NDArray[np.float64]

    def __str__(self) -> str:
        return f"{self.temperature:.4f} ± {self.margin:.4f}"

    def contains(self, temperature: float) -> bool:
        """Whether a temperature lies in the 95 % interval."""
        return abs(self.temperature - temperature) <= self.margin

    def table(self) -> dict[str, NDArray[np.float64]]:
        """Return the columns of a table, one row for every temperature."""
        return {"temperature": self.temperatures, "mean output": self.means, "standard error": self.spreads}

    def curves(self, exact: float) -> dict[str, tuple[list[float], list[float]]]:
        """Return what a picture shows over the temperature, beside the exact value."""
        fine = np.linspace(self.temperatures[0], self.temperatures[-1], 400)
        return {
            "output": (self.temperatures.tolist(), self.means.tolist()),
            f"step at {self}": (fine.tolist(), self.step(fine).tolist()),
            f"exact {exact:.4f}": ([exact, exact], [0.0, 1.0]),
            "one half": ([float(fine[0]), float(fine[-1])], [0.5, 0.5]),
        }

    def about(self, exact: float) -> dict[str, Any]:
        """Return crossing and error bar beside the exact value, ready for JSON."""
        return {
            "crossing": self.temperature,
            "standard_error": self.error,
            "width": self.width,
            "exact": exact,
            "relative_deviation": self.temperature / exact - 1,
            "margin_of_95_percent": self.margin,
            "contains_exact": self.contains(exact),
        }

    def sentence(self, exact: float) -> str:
        """Return the result for people."""
        side = "contains" if self.contains(exact) else "does not contain"
        return (
            f"The output crosses one half at {self}; exact: {exact:.4f} (Onsager). "
            f"That is {self.temperature / exact - 1:+.2%} off; the error bar (95 %) {side} it."
        )

    def step(self, temperatures: ArrayLike) -> NDArray[np.float64]:
        """Return the fitted step at some temperatures."""
        return _step(np.asarray(temperatures, float), self.temperature, self.width)


def find_transition(temperatures: ArrayLike, outputs: ArrayLike, seed: int = 0) -> Transition:
    """Fit a step to outputs against temperature, and bootstrap it.

    Parameters
    ----------
    temperatures : array-like, (N,)
        Of the configurations.
    outputs : array-like, (N,) or (M, N)
        Of one network, or of several that were taught with different configurations: probability of
        the class above the transition. The error bar tells of both, of the configurations (bootstrap) and of
        the networks (spread of their crossings); of a single network it tells only of the configurations.
    seed : int
        Of the bootstrap.

    Returns
    -------
    Transition

    Raises
    ------
    ValueError
        If there are too few temperatures, or the outputs do not cross one half.
    """
    at = np.asarray(temperatures, float)
    values = np.atleast_2d(np.asarray(outputs, float))
    if at.ndim != 1 or values.shape[1] != len(at):
        raise ValueError(f"Every output needs its temperature: there are {at.shape} and {values.shape}.")
    distinct, group = np.unique(at, return_inverse=True)
    means = _means(values.mean(axis=0), group)
    if len(distinct) < 4 or not means[0] < 0.5 < means[-1]:
        raise ValueError(
            f"The output goes from {means[0]:.2f} to {means[-1]:.2f} over {len(distinct)} temperatures; a transition "
            f"needs at least four, from below one half to above: widen the range, or train longer."
        )
    place, width = _fitted(distinct, means)
    rng = np.random.default_rng(seed)
    average = values.mean(axis=0)
    drawn = [_fitted(distinct, _resampled(average, group, rng), (place, width))[0] for _ in range(_DRAWS)]
    places = [_fitted(distinct, _means(one, group))[0] for one in values]
    error, margin = _error(float(np.std(drawn)), places)
    count = np.bincount(group)
    variance = _means((average - means[group]) ** 2, group)
    spreads = np.sqrt(variance / np.maximum(count - 1, 1))
    return Transition(place, error, margin, width, distinct, means, spreads)


def _error(configurations: float, places: Sequence[float]) -> tuple[float, float]:
    """Return the standard error, and half of the 95 % interval, of the mean crossing of some networks.

    Parameters
    ----------
    configurations : float
        Standard error for the configurations that the networks were asked for.
    places : sequence of float
        Crossing of every network.

    References
    ----------
    B. L. Welch, Biometrika 34 (1947) 28: degrees of freedom of a sum of variances.
    """
    number = len(places)
    networks = float(np.std(places, ddof=1)) / np.sqrt(number) if number > 1 else 0.0
    error = float(np.hypot(configurations, networks))
    if networks == 0:
        return error, float(norm.ppf(0.975)) * error
    freedom = (number - 1) * (error / networks) ** 4
    return error, float(student.ppf(0.975, freedom)) * error


def _step(at: NDArray[np.float64], place: float, width: float) -> NDArray[np.float64]:
    return np.asarray(expit(2 * (at - place) / width))


def _fitted(
    at: NDArray[np.float64], means: NDArray[np.float64], start: tuple[float, float] | None = None
) -> tuple[float, float]:
    """Return place and width of the step that fits best."""
    crossing = float(np.interp(0.5, np.maximum.accumulate(means), at))
    place, width = start or (crossing, float(np.ptp(at)) / 20)

    def sharp(at: NDArray[np.float64], place: float, logarithm: float) -> NDArray[np.float64]:
        return _step(at, place, float(np.exp(logarithm)))

    least = np.log(float(np.diff(at).min()) / 20)  # a step between two temperatures has no width to be found
    try:
        (place, logarithm), _ = curve_fit(sharp, at, means, (place, np.log(width)), maxfev=200)
    except RuntimeError:
        return crossing, float(np.exp(least))
    return float(np.clip(place, at[0], at[-1])), float(np.exp(np.clip(logarithm, least, np.log(np.ptp(at)))))


def _means(values: NDArray[np.float64], group: NDArray[np.intp]) -> NDArray[np.float64]:
    return np.asarray(np.bincount(group, values) / np.bincount(group))


def _resampled(values: NDArray[np.float64], group: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the means of outputs drawn with replacement at every temperature."""
    order = np.argsort(group, kind="stable")
    count = np.bincount(group)
    first = np.concatenate([[0], np.cumsum(count)[:-1]])
    chosen = order[first[group[order]] + (rng.random(len(order)) * count[group[order]]).astype(int)]
    return _means(values[chosen], group[order])
