from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from scipy import ndimage

from napari_microcnn.config import Arrangement, NanoparticlesConfig, ParticleImaging, ParticleShape
from napari_microcnn.synth import PARTICLE_LOOKS, nanoparticles, random_particles
from napari_microcnn.synth.fringes import amorphous_film, lattice_fringes
from napari_microcnn.synth.particle_cores import particle_cores
from napari_microcnn.synth.particle_places import places

BALLS = NanoparticlesConfig(shape="spheres", diameter=20, size_spread=0, coverage=0.2, overlap=0, arrangement="ordered")


@pytest.mark.parametrize("look", PARTICLE_LOOKS)
def test_a_seed_gives_the_same_picture_and_another_one_another(look: str) -> None:
    config = PARTICLE_LOOKS[look].model_copy(update={"height": 96, "width": 128})
    one, same, other = (nanoparticles(config, seed) for seed in (3, 3, 4))
    assert one.image.shape == one.labels.shape == (96, 128)
    assert (one.image.dtype, one.labels.dtype) == (np.uint8, np.int32)
    np.testing.assert_array_equal(one.image, same.image)
    np.testing.assert_array_equal(one.labels, same.labels)
    assert (one.image != other.image).mean() > 0.3
    assert one.labels.max() >= 1
    assert sorted(np.unique(one.labels)) == list(range(one.labels.max() + 1))


@pytest.mark.parametrize("shape", get_args(ParticleShape))
@pytest.mark.parametrize("imaging", get_args(ParticleImaging))
def test_every_shape_is_shown_by_every_microscope(shape: ParticleShape, imaging: ParticleImaging) -> None:
    config = NanoparticlesConfig(
        height=128, width=128, shape=shape, imaging=imaging, diameter=30, contrast=0.8, fringes=0, dose=1e4, holes=0.1
    )
    made = nanoparticles(config, 1)
    inside, outside = made.image[made.mask].mean(), made.image[~made.mask].mean()
    dark = imaging in ("HRTEM", "bright field")
    assert (inside < outside - 10) if dark else (inside > outside + 10)


@pytest.mark.parametrize("arrangement", get_args(Arrangement))
def test_particles_have_the_size_asked_for(arrangement: Arrangement) -> None:
    config = BALLS.model_copy(update={"height": 256, "width": 256, "arrangement": arrangement})
    labels = nanoparticles(config, 2).labels
    whole = np.setdiff1d(np.unique(labels), [*labels[0], *labels[-1], *labels[:, 0], *labels[:, -1]])
    diameters = np.sqrt(4 / np.pi * np.bincount(labels.ravel())[whole])
    assert np.median(diameters) == pytest.approx(20, abs=1.5)


def test_scattered_particles_cover_what_is_asked_for_and_stay_apart() -> None:
    config = BALLS.model_copy(update={"height": 400, "width": 400, "arrangement": "scattered", "coverage": 0.15})
    assert nanoparticles(config, 5).mask.mean() == pytest.approx(0.15, abs=0.04)
    found = places(config, np.random.default_rng(5))
    away = np.hypot(*(found[:, None, axis] - found[None, :, axis] for axis in (0, 1))) + 1e3 * np.eye(len(found))
    assert away.min() >= 20 - 1e-6


def test_only_the_fringes_tell_where_the_mean_is_that_of_the_film() -> None:
    config = PARTICLE_LOOKS["HRTEM, fringes only"].model_copy(update={"illumination": 0, "thickness": 0, "dose": 1e4})
    made = nanoparticles(config, 3)
    image = made.image.astype(np.float32)
    core = ndimage.binary_erosion(made.mask, iterations=6)
    assert abs(image[core].mean() - image[~made.mask].mean()) < 0.25 * image[~made.mask].std()
    assert image[core].std() > 1.15 * image[~made.mask].std()


def test_fringes_have_their_spacing() -> None:
    y, x = np.ogrid[-64:64.0, -64:64.0]
    fringes = lattice_fringes(y.astype(np.float32), x.astype(np.float32), 60.0, 8.0, np.random.default_rng(8))
    spectrum = np.abs(np.fft.fft2(fringes))
    frequency = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.fftfreq(128)[None])
    assert frequency.ravel()[spectrum.argmax()] == pytest.approx(1 / 8, rel=0.1)


def test_the_film_has_a_dark_ring_where_the_defocus_takes_the_frequency_out() -> None:
    film = amorphous_film((256, 256), 0.2, 0.5, np.random.default_rng(1))
    power = np.abs(np.fft.fft2(film)) ** 2
    frequency = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256)[None])
    ring = [power[np.abs(frequency - at) < 0.006].mean() for at in (0.14, 0.2, 0.245)]
    assert ring[1] < 0.1 * min(ring[0], ring[2])
    assert film.std() == pytest.approx(1, abs=0.01)


def test_no_particle_lies_in_the_databar() -> None:
    made = nanoparticles(BALLS.model_copy(update={"databar": 0.1}), 1)
    assert not made.labels[-25:].any()
    assert made.labels[:-26].any()


def test_outlines_are_the_rims_of_particles() -> None:
    made = nanoparticles(BALLS, 1)
    inner = made.mask & ~made.outlines
    assert not (ndimage.binary_dilation(inner) & ~made.mask).any()
    assert (made.outlines <= made.mask).all()


def test_cores_of_touching_particles_lie_apart_and_none_is_missing() -> None:
    labels = np.zeros((40, 60), np.int32)
    y, x = np.mgrid[:40, :60]
    labels[np.hypot(y - 20, x - 15) < 14] = 1
    labels[(np.hypot(y - 20, x - 40) < 12) & (labels == 0)] = 2
    labels[2:5, 50:53] = 3
    cores = particle_cores(labels)
    numbers, count = ndimage.label(cores)
    assert count == 3
    assert sorted(labels[numbers == n][0] for n in (1, 2, 3)) == [1, 2, 3]
    assert not particle_cores(np.zeros((9, 9), np.int32)).any()


def test_random_pictures_differ_in_microscope_size_and_arrangement() -> None:
    drawn = [random_particles(seed, 128, 128) for seed in range(60)]
    assert {config.imaging for config in drawn} == set(get_args(ParticleImaging))
    assert {config.arrangement for config in drawn} == set(get_args(Arrangement))
    diameters = [config.diameter for config in drawn]
    assert min(diameters) < 12
    assert max(diameters) > 60
    assert random_particles(7, 128, 128) == drawn[7]
    for seed in range(12):
        made = nanoparticles(drawn[seed], seed)
        assert made.image.std() > 0
