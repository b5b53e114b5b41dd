"""The same picture in other numbers, orders of bytes and of memory: the same classes, objects and answers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from scipy.ndimage import label

from napari_microcnn.cli import main
from napari_microcnn.config import (
    ClassifierConfig,
    ClassifyConfig,
    ClassInfo,
    ObjectRule,
    SegmentConfig,
    TrainConfig,
    UNetConfig,
)
from napari_microcnn.data import Annotated
from napari_microcnn.data.normalisation import intensity_limits, normalise
from napari_microcnn.events import result_of
from napari_microcnn.io.multiscale import open_multiscale
from napari_microcnn.io.read import read_labels, read_micrograph
from napari_microcnn.measure.objects import measure_objects
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.models import Model, save_model
from napari_microcnn.models.classifier import Classifier
from napari_microcnn.nets import UNet
from napari_microcnn.nets.classifiers import build_classifier
from napari_microcnn.predict.classify import classify
from napari_microcnn.predict.large import segment_large
from napari_microcnn.predict.segment import Segmentation, segment
from napari_microcnn.synth import LOOKS, polycrystal
from napari_microcnn.train.segmenter import train_segmenter

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
    "uint64": lambda grey: grey.astype(np.uint64) << 40,
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
ROUNDED = ("float32",)
"""Layouts that do not hold the picture exactly: 1/255 is no float32."""
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


@pytest.fixture(scope="module")
def micrograph() -> np.ndarray[Any, Any]:
    """Return grains with a databar, larger than those that the shipped model has learned from."""
    structure, imaging = LOOKS["etched"]
    size = {"height": 176, "width": 160, "grains": 9}
    return polycrystal(structure.model_copy(update=size), imaging.model_copy(update={"databar": 0.1}), 1).image


@pytest.fixture(scope="module")
def shipped(micrograph: np.ndarray[Any, Any]) -> Segmentation:
    found = result_of(segment(Micrograph(micrograph), "grain-boundaries", SegmentConfig(device="cpu")))
    assert found.views != ((1.0,),)  # or nothing would be resampled
    assert found.overlays[0]
    assert np.max(found.labels) > 3
    return found


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_shipped_model_at_the_magnification_that_it_finds(
    name: str, micrograph: np.ndarray[Any, Any], shipped: Segmentation
) -> None:
    given = Micrograph(LAYOUTS[name](micrograph))
    found = result_of(segment(given, "grain-boundaries", SegmentConfig(device="cpu")))
    assert found.views == shipped.views
    assert found.overlays == shipped.overlays
    if name in ROUNDED:
        assert np.mean(found.classes != shipped.classes) < 1e-3
        return
    np.testing.assert_array_equal(found.classes, shipped.classes)
    np.testing.assert_array_equal(found.labels, shipped.labels)
    np.testing.assert_array_equal(found.boundary, shipped.boundary)


@in_all_layouts
def test_block_by_block(layout: Layout, expected: tuple[np.ndarray[Any, Any], ...], tmp_path: Path) -> None:
    config = SegmentConfig(device="cpu", tile=64)
    result = result_of(segment_large(Micrograph(layout(picture())), model(), config, tmp_path / "a.ome.zarr"))
    classes, labels = open_multiscale(result.path)
    np.testing.assert_array_equal(classes[...], expected[0])
    np.testing.assert_array_equal(labels["objects"][...], expected[1])


def test_files_on_the_command_line(tmp_path: Path, expected: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]) -> None:
    names = []
    for name, layout in LAYOUTS.items():
        pixels = np.ascontiguousarray(layout(picture()))
        names.append(name.replace(" ", "_"))
        tifffile.imwrite(tmp_path / f"{names[-1]}.tif", pixels, byteorder=">" if "big" in name else "<")
    save_model(model(), tmp_path / "m.safetensors")
    files = [str(tmp_path / f"{name}.tif") for name in names]
    out = tmp_path / "out"
    assert main(["segment", *files, "--model", str(tmp_path / "m.safetensors"), "-o", str(out), "--device", "cpu"]) == 0
    tables = {(out / f"{name}.csv").read_text(encoding="utf-8") for name in names}
    assert len(tables) == 1
    for name in names:
        np.testing.assert_array_equal(read_labels(out / f"{name}_classes.tif"), expected[0])
        np.testing.assert_array_equal(read_labels(out / f"{name}_labels.tif"), expected[1])


@functools.cache
def learnt(name: str) -> dict[str, torch.Tensor]:
    """Return the weights after some steps of learning from strokes."""
    grey = picture() if name == "uint8" else LAYOUTS[name](picture())
    strokes = np.zeros(grey.shape, np.uint8)
    strokes[::5] = np.where(picture()[::5] > 120, 2, 1)
    settings = {"init": None, "minutes": None, "epochs": 1, "width": 4, "depth": 2, "patch": 32, "batch": 2}
    torch.manual_seed(7)
    trained = result_of(train_segmenter([Annotated(grey, strokes)], CLASSES, TrainConfig(**settings, device="cpu")))
    return trained.net.state_dict()


@pytest.mark.parametrize("name", ["uint16", "uint32", "int16", "float64", "big-endian floats", "negative strides"])
def test_training(name: str) -> None:
    wanted, found = learnt("uint8"), learnt(name)
    for key, weights in wanted.items():
        torch.testing.assert_close(found[key], weights, rtol=0, atol=0)
