"""Grains closed block by block, from boundary maps made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from napari_microcnn.config import VoronoiConfig
from napari_microcnn.events import Progress
from napari_microcnn.io.scratch import Scratch
from napari_microcnn.predict import close_grains, large_grains
from napari_microcnn.predict.canvas import Canvas
from napari_microcnn.predict.large_grains import GrainCloser
from napari_microcnn.synth import voronoi


def close(boundary, folder, side=32, min_size=20):
    canvas = Canvas(Scratch(folder, {"what": "test"}), "plane", boundary.shape, side)
    closer, events = GrainCloser(canvas, boundary, min_size), []
    job = closer.run()
    while True:
        try:
            events.append(next(job))
        except StopIteration as end:
            return end.value[closer.grown[...]], events


@pytest.mark.parametrize("side", [16, 50, 500])
@pytest.mark.parametrize("gaps", [0.0, 0.06])
def test_grains_are_those_of_the_whole_plane(tmp_path, side, gaps):
    """Necks, slivers and gaps lie on the seams of some size of blocks."""
    grains = voronoi(VoronoiConfig(height=110, width=90, grains=16), 1).grains
    rng = np.random.default_rng(2)
    line = np.zeros(grains.shape, bool)
    line[:, :-1] |= grains[:, :-1] != grains[:, 1:]
    line[:-1] |= grains[:-1] != grains[1:]
    boundary = np.where(line, 0.9, 0.05).astype(np.float32) + rng.uniform(-0.05, 0.05, grains.shape).astype(np.float32)
    boundary[line & (rng.random(grains.shape) < gaps)] = 0.1
    expected = close_grains(boundary)
    found, events = close(boundary, tmp_path, side)
    assert expected.max() > 6
    assert np.array_equal(found, expected)
    assert all(isinstance(event, Progress) for event in events)


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_a_plane_without_boundary_or_without_grain_is_one(tmp_path, probability):
    boundary = np.full((70, 40), probability, np.float32)
    assert np.array_equal(close(boundary, tmp_path)[0], close_grains(boundary))


def test_blocks_far_from_any_grain_are_filled_from_their_neighbours(tmp_path, monkeypatch):
    monkeypatch.setattr(large_grains, "NEAR", 2)
    monkeypatch.setattr(large_grains, "REACH", 4)
    boundary = np.ones((200, 130), np.float32)
    boundary[:20, :20] = boundary[-20:, -20:] = 0
    found, _ = close(boundary, tmp_path)
    assert set(np.unique(found)) == {1, 2}
    assert found[0, 0] == found[40, 0] == 1
    assert found[-1, -1] == found[-40, -1] == 2
