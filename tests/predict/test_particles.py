from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_microcnn.config import ClassInfo, ObjectRule, SegmentConfig, UNetConfig
from napari_microcnn.events import result_of
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.models import Model, ModelError, load_model, save_model
from napari_microcnn.nets import UNet
from napari_microcnn.predict.particles import separate_particles
from napari_microcnn.predict.segment import segment
from napari_microcnn.predict.tiles import predict_plane

CLASSES = (ClassInfo(id=0, name="background", colour="#0072b2"), ClassInfo(id=1, name="particle", colour="#e69f00"))
Y, X = np.mgrid[:60, :100]
IMAGE = np.random.default_rng(1).integers(0, 255, (150, 170), dtype=np.uint8)


def disc(row: int, col: int, radius: float) -> np.ndarray:
    return np.hypot(Y - row, X - col) < radius


def touching_model(outputs: int = 3) -> Model:
    torch.manual_seed(3)
    net = UNet(UNetConfig(classes=outputs, width=4, depth=2)).eval()
    return Model(net, CLASSES, ObjectRule(kind="touching", class_id=1), name="nanoparticles")


def test_particles_that_touch_are_told_apart_by_their_cores() -> None:
    discs = [disc(30, 20, 16), disc(30, 49, 14), disc(30, 85, 9)]
    mask = np.logical_or.reduce(discs)
    cores = (disc(30, 20, 12) | disc(30, 49, 10) | disc(30, 85, 6)).astype(np.float32)
    labels = separate_particles(mask, cores)
    assert labels.max() == 3
    assert ((labels > 0) == mask).all()
    for one in discs:
        number = labels[one & (cores > 0)][0]
        assert ((labels == number) & one).sum() / ((labels == number) | one).sum() > 0.95


def test_a_particle_without_a_core_is_one_and_small_ones_are_dropped() -> None:
    mask = disc(20, 20, 8) | disc(50, 80, 2)
    assert separate_particles(mask, np.zeros(mask.shape, np.float32)).max() == 1
    assert separate_particles(mask, np.zeros(mask.shape, np.float32), min_size=1).max() == 2
    assert not separate_particles(np.zeros((8, 8), bool), np.zeros((8, 8), np.float32)).any()


def test_nothing_of_a_particle_goes_to_one_that_does_not_touch_it() -> None:
    mask = np.zeros((20, 60), bool)
    mask[2:6, 2:50] = True  # long, its only cores at its left end
    mask[8:16, 40:50] = True  # its core is nearer to the right end of the long one
    cores = np.zeros(mask.shape, np.float32)
    cores[3:5, 3:5] = cores[3:5, 8:10] = cores[10:14, 42:48] = 1
    labels = separate_particles(mask, cores)
    assert labels.max() == 3
    assert labels[12, 45] not in np.unique(labels[2:6])


def test_the_class_map_has_two_classes_and_tiles_change_nothing() -> None:
    model = touching_model()
    config = {"precision": "float32", "device": "cpu", "min_size": 4, "keep_probabilities": True}
    whole = result_of(segment(Micrograph(IMAGE), model, SegmentConfig(tile=512, **config)))
    tiled = result_of(segment(Micrograph(IMAGE), model, SegmentConfig(tile=32, **config)))
    assert set(np.unique(whole.classes)) <= {0, 1}
    assert whole.probabilities.shape == (2, *IMAGE.shape)
    np.testing.assert_allclose(whole.probabilities.sum(0), 1, atol=1e-5)
    np.testing.assert_array_equal(whole.classes, tiled.classes)
    np.testing.assert_array_equal(whole.labels, tiled.labels)
    assert whole.labels is not None
    assert predict_plane(model, IMAGE).shape == (2, *IMAGE.shape)


def test_cores_follow_the_magnification() -> None:
    for factor in (0.5, 2.0):
        config = SegmentConfig(magnification=factor, device="cpu", min_size=4)
        found = result_of(segment(Micrograph(IMAGE), touching_model(), config))
        assert found.labels.shape == IMAGE.shape
        assert ((found.labels > 0) <= (found.classes == 1)).all()


def test_such_a_model_is_saved_and_loaded_and_needs_one_more_output(tmp_path) -> None:
    again = load_model(save_model(touching_model(), tmp_path / "touching.safetensors"))
    assert again.tells_cores
    assert [info.id for info in again.classes] == [0, 1]
    with pytest.raises(ModelError, match="outputs"):
        touching_model(outputs=2)
