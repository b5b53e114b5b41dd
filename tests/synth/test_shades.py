"""Greys of grains."""

from __future__ import annotations

import numpy as np

from napari_microcnn.config import VoronoiConfig
from napari_microcnn.synth import voronoi
from napari_microcnn.synth.shades import grain_greys

GRAINS = voronoi(VoronoiConfig(grains=80), seed=2).grains


def steps(least):
    grey = grain_greys(GRAINS, least, np.random.default_rng(1))[GRAINS]
    border = GRAINS[:, 1:] != GRAINS[:, :-1]
    return np.abs(np.diff(grey, axis=1))[border]


def test_neighbours_differ_as_asked():
    assert (steps(0.0) < 0.24).mean() > 0.1
    assert (steps(0.12) < 0.24).mean() < 0.3 * (steps(0.0) < 0.24).mean()


def test_greys_fill_the_range():
    grey = grain_greys(GRAINS, 0.12, np.random.default_rng(1))
    assert -1 <= grey.min() < -0.8
    assert 0.8 < grey.max() <= 1


def test_one_grain_has_no_neighbours():
    assert len(grain_greys(np.ones((4, 4), np.int32), 0.3, np.random.default_rng(0))) == 2
