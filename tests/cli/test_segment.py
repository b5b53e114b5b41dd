from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_microcnn.batch import files as files_module
from napari_microcnn.cli import main
from napari_microcnn.config import ClassInfo, UNetConfig
from napari_microcnn.io.read import read_labels, read_micrograph
from napari_microcnn.models import Model, save_model
from napari_microcnn.nets import UNet


def segment(folder: Path, model: Path | str, *words: str) -> int:
    return main(["segment", *words, "--model", str(model), "-o", str(folder / "out")])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "out").iterdir())


def test_every_file_has_its_results(pictures: Path, model: Path, capsys) -> None:
    assert segment(pictures, model, str(pictures / "images"), "--min-size", "0") == 0
    wanted = sorted(f"p{n}{rest}" for n in (0, 1) for rest in (".csv", ".json", "_classes.tif", "_labels.tif"))
    wanted = sorted([*wanted, "batch.csv", "batch.html", "batch.json"])
    assert names(pictures) == wanted
    told = capsys.readouterr().out.splitlines()
    assert sorted(Path(line).name for line in told) == wanted
    classes = read_micrograph(pictures / "out" / "p0_classes.tif")
    assert classes.calibration is not None
    assert classes.calibration.to("µm").pixel_size == pytest.approx((0.5, 0.5))
    assert set(np.unique(np.asarray(classes.pixels))) <= {1, 2}
    labels = read_labels(pictures / "out" / "p0_labels.tif")
    with (pictures / "out" / "p0.csv").open(newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == len(np.unique(labels[labels > 0]))


def test_the_provenance_names_a_command_that_does_the_same(pictures: Path, model: Path, tmp_path: Path) -> None:
    image = str(pictures / "images" / "p0.tif")
    assert segment(pictures, model, image, "--tile", "32", "--precision", "float32") == 0
    text = (pictures / "out" / "p0.json").read_text(encoding="utf-8")
    command = str(json.loads(text)["command"])
    assert "--tile 32 --precision float32" in command
    words = [str(tmp_path / "again") if word == "." else word for word in command.split()[1:]]
    assert main(words) == 0
    again, first = (read_labels(place / "p0_classes.tif") for place in (tmp_path / "again", pictures / "out"))
    np.testing.assert_array_equal(again, first)


def test_the_provenance_tells_what_auto_meant(pictures: Path, model: Path, monkeypatch) -> None:
    monkeypatch.setattr("napari_microcnn.device.fast_int8", lambda _: False)
    monkeypatch.setattr("napari_microcnn.device.fast_bfloat16", lambda _: True)
    assert segment(pictures, model, str(pictures / "images" / "p0.tif"), "--device", "cpu") == 0
    told = json.loads((pictures / "out" / "p0.json").read_text(encoding="utf-8"))
    assert told["computed"] == {"device": "cpu", "precision": "bfloat16", "magnifications": [[1.0]]}
    assert "--precision bfloat16" in told["command"]


def test_probabilities_are_written_when_asked_for(pictures: Path, model: Path) -> None:
    assert segment(pictures, model, str(pictures / "images" / "p0.tif"), "--probabilities") == 0
    assert "p0_probabilities.tif" in names(pictures)
    probabilities = tifffile.imread(pictures / "out" / "p0_probabilities.tif")
    assert probabilities.shape == (2, 64, 64)
    np.testing.assert_allclose(probabilities.sum(0), 1, atol=1e-2)


def test_uncertainty_is_written_when_asked_for(pictures: Path, model: Path) -> None:
    assert segment(pictures, model, str(pictures / "images" / "p0.tif"), "--uncertainty") == 0
    unsure = tifffile.imread(pictures / "out" / "p0_uncertainty.tif")
    assert unsure.dtype == np.uint8
    assert unsure.shape == (64, 64)
    assert "--uncertainty" in json.loads((pictures / "out" / "p0.json").read_text())["command"]


def test_one_bad_file_does_not_stop_the_others(pictures: Path, model: Path, capsys) -> None:
    (pictures / "images" / "p0.tif").write_text("not a picture")
    assert segment(pictures, model, str(pictures / "images")) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert "p0.tif" in told[0]
    assert "1 of 2 files" in told[1]
    assert all(name.startswith(("p1", "batch")) for name in names(pictures))


def test_results_are_not_segmented_again(pictures: Path, model: Path, capsys) -> None:
    """Results written beside the images, and the same command once more."""
    images = pictures / "images"
    for _ in range(2):
        assert main(["segment", str(images), "--model", str(model), "-o", str(images)]) == 0
    assert len(list(images.iterdir())) == 2 * 5 + 3
    assert "results of an earlier run: 4 images" in capsys.readouterr().err
    assert main(["segment", str(images / "p0_classes.tif"), "--model", str(model), "-o", str(images)]) == 2


@pytest.mark.parametrize("name", ["p0_labels.tif", "p0.csv", "p0.json"])
def test_files_of_the_user_are_not_replaced(pictures: Path, model: Path, capsys, name: str) -> None:
    images = pictures / "images"
    (images / name).write_bytes(b"{}")
    assert main(["segment", str(images / "p0.tif"), "--model", str(model), "-o", str(images)]) == 2
    told = capsys.readouterr().err
    assert name in told
    assert told.count("\n") == 1
    assert (images / name).read_bytes() == b"{}"
    assert len(list(images.iterdir())) == 3


def test_a_model_without_objects_says_so_once_something_is_done(pictures: Path, tmp_path: Path, capsys) -> None:
    classes = tuple(ClassInfo(id=number, name=str(number), colour="#000000") for number in (1, 2))
    plain = save_model(Model(UNet(UNetConfig(width=2, depth=1)).eval(), classes), tmp_path / "plain.safetensors")
    assert segment(pictures, plain, str(pictures / "images" / "p0.tif")) == 0
    assert "--objects CLASS" in capsys.readouterr().err
    assert names(pictures) == ["p0.json", "p0_classes.tif"]
    (pictures / "images" / "p1.tif").write_bytes(b"")
    assert segment(pictures, plain, str(pictures / "images" / "p1.tif")) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("what", ["text", "nothing", "no model", "no file", "output is a file"])
def test_mistakes_are_told_in_one_line(pictures: Path, model: Path, capsys, what: str) -> None:
    image, chosen = pictures / "images" / "p0.tif", str(model)
    if what == "text":
        image.write_text("not a picture")
    elif what == "nothing":
        image.write_bytes(b"")
    elif what == "no model":
        chosen = "steel"
    elif what == "no file":
        image.unlink()
    elif what == "output is a file":
        (pictures / "out").touch()
    assert segment(pictures, chosen, str(image)) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1, told.err
    assert not (pictures / "out").is_dir() or names(pictures) == []


def test_an_interruption_keeps_the_finished_files(pictures: Path, model: Path, monkeypatch, capsys) -> None:
    real = files_module.segment

    def second_is_interrupted(micrograph, *rest):
        if micrograph.name == "p1":
            raise KeyboardInterrupt
        return real(micrograph, *rest)

    monkeypatch.setattr(files_module, "segment", second_is_interrupted)
    assert segment(pictures, model, str(pictures / "images")) == 130
    assert "Interrupted" in capsys.readouterr().err
    assert names(pictures) == ["p0.csv", "p0.json", "p0_classes.tif", "p0_labels.tif"]


def test_the_pixel_size_can_be_given(pictures: Path, model: Path) -> None:
    image = str(pictures / "images" / "p0.tif")
    assert segment(pictures, model, image, "--pixel-size", "0.125 um") == 0
    classes = read_micrograph(pictures / "out" / "p0_classes.tif")
    assert classes.calibration is not None
    assert classes.calibration.to("µm").pixel_size == pytest.approx((0.125, 0.125))
    told = json.loads((pictures / "out" / "p0.json").read_text(encoding="utf-8"))
    assert "--pixel-size '0.125 µm'" in told["command"]
    assert segment(pictures, model, image, "--pixel-size", "wide") == 2


def test_other_formats_are_written_beside(pictures: Path, model: Path, capsys) -> None:
    image = str(pictures / "images" / "p0.tif")
    assert segment(pictures, model, image, "--min-size", "0", "--format", "coco", "--format", "png") == 0
    assert {"p0_coco.json", "p0_labels.png", "p0_classes.png", "p0_labels.tif"} <= set(names(pictures))
    assert segment(pictures, model, image, "--format", "gif") == 2
    assert "geojson" in capsys.readouterr().err
