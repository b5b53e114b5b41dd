"""Where a quantity that goes from zero to one crosses one half, with an error bar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import curve_fit
from scipy.special import expit

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
    width : float
        Of the step: between 0.27 and 0.73.
    temperatures, means, spreads : numpy.ndarray, (T,)
        Mean output at every temperature and its standard error.
    """

    temperature: float
    error: float
    width: float
    temperatures: NDArray[np.float64]
    means: NDArray[np.float64]
    spreads: NDArray[np.float64]

    def __str__(self) -> str:
        return f"{self.temperature:.4f} ± {2 * self.error:.4f}"

    def contains(self, temperature: float) -> bool:
        """Whether a temperature lies within two standard errors."""
        return abs(self.temperature - temperature) <= 2 * self.error

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
            "within_two_standard_errors": self.contains(exact),
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
        the class above the transition. The error bar tells of both, of the configurations and of the networks.
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
    drawn = [_fitted(distinct, _resampled(values, group, rng), (place, width))[0] for _ in range(_DRAWS)]
    count = np.bincount(group)
    variance = _means((values.mean(axis=0) - means[group]) ** 2, group)
    return Transition(place, float(np.std(drawn)), width, distinct, means, np.sqrt(variance / np.maximum(count - 1, 1)))


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
    """Return the means of networks and configurations drawn with replacement, the latter at every temperature."""
    order = np.argsort(group, kind="stable")
    count = np.bincount(group)
    first = np.concatenate([[0], np.cumsum(count)[:-1]])
    chosen = order[first[group[order]] + (rng.random(len(order)) * count[group[order]]).astype(int)]
    networks = rng.integers(0, len(values), len(values))
    return _means(values[networks][:, chosen].mean(axis=0), group[order])
