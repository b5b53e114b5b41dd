"""What is known exactly of the two-dimensional Ising model (J = k = 1, no field).

References
----------
L. Onsager, Physical Review 65 (1944) 117: critical temperature and energy.
C. N. Yang, Physical Review 85 (1952) 808: spontaneous magnetisation.
B. Kaufman, Physical Review 76 (1949) 1232: finite lattices.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ellipk

CRITICAL_TEMPERATURE = 2 / math.log(1 + math.sqrt(2))
"""2.269185...: below it the infinite lattice is magnetised."""


def energy(temperature: ArrayLike) -> NDArray[np.float64]:
    """Return the energy per spin of the infinite lattice.

    Parameters
    ----------
    temperature : array-like
        Above zero, in units of the coupling.

    Returns
    -------
    numpy.ndarray
        float64, between -2 and 0.

    Examples
    --------
    >>> float(energy(CRITICAL_TEMPERATURE).round(4))
    -1.4142
    """
    double = 2 / _checked(temperature)
    modulus = 2 * np.sinh(double) / np.cosh(double) ** 2
    # At the critical point the integral diverges while its factor vanishes.
    integral = ellipk(np.minimum(modulus**2, 1 - 1e-15))
    return np.asarray(-(1 + 2 / np.pi * (2 * np.tanh(double) ** 2 - 1) * integral) / np.tanh(double))


def magnetisation(temperature: ArrayLike) -> NDArray[np.float64]:
    """Return the spontaneous magnetisation per spin of the infinite lattice, 0 to 1.

    Parameters
    ----------
    temperature : array-like
        Above zero, in units of the coupling.

    Examples
    --------
    >>> magnetisation([1.0, 3.0]).round(4).tolist()
    [0.9993, 0.0]
    """
    return np.asarray(np.maximum(1 - np.sinh(2 / _checked(temperature)) ** -4.0, 0) ** 0.125)


def energy_of_lattice(temperature: float, side: int) -> float:
    """Return the mean energy per spin of a lattice of `side` x `side` spins that closes on itself.

    Kaufman's partition function, whose logarithm is differentiated numerically.

    Parameters
    ----------
    temperature : float
        Above zero, in units of the coupling.
    side : int
        At least 2.
    """
    coupling, step = 1 / float(_checked(temperature)), 1e-4
    above, below = _log_partition(coupling + step, side), _log_partition(coupling - step, side)
    return -(above - below) / (2 * step * side**2)


def _log_partition(coupling: float, side: int) -> float:
    """Return the logarithm of Kaufman's partition function of a square lattice on a torus."""
    gamma = _gamma(coupling, np.arange(2 * side), side)
    odd, even = side / 2 * gamma[1::2], side / 2 * gamma[0::2]
    # Factors 2 cosh and 2 sinh as logarithms, so that large lattices do not overflow; the first of
    # the even ones is negative above the critical temperature, and takes its sign into the product.
    parts = [_log_two_cosh(odd), _log_two_sinh(odd), _log_two_cosh(even), _log_two_sinh(even)]
    signs = np.array([1.0, 1.0, 1.0, np.prod(np.sign(even))])
    largest = max(parts)
    total = float(np.sum(signs * np.exp(np.array(parts) - largest)))
    return math.log(total / 2) + largest + side**2 / 2 * math.log(2 * math.sinh(2 * coupling))


def _gamma(coupling: float, number: NDArray[np.int64], side: int) -> NDArray[np.float64]:
    double = 2 * coupling
    gamma = np.arccosh(np.cosh(double) / np.tanh(double) - np.cos(np.pi * number / side))
    gamma[0] = double + math.log(math.tanh(coupling))
    return np.asarray(gamma)


def _log_two_cosh(x: NDArray[np.float64]) -> float:
    return float(np.sum(np.abs(x) + np.log1p(np.exp(-2 * np.abs(x)))))


def _log_two_sinh(x: NDArray[np.float64]) -> float:
    with np.errstate(divide="ignore"):  # a vanishing factor takes its whole product away
        return float(np.sum(np.abs(x) + np.log1p(-np.exp(-2 * np.abs(x)))))


def _checked(temperature: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(temperature, float)
    if not (values > 0).all():
        raise ValueError("A temperature must be above zero.")
    return values
