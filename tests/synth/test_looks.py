"""Looks: named ones that differ, random ones that are always usable."""

from __future__ import annotations

import numpy as np
import pytest

from napari_microcnn.synth import LOOKS, polycrystal, random_look, random_particles


@pytest.mark.parametrize("name", LOOKS)
def test_a_named_look_makes_a_micrograph_with_its_truth(name):
    made = polycrystal(*LOOKS[name], seed=1)
    assert made.image.shape == made.structure.grains.shape == (256, 256)
    assert made.image.std() > 5
    on, off = made.image[made.structure.distance < 1].mean(), made.image[made.structure.distance > 5].mean()
    lines = LOOKS[name][1].lines
    if lines != "none":
        assert (on < off) == (lines == "dark")


def test_random_looks_differ_and_repeat():
    assert random_look(1, 64, 64) == random_look(1, 64, 64)
    assert len({random_look(seed, 64, 64)[1].lines for seed in range(20)}) == 3


def test_random_pictures_are_never_empty():
    pictures = [polycrystal(*random_look(seed, 96, 96), seed=seed).image for seed in range(40)]
    assert min(picture.std() for picture in pictures) > 1
    assert np.std([picture.mean() for picture in pictures]) > 10


class Outliers(np.random.Generator):
    """Normal numbers as far out as one training in a few may draw them."""

    def normal(self, loc: float = 0, scale: float = 1, size: None = None) -> float:
        return loc + (6 if self.random() < 0.5 else -6) * scale


@pytest.mark.parametrize("look", [random_look, random_particles])
def test_rare_random_numbers_give_looks_that_are_possible(look, monkeypatch):
    monkeypatch.setattr(np.random, "default_rng", lambda seed: Outliers(np.random.PCG64(seed)))
    for seed in range(20):
        look(seed, 96, 96)
