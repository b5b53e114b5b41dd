"""What is learnt from: strokes, and what they have grown to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from napari_microcnn.config import ClassInfo, TrainConfig, UNetConfig
from napari_microcnn.data import IGNORE, Annotated
from napari_microcnn.data.augmentation import source_side
from napari_microcnn.data.growth import GROWN, unmarked
from napari_microcnn.nets import UNet
from napari_microcnn.train.growing import GrowingData
from napari_microcnn.train.lessons import Teacher
from napari_microcnn.train.loop import Lesson

CLASSES = (ClassInfo(id=1, name="matrix", colour="#e69f00"), ClassInfo(id=2, name="disc", colour="#56b4e9"))
PATCH = 64


def lesson_of(settings: dict[str, Any], dense: bool = False) -> tuple[Lesson, np.ndarray]:
    """Return what is taught about discs, of which a few strokes or all pixels are annotated, and the true classes."""
    y, x = np.indices((160, 160)) % 80 - 40
    truth = (y**2 + x**2 < 500).astype(np.uint8)
    image = truth + np.random.default_rng(0).normal(0, 0.05, truth.shape)
    strokes = np.zeros(truth.shape, np.uint8)
    for at in (36, 44, 116, 124):
        strokes[at, 30:50] = strokes[at, 110:130] = 2
    for at in (2, 78, 82, 158):
        strokes[at, 10:60] = strokes[at, 90:150] = 1
    config = TrainConfig(dense=dense, patch=PATCH, batch=4, augment=False, **settings)
    classes = [info.model_copy(update={"id": info.id - dense}) for info in CLASSES]
    rng = np.random.default_rng(0)
    annotated = GrowingData([Annotated(image, truth if dense else strokes, "discs")], classes, dense, PATCH, rng)
    side = source_side(PATCH) if config.augment else PATCH
    teacher = Teacher(annotated.images, config, PATCH, side, rng, torch.device("cpu"), None)
    net = UNet(UNetConfig(channels=1, classes=2, width=4, depth=2))
    return teacher(annotated.prepared(), classes, net), truth


def test_strokes_grow_and_stay_in_sight() -> None:
    lesson, truth = lesson_of({})
    _, (targets, _) = next(lesson.batches)
    painted, grown = (targets < GROWN).sum(), ((targets >= GROWN) & (targets != IGNORE)).sum()
    assert painted > 0
    assert grown > 5 * painted
    assert (unmarked(targets) == 1).sum() / (targets != IGNORE).sum() == pytest.approx(truth.mean(), abs=0.2)


@pytest.mark.parametrize(
    ("settings", "dense"), [({"preset": "thin"}, False), ({"preset": "defects"}, False), ({}, True)]
)
def test_nothing_grows_over_thin_and_rare_things_or_in_masks(settings: dict[str, Any], dense: bool) -> None:
    lesson, _ = lesson_of(settings, dense)
    _, (targets, _) = next(lesson.batches)
    assert ((targets < 2) | (targets == IGNORE)).all()


def test_both_halves_of_the_loss_count() -> None:
    lesson, _ = lesson_of({"preset": "particles"})
    _, (targets, images) = next(lesson.batches)
    right = torch.stack([10.0 * (unmarked(targets) == index) for index in (0, 1)], dim=1)
    least = lesson.loss(right, (targets, images))
    for part in (targets < GROWN, (targets >= GROWN) & (targets != IGNORE)):
        wrong = torch.where(part[:, None], right.flip(1), right)
        assert lesson.loss(wrong, (targets, images)) > least + 1
