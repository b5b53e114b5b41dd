"""Presets, each with a real training on a tiny picture where it makes the difference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from napari_microcnn.config import PRESETS, ClassInfo, ObjectRule, SegmentConfig, TrainConfig, focus_of
from napari_microcnn.data import Annotated
from napari_microcnn.events import result_of
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.models import Model
from napari_microcnn.predict.segment import Segmentation, segment
from napari_microcnn.synth import LOOKS, polycrystal
from napari_microcnn.train import train_segmenter
from napari_microcnn.train.presets import recipe_of

SMALL: dict[str, Any] = {
    **{
        "minutes": None,
        "init": None,
        "patch": 64,
        "batch": 6,
        "width": 6,
        "depth": 2,
        "patience": 1000,
        "device": "cpu",
    }
}
SIDE = 192


def classes(first: int, *names: str) -> tuple[ClassInfo, ...]:
    return tuple(ClassInfo(id=first + n, name=name, colour="#e69f00") for n, name in enumerate(names))


def cracked(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a noisy picture with dark spots and a dark crack, and the crack: about 0.1 % of the pixels."""
    rng = np.random.default_rng(seed)
    crack = np.zeros((SIDE, SIDE), bool)
    place, angle = np.array([SIDE * rng.uniform(0.3, 0.7), SIDE * 0.3]), rng.uniform(-0.5, 0.5)
    for _ in range(SIDE // 4):
        angle += rng.normal(0, 0.25)
        place += np.sin(angle), np.cos(angle)
        crack[tuple(place.clip(1, SIDE - 2).astype(int))] = True
    texture = ndimage.gaussian_filter(rng.normal(0, 1, crack.shape), 3)
    image = 120 + 12 * texture / texture.std() + rng.normal(0, 6, crack.shape)
    image -= 84 * ndimage.gaussian_filter(crack.astype(float), 0.5)
    y, x = np.mgrid[:SIDE, :SIDE]
    for top, left in rng.uniform(5, SIDE - 5, (12, 2)):
        image -= 50 * np.exp(-((y - top) ** 2 + (x - left) ** 2) / 8)
    return image.clip(0, 255).astype(np.uint8), crack


def strokes_on(crack: np.ndarray, seed: int) -> np.ndarray:
    """Return short strokes along a third of the crack (2), and some far from it (1)."""
    rng = np.random.default_rng(seed)
    strokes = np.zeros(crack.shape, np.uint8)
    for top, left in rng.integers(10, SIDE - 42, (6, 2)):
        strokes[top : top + 3, left : left + 30] = 1
    strokes[ndimage.binary_dilation(crack, np.ones((9, 9)))] = 0
    rows, columns = np.nonzero(crack)
    painted = (columns // 12) % 3 == 0
    strokes[rows[painted], columns[painted]] = 2
    return strokes


def segmented(model: Model, image: np.ndarray) -> Segmentation:
    return result_of(segment(Micrograph(image, "YX", None, "fresh"), model, SegmentConfig(device="cpu")))


def iou(model: Model, class_id: int) -> float:
    """Return the IoU of the cracks in fresh pictures."""
    right = either = 0
    for seed in (10, 11, 12):
        image, crack = cracked(seed)
        found = segmented(model, image).classes == class_id
        right, either = right + int((found & crack).sum()), either + int((found | crack).sum())
    return right / either


def learnt(preset: str, dense: bool, epochs: int) -> Model:
    data = []
    for seed in range(3):
        image, crack = cracked(seed)
        data.append(Annotated(image, crack.astype(np.uint8) if dense else strokes_on(crack, seed), str(seed)))
    config = TrainConfig(**{**SMALL, "preset": preset, "dense": dense, "epochs": epochs})
    return result_of(train_segmenter(data, classes(0 if dense else 1, "metal", "crack"), config))


@pytest.mark.parametrize("preset", ["thin", "defects"])
def test_a_thousandth_of_the_picture_is_learnt_from_masks(preset: str) -> None:
    assert cracked(0)[1].mean() < 0.0015
    assert iou(learnt(preset, dense=True, epochs=25), 1) > 0.8


def test_strokes_on_a_crack_teach_something_thin() -> None:
    plain, thin = iou(learnt("phases", dense=False, epochs=24), 2), iou(learnt("thin", dense=False, epochs=24), 2)
    assert thin > 1.5 * plain


def test_a_taught_boundary_model_gives_grains() -> None:
    structure, imaging = LOOKS["etched"]
    structure = structure.model_copy(update={"height": SIDE, "width": SIDE, "grains": 40})
    made = [polycrystal(structure, imaging, seed) for seed in range(2)]
    data = [Annotated(made[0].image, made[0].structure.boundaries.astype(np.uint8), "grains")]
    config = TrainConfig(**{**SMALL, "preset": "boundaries", "dense": True, "epochs": 20})
    model = result_of(train_segmenter(data, classes(0, "grain", "boundary"), config))
    assert model.objects == ObjectRule(kind="grains", class_id=1)
    labels = segmented(model, made[1].image).labels
    assert labels is not None
    assert 10 < labels.max() < 80


def test_particles_are_numbered() -> None:
    recipe = recipe_of(TrainConfig(preset="particles"), classes(1, "matrix", "carbide", "resin"))
    assert recipe.objects == ObjectRule(kind="particles", class_id=2)
    assert recipe.extra is None


def test_every_preset_has_a_line_and_a_recipe() -> None:
    for preset, told in PRESETS.items():
        assert told.endswith(".")
        recipe = recipe_of(TrainConfig(preset=preset), classes(1, "a", "b", "c"))
        assert (recipe.objects is None) == (preset == "phases")
        if recipe.shares is not None:
            assert recipe.shares.tolist() == [0.25, 0.25, 0.5]


def test_the_class_is_found_by_its_name_else_the_last() -> None:
    named = classes(1, "Grain boundary", "grain")
    assert focus_of("boundaries", named) == named[0]
    assert focus_of("particles", named) == named[1]
    assert focus_of("particles", named, 1) == named[0]
    assert focus_of("phases", named, 1) is None
    with pytest.raises(ValueError, match="classes are 1, 2"):
        focus_of("thin", named, 7)
