"""Labelled pictures for trainings of seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from napari_microcnn.data.collections import ClassifiedImage, Collection, named_classes


def gratings(count: int = 6, side: int = 32, seed: int = 0, dtype: Any = np.uint8, channels: int = 0) -> Collection:
    """Return coarse and fine gratings in any direction, so many of each."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    images = []
    for number in range(2 * count):
        angle, phase = rng.uniform(0, 6.3, 2)
        wave = np.sin((0.4, 1.4)[number % 2] * (x * np.cos(angle) + y * np.sin(angle)) + phase)
        pixels = (120 + 60 * wave + rng.normal(0, 8, wave.shape)).clip(0, 255).astype(dtype)
        pixels = np.stack([pixels] * channels, axis=-1) if channels else pixels
        images.append(ClassifiedImage(pixels, number % 2, f"picture {number}", f"micrograph {number}"))
    return Collection(tuple(images), named_classes(["coarse", "fine"]))


@pytest.fixture
def pictures() -> Callable[..., Collection]:
    """Return `gratings`."""
    return gratings
