"""What of annotated images is learnt from, and what is held out."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from PIL import Image, ImageDraw

from napari_microcnn.config import ClassInfo
from napari_microcnn.data import IGNORE, Annotated, intensity_limits
from napari_microcnn.events import AnnotationChanged
from napari_microcnn.train.growing import GrowingData
from napari_microcnn.train.preparation import TrainingData

CLASSES = tuple(ClassInfo(id=number, name=f"class {number}", colour="#0072b2") for number in (1, 2))
MASKS = tuple(ClassInfo(id=number, name=f"class {number}", colour="#0072b2") for number in (0, 1))


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 100, shape, dtype=np.uint8)


def growing(*data: Annotated, dense: bool = False, margin: int = 16) -> GrowingData:
    return GrowingData(data, MASKS if dense else CLASSES, dense, margin, np.random.default_rng(0))


def strokes(number: int = 1) -> np.ndarray:
    """Return six strokes of each class; `number` moves them."""
    annotation = np.zeros((120, 120), np.uint8)
    for row in range(6):
        annotation[row * 20 + number : row * 20 + 4 + number, 10:40] = 1
        annotation[row * 20 + number : row * 20 + 4 + number, 70:100] = 2
    return annotation


def counts(prepared: TrainingData) -> list[list[int]]:
    """Return how many pixels of every image are learnt from, judged on, and learnt from in the end."""
    parts = (prepared.train, prepared.validation, prepared.everything)
    return [[int((source.targets != IGNORE).sum()) for source in part] for part in parts]


def test_a_part_of_the_strokes_on_every_image_is_held_out() -> None:
    data = growing(Annotated(noise(120, 120), strokes()), Annotated(noise(120, 120, seed=1), strokes(3)))
    train, validation, everything = counts(data.prepared())
    assert len(train) == len(validation) == 2
    assert everything == [1440, 1440]
    assert [n + held for n, held in zip(train, validation, strict=True)] == everything
    assert all(200 <= held <= 500 for held in validation)
    data.join()
    assert counts(data.prepared())[0] == everything


def test_of_several_masks_whole_images_are_held_out_and_learnt_in_the_end() -> None:
    images = [Annotated(noise(64, 64, seed=seed), noise(64, 64, seed=seed + 9) % 2) for seed in range(5)]
    data = growing(*images, dense=True)
    assert counts(data.prepared()) == [[4096] * 4, [4096], [4096] * 5]
    data.join()
    assert counts(data.prepared()) == [[4096] * 5, [4096], [4096] * 5]


def test_of_one_mask_blocks_are_held_out() -> None:
    mask = np.broadcast_to(np.arange(96) // 24 % 2, (96, 96))
    train, validation, everything = counts(growing(Annotated(noise(96, 96), mask), dense=True).prepared())
    assert train[0] + validation[0] == everything[0] == 96 * 96
    assert 0.1 < validation[0] / everything[0] < 0.4


def test_what_the_user_marked_is_all_that_judges_and_never_learnt() -> None:
    marked = Annotated(noise(120, 120, seed=1), strokes(3), validation=True)
    data = growing(Annotated(noise(120, 120), strokes()), marked)
    assert counts(data.prepared()) == [[1440], [1440], [1440]]
    data.join()
    assert counts(data.prepared()) == [[1440], [1440], [1440]]


def test_strokes_of_a_class_that_comes_later_are_held_out_too() -> None:
    third = np.where((strokes() == 2) & (np.arange(120) < 85), 7, strokes())
    data = growing(Annotated(noise(120, 120), strokes()))
    before = data.prepared().validation[0].targets
    data.change(AnnotationChanged(0, np.s_[0:120, 0:120], third))
    assert (data.prepared().everything[0].targets == 1).sum() == 360
    data.set_classes((*CLASSES, ClassInfo(id=7, name="third", colour="#0072b2")))
    prepared = data.prepared()
    assert np.array_equal(prepared.validation[0].targets == 0, before == 0)  # what is held out stays so
    assert 0 < (prepared.validation[0].targets == 2).sum() < (prepared.everything[0].targets == 2).sum() == 360


def test_a_change_leaves_what_was_given_alone() -> None:
    annotation = strokes()
    data = growing(Annotated(noise(120, 120), annotation))
    region = np.s_[0:20, 0:120]
    data.change(AnnotationChanged(0, region, np.zeros((20, 120), np.uint8)))
    assert np.array_equal(annotation, strokes())
    assert counts(data.prepared())[2] == [1200]


def test_only_what_lies_near_the_annotation_is_read() -> None:
    annotation = np.zeros((1000, 1000), int)
    annotation[500:505, 200:220] = 1
    annotation[505:510, 200:220] = 2
    image = da.from_array(np.random.default_rng(0).random((1000, 1000)), chunks=100)
    (read,) = growing(Annotated(image, annotation), margin=30).prepared().everything
    assert read.pixels.shape == read.targets.shape == (70, 80)
    assert np.array_equal(read.pixels, image[470:540, 170:250].compute())


def with_databar() -> tuple[np.ndarray, np.ndarray]:
    """Return a picture, and one with a databar below."""
    picture = Image.fromarray(noise(200, 256))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 170, 255, 199), fill=255)
    draw.text((10, 178), "20 kV  x5,000   SE   1 µm", fill=0)
    return noise(200, 256), np.asarray(picture)


def test_the_databar_is_not_learnt_from_also_when_it_is_painted_later() -> None:
    plain, image = with_databar()
    mask = plain % 2
    data = growing(Annotated(image, mask), dense=True)
    (source,) = data.prepared().everything
    assert source.targets.shape == (170, 256)
    assert np.array_equal(source.pixels, plain[:170])
    np.testing.assert_array_equal(source.limits.scale, intensity_limits(plain[:170]).scale)
    data.change(AnnotationChanged(0, np.s_[160:200, 0:256], np.ones((40, 256), np.uint8)))
    (source,) = data.prepared().everything
    assert source.targets.shape == (170, 256)
    assert (source.targets[160:] == 1).all()


def test_whoever_paints_only_in_the_databar_means_it() -> None:
    annotation = np.zeros((200, 256), np.uint8)
    annotation[180:185, 20:60], annotation[185:190, 20:60] = 1, 2
    data = growing(Annotated(with_databar()[1], annotation), margin=4)
    assert counts(data.prepared())[2] == [400]
    data.add(Annotated(with_databar()[1], annotation))
    assert counts(data.prepared())[2] == [400, 400]


def test_fewer_than_two_classes_are_told() -> None:
    data = growing(Annotated(noise(120, 120), strokes()))
    data.change(AnnotationChanged(0, np.s_[0:120, 60:120], np.zeros((120, 60), np.uint8)))
    with pytest.raises(ValueError, match="Fewer than two classes are annotated"):
        data.prepared()
