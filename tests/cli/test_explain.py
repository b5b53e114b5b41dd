"""``napari-microcnn explain`` on real files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from napari_microcnn.cli import main
from napari_microcnn.config import ClassifierConfig, ClassInfo
from napari_microcnn.io.read import read_micrograph
from napari_microcnn.models import Classifier, save_classifier
from napari_microcnn.nets import build_classifier


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    names = ("martensite", "bainite")
    classes = tuple(ClassInfo(id=i, name=name, colour="#123456") for i, name in enumerate(names))
    net = build_classifier(ClassifierConfig(filters=4, blocks=2)).eval()
    return save_classifier(Classifier(net, classes, 32), tmp_path / "steel.safetensors")


def explain(folder: Path, model: Path, *words: str) -> int:
    return main(["explain", *words, "--model", str(model), "-o", str(folder / "out")])


def record(folder: Path, stem: str = "p0") -> dict:
    return json.loads((folder / "out" / f"{stem}_heat.json").read_text(encoding="utf-8"))


def test_a_classifier_with_all_checks(pictures: Path, classifier: Path) -> None:
    image = str(pictures / "images" / "p0.tif")
    objects = str(pictures / "dense" / "p0.tif")
    words = (image, "--target", "bainite", "--objects", objects, "--trust", "--device", "cpu")
    assert explain(pictures, classifier, *words) == 0
    heat = read_micrograph(pictures / "out" / "p0_heat.tif")
    assert heat.pixels.shape == (64, 64)
    assert heat.pixels.dtype == np.float32
    assert heat.calibration is not None
    assert heat.calibration.to("um").pixel_size == pytest.approx((0.5, 0.5))
    assert np.asarray(Image.open(pictures / "out" / "p0_heat.png")).shape == (64, 64, 3)
    told = record(pictures)
    found = told["explanation"]
    inside = tifffile.imread(objects) > 0
    assert found["share outside"] == pytest.approx(heat.pixels[~inside].sum() / heat.pixels.sum(), abs=1e-3)
    assert found["class"] == "bainite"
    assert found["layer"] == "blocks.1.3"
    assert len(found["random weights"]["rank correlation"]) > 1
    assert [one["pooling"] for one in found["shifts"]] == ["max", "average", "none"]
    assert "--target bainite" in told["command"]
    assert told["model"]["sha256"]


def test_a_pixel_of_a_segmentation(pictures: Path, model: Path) -> None:
    words = (str(pictures / "images"), "--target", "2", "--pixel", "30,10", "--method", "integrated-gradients")
    assert explain(pictures, model, *words, "--steps", "4") == 0
    found = record(pictures, "p1")["explanation"]
    rows, columns = (slice(*part) for part in found["region"])
    heat = tifffile.imread(pictures / "out" / "p1_heat.tif")
    assert heat[rows, columns].any()
    outside = np.ones(heat.shape, bool)
    outside[rows, columns] = False
    assert not heat[outside].any()
    assert rows.start <= 30 < rows.stop


def test_results_are_replaced_but_no_other_files(pictures: Path, model: Path, capsys) -> None:
    words = (str(pictures / "images" / "p0.tif"), "--target", "dark")
    assert explain(pictures, model, *words) == 0
    assert explain(pictures, model, *words) == 0
    (pictures / "out" / "p0_heat.json").unlink()
    assert explain(pictures, model, *words) == 2
    assert "choose another folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--target", "ferrite"), "no class 'ferrite'; its classes are 1 (dark), 2 (bright)"),
        (("--target", "dark", "--layer", "encodr.0"), "no layer 'encodr.0'; its layers are called encoder.0"),
        (("--target", "dark", "--layer", "magic", "--method", "occlusion"), "no layer 'magic'"),
        (("--target", "dark", "--layer", "encoder"), "is not used by the network"),
        (("--target", "dark", "--pixel", "99,1"), "64 rows and 64 columns"),
        (("--target", "dark", "--pixel", "here"), "with a comma between"),
        (("--target", "dark", "--method", "magic"), "--method 'magic'"),
        (("--target", "dark", "--method", "occlusion", "--stride", "20"), "leave gaps"),
    ],
)
def test_mistakes_are_told_in_one_line(pictures: Path, model: Path, capsys, words: tuple[str, ...], told: str) -> None:
    assert explain(pictures, model, str(pictures / "images" / "p0.tif"), *words) == 2
    said = capsys.readouterr().err.strip()
    assert told in said
    assert "\n" not in said
    assert not list(pictures.glob("out/*"))


def test_a_layer_without_maps(pictures: Path, classifier: Path, capsys) -> None:
    words = (str(pictures / "images" / "p0.tif"), "--target", "bainite", "--layer", "head")
    assert explain(pictures, classifier, *words) == 2
    assert "and no maps; choose a convolution" in capsys.readouterr().err


@pytest.mark.parametrize(("option", "told"), [("--region", "draw it on this image"), ("--objects", "label the same")])
def test_labels_of_another_size(pictures: Path, model: Path, capsys, option: str, told: str) -> None:
    tifffile.imwrite(pictures / "other.tif", np.ones((20, 30), np.uint8))
    words = (str(pictures / "images" / "p0.tif"), "--target", "dark", option, str(pictures / "other.tif"))
    assert explain(pictures, model, *words) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--region", "--objects"])
def test_empty_labels(pictures: Path, model: Path, capsys, option: str) -> None:
    tifffile.imwrite(pictures / "other.tif", np.zeros((64, 64), np.uint8))
    words = (str(pictures / "images" / "p0.tif"), "--target", "dark", option, str(pictures / "other.tif"))
    assert explain(pictures, model, *words) == 2
    said = capsys.readouterr().err
    assert "is empty" in said or "Nothing is labelled" in said


def test_an_image_with_other_channels(tmp_path: Path, model: Path, capsys) -> None:
    tifffile.imwrite(tmp_path / "many.tif", np.zeros((5, 40, 40), np.uint8), metadata={"axes": "CYX"}, ome=True)
    assert explain(tmp_path, model, str(tmp_path / "many.tif"), "--target", "dark") == 2
    assert "1 channel" in capsys.readouterr().err


@pytest.mark.parametrize(("diameter", "warned"), [(60, True), (6, False)])
def test_grains_larger_than_the_field_are_told(pictures: Path, model: Path, diameter: int, warned: bool) -> None:
    rows, columns = np.mgrid[:64, :64]
    grain = np.hypot(rows - 32, columns - 32) < diameter / 2
    tifffile.imwrite(pictures / "grain.tif", grain.astype(np.uint8))
    words = (str(pictures / "images" / "p0.tif"), "--target", "dark", "--objects", str(pictures / "grain.tif"))
    assert explain(pictures, model, *words) == 0
    told = " ".join(record(pictures)["explanation"]["warnings"])
    assert (f"smaller than the grains of {diameter} px" in told) is warned
