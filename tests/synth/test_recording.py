"""Compression, defocus and the databar."""

from __future__ import annotations

import numpy as np
import pytest

from napari_microcnn.config import ImagingConfig, VoronoiConfig
from napari_microcnn.synth import polycrystal

STRUCTURE = VoronoiConfig(width=120, height=100, grains=20)


def made(**settings):
    return polycrystal(STRUCTURE, ImagingConfig(**settings), seed=4)


def test_nothing_is_true_under_a_databar():
    plain, barred = made(), made(databar=0.2)
    assert np.array_equal(plain.image[:80], barred.image[:80])
    assert set(np.unique(barred.image[80:])) == {0, 255}
    assert not barred.structure.boundaries[80:].any()
    assert not barred.structure.grains[80:].any()
    assert np.array_equal(plain.structure.boundaries[:80], barred.structure.boundaries[:80])
    numbers = np.unique(barred.structure.grains[:80])
    assert np.array_equal(numbers, np.arange(1, len(numbers) + 1))


def test_compression_rounds_within_blocks_of_eight():
    plain, packed = made(shot_noise=0.1), made(shot_noise=0.1, compression=1)
    change = np.abs(plain.image.astype(int) - packed.image)[:96]
    assert 2 < change.mean() < 30
    inside = np.abs(np.diff(packed.image[:96].astype(float), axis=1))[:, :119]
    at_edges = np.arange(119) % 8 == 7
    assert inside[:, at_edges].mean() > 1.1 * inside[:, ~at_edges].mean()


def test_defocus_softens_some_places_only():
    still = {"blur": 0, "shot_noise": 0, "readout_noise": 0}
    sharp, soft = made(**still), made(**still, defocus=4)
    difference = np.abs(sharp.image.astype(int) - soft.image)
    assert difference.max() > 20
    assert (difference <= 1).mean() > 0.2


@pytest.mark.parametrize("share", [0.04, 0.3])
def test_the_databar_is_as_high_as_asked(share):
    rows = round(100 * share) if share > 0.06 else 6
    assert (made(databar=share).structure.grains == 0).all(axis=1).sum() == rows
