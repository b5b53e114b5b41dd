"""The same picture in other numbers, orders of bytes and of memory: the same classes, objects and answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from scipy.ndimage import label

from napari_microcnn.config import ClassifierConfig, ClassifyConfig, ClassInfo, ObjectRule, SegmentConfig, UNetConfig
from napari_microcnn.data.normalisation import intensity_limits, normalise
from napari_microcnn.events import result_of
from napari_microcnn.io.read import read_micrograph
from napari_microcnn.measure.objects import measure_objects
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.models import Model
from napari_microcnn.models.classifier import Classifier
from napari_microcnn.nets import UNet
from napari_microcnn.nets.classifiers import build_classifier
from napari_microcnn.predict.classify import classify
from napari_microcnn.predict.segment import segment

CLASSES = (ClassInfo(id=1, name="dark", colour="#000000"), ClassInfo(id=2, name="bright", colour="#ffffff"))
Layout = Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]


def picture() -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(0)
    image = rng.normal(60, 12, (96, 128))
    for row, col in ((20, 20), (60, 90), (30, 70), (75, 30)):
        image[row - 9 : row + 9, col - 9 : col + 9] += 110
    return image.clip(0, 255).astype(np.uint8)


LAYOUTS: dict[str, Layout] = {
    "uint16": lambda grey: grey.astype(np.uint16) * 257,
    "int16": lambda grey: grey.astype(np.int16) - 128,
    "uint32": lambda grey: grey.astype(np.uint32) * 16_843_009,
    "int32": lambda grey: grey.astype(np.int32) * 65_536,
    "int64": lambda grey: grey.astype(np.int64),
    "float16": lambda grey: grey.astype(np.float16),
    "float32": lambda grey: grey.astype(np.float32) / 255,
    "float64": lambda grey: grey / 255.0,
    "F order": np.asfortranarray,
    "big-endian integers": lambda grey: grey.astype(">u2"),
    "big-endian floats": lambda grey: grey.astype(">f4"),
    "negative strides": lambda grey: grey[::-1, ::-1].copy()[::-1, ::-1],
    "every other pixel of a larger one": lambda grey: np.repeat(np.repeat(grey, 2, 0), 2, 1)[::2, ::2],
    "read only": lambda grey: np.frombuffer(grey.tobytes(), grey.dtype).reshape(grey.shape),
}
in_all_layouts = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)


def model() -> Model:
    """Return a network that was never trained, whose classes take half of the picture each."""
    torch.manual_seed(3)
    net = UNet(UNetConfig(width=4, depth=2)).eval()
    grey = picture()
    with torch.no_grad():
        scores = net(torch.from_numpy(normalise(grey, intensity_limits(grey)))[None])[0]
        last = [layer for layer in net.modules() if isinstance(layer, torch.nn.Conv2d)][-1]
        last.bias[1] -= (scores[1] - scores[0]).quantile(0.7)
    return Model(net, CLASSES, ObjectRule(kind="particles", class_id=2))


@pytest.fixture(scope="module")
def expected() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    found = result_of(segment(Micrograph(picture()), model(), SegmentConfig(device="cpu")))
    assert 0.1 < np.mean(np.asarray(found.classes) == 2) < 0.9  # or everything would be the same
    assert np.max(found.labels) > 3
    return np.asarray(found.classes), np.asarray(found.labels)


@in_all_layouts
def test_segment(layout: Layout, expected: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]) -> None:
    found = result_of(segment(Micrograph(layout(picture())), model(), SegmentConfig(device="cpu")))
    np.testing.assert_array_equal(found.classes, expected[0])
    np.testing.assert_array_equal(found.labels, expected[1])


@in_all_layouts
def test_classify(layout: Layout) -> None:
    torch.manual_seed(3)
    net = build_classifier(ClassifierConfig(architecture="conv-pool", blocks=2, filters=4, side=32)).eval()
    classifier = Classifier(net, CLASSES, side=32)

    def answer(pixels: np.ndarray[Any, Any]) -> Any:
        return result_of(classify(Micrograph(pixels), classifier, ClassifyConfig(device="cpu")))

    wanted, found = answer(picture()), answer(layout(picture()))
    for one, other in zip(found.rows(), wanted.rows(), strict=True):
        assert one == pytest.approx(other, abs=1e-5)


@pytest.mark.parametrize("kind", ["u1", "u2", "i2", "<i4", ">i4", ">u2", "u4", "i8"])
@pytest.mark.parametrize("order", ["C", "F", "negative"])
def test_measure(kind: str, order: str) -> None:
    labels = label(picture() > 120)[0]
    given = labels.astype(kind, order="F" if order == "F" else "C")
    given = given[::-1, ::-1].copy()[::-1, ::-1] if order == "negative" else given
    wanted, found = measure_objects(labels.astype(np.int32)), measure_objects(given)
    assert len(wanted["label"]) >= 4
    assert list(found) == list(wanted)
    for name, column in wanted.items():
        np.testing.assert_array_equal(found[name], column)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["u1", "u2", "i2", "u4", "i4", "f4", "f8"])
def test_files_give_the_numbers_that_were_saved(tmp_path: Path, kind: str, order: str) -> None:
    pixels = picture().astype(order + kind)
    for options in ({}, {"compression": "zlib"}, {"tile": (16, 16)}):
        tifffile.imwrite(tmp_path / "a.tif", pixels, byteorder=order, **options)
        for lazy in (1, 1 << 30):
            read = read_micrograph(tmp_path / "a.tif", lazy_from_bytes=lazy).pixels
            np.testing.assert_array_equal(np.asarray(read), picture())
            assert np.dtype(read.dtype).isnative
