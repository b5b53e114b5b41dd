"""Repeating what a record tells."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from napari_microcnn.batch import write_segmentation
from napari_microcnn.cli import main
from napari_microcnn.config import ClassInfo, ObjectRule, SegmentConfig, UNetConfig
from napari_microcnn.events import result_of
from napari_microcnn.io.read import read_micrograph
from napari_microcnn.micrograph import DRAWN
from napari_microcnn.models import Model, load_model, save_model
from napari_microcnn.nets import UNet
from napari_microcnn.predict import segment


@pytest.fixture
def record(pictures: Path, model: Path) -> Path:
    """Segment a picture whose pixel size was set by hand."""
    image = str(pictures / "images" / "p0.tif")
    options = [
        "--pixel-size",
        "2 nm",
        "--tile",
        "32",
        "--probabilities",
        "--uncertainty",
        "--report",
        "--device",
        "cpu",
    ]
    assert main(["segment", image, "--model", str(model), "-o", str(pictures / "out"), *options]) == 0
    return pictures / "out" / "p0.json"


def replayed(record: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["replay", str(record), *words])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_the_same(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in record.parent.iterdir()}
    code, out, _ = replayed(record, capsys)
    assert (code, out) == (0, "p0.json: the same, pixel for pixel.\n")
    assert {path: path.stat().st_mtime_ns for path in record.parent.iterdir()} == before


def test_other_pixels_are_counted(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = record.with_name("p0_classes.tif")
    classes = tifffile.imread(file)
    classes[:2, :3] = 3 - classes[:2, :3]
    tifffile.imwrite(file, classes)
    record.with_name("p0.csv").unlink()
    code, out, err = replayed(record, capsys)
    assert code == 2
    assert "p0_classes.tif: 6 of 4,096 pixels differ. The file was changed" in out
    assert "p0.csv is missing" in out
    assert "not the same: p0.json" in err


def test_the_micrograph_must_be_the_same(record: Path, pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = pictures / "images" / "p0.tif"
    moved = image.rename(pictures / "moved.tif")
    code, _, err = replayed(record, capsys)
    assert code == 2
    assert "missing" in err
    assert replayed(record, capsys, "--input", str(moved))[0] == 0
    code, _, err = replayed(record, capsys, "--input", str(pictures / "images" / "p1.tif"))
    assert code == 2
    assert "not the micrograph that was segmented" in err
    shutil.copy(moved, record.parent)
    (record.parent / "moved.tif").rename(record.parent / "p0.tif")
    assert replayed(record, capsys)[0] == 0  # images that travel with their results are found


def test_the_model_must_be_the_same(record: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = model.rename(model.with_name("kept.safetensors"))
    code, _, err = replayed(record, capsys)
    assert code == 2
    assert "tiny" in err
    assert replayed(record, capsys, "--model", str(kept))[0] == 0
    torch.manual_seed(1)
    classes = (ClassInfo(id=1, name="dark", colour="#000000"), ClassInfo(id=2, name="bright", colour="#ffffff"))
    net = UNet(UNetConfig(width=2, depth=1)).eval()
    save_model(Model(net, classes, ObjectRule(kind="particles", class_id=2)), model)
    code, _, err = replayed(record, capsys)
    assert code == 2
    assert "weights differ" in err


def test_other_settings_and_numbers_are_told(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(record.read_text(encoding="utf-8"))
    del told["settings"]["orientations"]
    told["settings"]["glow"] = 3
    told["results"]["objects"] += 1
    record.write_text(json.dumps(told), encoding="utf-8")
    table = record.with_name("p0.csv")
    table.write_text(table.read_text(encoding="utf-8").replace("1", "2", 1), encoding="utf-8")
    code, out, _ = replayed(record, capsys)
    assert code == 2
    assert "the setting glow is none of this version" in out
    assert "the setting orientations is new" in out
    assert "numbers in the record are others: objects." in out
    assert "p0.csv: 1 of" in out


@pytest.mark.parametrize("kind", ["particles", "sureness"])
def test_measurements_are_repeated(
    pictures: Path, model: Path, record: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    table = pictures / "measured" / "m.csv"
    if kind == "sureness":
        image = pictures / "images" / "p0.tif"
        words = ["measure", kind, str(image), "--model", str(model), "--draws", "2", "--device", "cpu"]
        told = table.with_suffix(".json")
    else:
        image = record.with_name("p0_labels.tif")
        words, told = ["measure", kind, str(image), "--sureness"], table.with_name("m_summary.json")
    assert main([*words, "-o", str(table)]) == 0
    before = table.read_bytes()
    assert replayed(told, capsys)[:2] == (0, f"{told.name}: the same, number for number.\n")
    assert table.read_bytes() == before
    table.write_text(table.read_text(encoding="utf-8").replace("0.", "7.", 1), encoding="utf-8")
    code, out, err = replayed(told, capsys)
    assert code == 2
    assert "m.csv: 1 of" in out
    assert "not the same" in err
    tifffile.imwrite(image, tifffile.imread(image)[:30])
    code, _, err = replayed(told, capsys)
    assert code == 2
    assert "is not what was measured" in err


def test_other_versions_and_devices_are_told(record: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    told = json.loads(record.read_text(encoding="utf-8"))
    told["versions"]["torch"] = "1.0"
    told["computed"]["device"] = "cuda"
    record.write_text(json.dumps(told), encoding="utf-8")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    code, out, _ = replayed(record, capsys)
    assert code == 0
    assert "torch was 1.0, is" in out
    assert "computed on cuda then, which is not here" in out


def test_a_batch_is_repeated_image_by_image(pictures: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = pictures / "out"
    assert main(["segment", str(pictures / "images"), "--model", str(model), "-o", str(output)]) == 0
    code, out, _ = replayed(output / "batch.json", capsys)
    assert code == 0
    assert out.count("pixel for pixel") == 2
    labels = output / "p1_labels.tif"
    tifffile.imwrite(labels, np.zeros_like(tifffile.imread(labels)) + 7)
    code, _, err = replayed(output / "batch.json", capsys)
    assert code == 2
    assert "1 of 2 not the same: p1.json" in err


def test_a_file_that_is_not_made_again_must_be_as_it_was_written(
    pictures: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = pictures / "out"
    image = str(pictures / "images" / "p0.tif")
    formats = ["--format", "geojson", "--format", "ome-zarr"]
    assert main(["segment", image, "--model", str(model), "-o", str(output), "--objects", "2", *formats]) == 0
    assert replayed(output / "p0.json", capsys)[0] == 0
    (output / "p0.geojson").write_text("{}")
    next(file for file in (output / "p0.ome.zarr").rglob("c/0/0") if file.is_file()).write_bytes(b"")
    code, out, _ = replayed(output / "p0.json", capsys)
    assert code == 2
    assert "p0.geojson: The file was changed since it was written." in out
    assert "p0.ome.zarr: The file was changed since it was written." in out


def test_a_databar_that_was_drawn_is_left_out_again(
    pictures: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    micrograph = read_micrograph(pictures / "images" / "p0.tif")
    height, width = micrograph.plane_shape
    drawn = replace(micrograph, metadata={**micrograph.metadata, DRAWN: ((height // 2, height, 0, width),)})
    found = result_of(segment(drawn, load_model(model), SegmentConfig(device="cpu")))
    result_of(write_segmentation(found, pictures / "out", micrograph.path, str(model)))
    record = pictures / "out" / "p0.json"
    assert replayed(record, capsys)[0] == 0
    record.write_text(json.dumps({**(told := json.loads(record.read_text())), "input": told["input"] | {DRAWN: []}}))
    assert replayed(record, capsys)[0] == 2


def test_other_files_are_no_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.json").write_text("{}")
    assert replayed(tmp_path / "a.json", capsys)[0] == 2
    (tmp_path / "a.json").write_text('{"software": "napari-microcnn"}')
    code, _, err = replayed(tmp_path / "a.json", capsys)
    assert code == 2
    assert "no segmentation" in err
