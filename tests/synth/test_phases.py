"""Materials at random: phases are where the labels say, and pictures of one material look alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_microcnn.synth.phases import MOST_PHASES, photograph, random_material

SIDE = 96


def test_same_seeds_same_picture_other_seed_another_place() -> None:
    material = random_material(5)
    assert material == random_material(5)
    assert material != random_material(6)
    first, again, other = (photograph(material, seed, SIDE) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert not np.array_equal(first[1], other[1])


def test_pictures_are_finite_and_labels_are_phases() -> None:
    counts = set()
    for seed in range(40):
        material = random_material(seed)
        image, phases = photograph(material, seed, SIDE)
        assert image.shape == phases.shape == (SIDE, SIDE)
        assert (image.dtype, phases.dtype) == (np.float32, np.uint8)
        assert np.isfinite(image).all()
        assert phases.max() < material.phases
        counts.add(material.phases)
    assert counts == set(range(2, MOST_PHASES + 1))


def test_every_shape_is_drawn() -> None:
    shapes = {layer.shape for seed in range(60) for layer in random_material(seed).layers}
    assert shapes == {"coat", "cells", "blobs", "bands", "ellipses", "specks", "cracks"}


def test_without_faults_the_grey_values_are_those_of_the_phases() -> None:
    for seed in range(10):
        material = random_material(seed)
        plain = replace(
            material,
            surfaces=tuple(replace(one, grey=float(i), strength=0.0) for i, one in enumerate(material.surfaces)),
            grains=(0.0, 1.0), rim=(0.0, 1.0), scratches=0, blur=0.05, noise=0.0, shading=0.0,
        )  # fmt: skip
        image, phases = photograph(plain, seed, SIDE)
        np.testing.assert_allclose(image, phases, atol=1e-5)


def test_specks_keep_their_margin() -> None:
    found = 0
    for seed in range(300):
        material = random_material(seed)
        last = material.layers[-1]
        if last.shape != "specks" or last.margin is None or material.phases < 3:
            continue
        phases = photograph(material, 0, SIDE)[1]
        specks = phases == material.phases - 1
        if specks.any():
            near = np.zeros_like(specks)
            for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                near |= np.roll(specks, (down, right), (0, 1))
            near[[0, -1]] = near[:, [0, -1]] = False
            assert set(np.unique(phases[near])) <= {0, material.phases - 1}
            found += 1
    assert found > 3
