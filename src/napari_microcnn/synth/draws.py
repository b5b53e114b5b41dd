"""Ways to draw a setting at random."""

from __future__ import annotations

import numpy as np


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number whose logarithm is evenly distributed: as often between 1 and 2 as between 10 and 20."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def sometimes(rng: np.random.Generator, chance: float, low: float, high: float) -> float:
    """Draw a number between two others with some chance, or else 0."""
    value = rng.uniform(low, high)
    return float(value) if rng.random() < chance else 0.0
