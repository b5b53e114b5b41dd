"""``napari-microcnn classify``, from folders to reports."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_microcnn.cli import main
from napari_microcnn.io.read import read_micrograph
from napari_microcnn.models import load_classifier

# A shell that starts this in the background would have it ignore Ctrl-C.
_MAIN = """
import signal, sys
from napari_microcnn.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main())
"""

TINY = "--architecture conv-pool --init none --filters 4 --blocks 2 --side 32 --batch 4 --epochs 1 --device cpu".split()


def wave(scale: float, seed: int, side: int = 40) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    angle = rng.uniform(0, 6.3)
    found = 120 + 60 * np.sin(scale * (x * np.cos(angle) + y * np.sin(angle))) + rng.normal(0, 8, x.shape)
    return found.clip(0, 255).astype(np.uint8)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for name, scale in (("coarse", 0.4), ("fine", 1.4)):
        for number in range(5):
            path = tmp_path / "set" / name / f"m{number}" / "image.tif"
            path.parent.mkdir(parents=True)
            tifffile.imwrite(path, wave(scale, number), imagej=True, resolution=(2, 2), metadata={"unit": "um"})
    return tmp_path / "set"


@pytest.fixture
def trained(folders: Path, tmp_path: Path) -> Path:
    assert main(["classify", "train", str(folders), "-o", str(tmp_path / "c.safetensors"), *TINY]) == 0
    return tmp_path / "c.safetensors"


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_train_cross_validates_and_reports(folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report, model = tmp_path / "report", tmp_path / "c.safetensors"
    words = ["classify", "train", str(folders), "-o", str(model), "--report", str(report), "--folds", "2", *TINY]
    assert main(words) == 0
    told = capsys.readouterr()
    assert "2 folds: accuracy" in told.out
    assert "coarse, fine, balanced accuracy" in told.out
    assert "10 images of 5 micrographs: coarse 5, fine 5." in told.err
    names = {"predictions.csv", "report.json", "confusion.png", "confusion.csv", "curves.png"}
    assert {path.name for path in report.iterdir()} == names
    assert len(rows(report / "predictions.csv")) == 10
    about = json.loads((report / "report.json").read_text())
    assert about["judged_on"] == "all images, by folds"
    assert len(about["folds"]) == 2
    assert about["model"]["provenance"]["settings"]["epochs"] == 1
    assert about["model"]["pixel_size"]["x"] == 0.5


def test_predict_writes_a_table_and_maps(
    folders: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, broken = tmp_path / "out", tmp_path / "broken.tif"
    broken.write_bytes(b"nothing")
    image = folders / "coarse" / "m0" / "image.tif"
    assert main(["classify", "predict", str(image), "--model", str(trained), "-o", str(output), "--tiles"]) == 0
    found = rows(output / "predictions.csv")
    assert [row["image"] for row in found] == ["image"]
    assert float(found[0]["p(coarse)"]) + float(found[0]["p(fine)"]) == pytest.approx(1, abs=2e-4)
    tiles = read_micrograph(output / "image_tiles.tif")
    assert tiles.plane_shape == (3, 3)
    assert tiles.calibration is not None
    assert tiles.calibration.to("um").pixel_size == pytest.approx((40 / 3 * 0.5,) * 2)
    assert main(["classify", "predict", str(image), str(broken), "--model", str(trained), "-o", str(output)]) == 2
    assert "1 of 2 files were not classified" in capsys.readouterr().err
    assert len(rows(output / "predictions.csv")) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is no signal there")
def test_control_c_keeps_the_best_classifier(folders: Path, tmp_path: Path) -> None:
    """The real thing: Ctrl-C once a best classifier was written, exit code 130 and a model that opens."""
    model = tmp_path / "kept.safetensors"
    unfinished = tmp_path / "kept.unfinished.safetensors"
    words = ["classify", "train", str(folders), "-o", str(model), *TINY, "--epochs", "100000"]
    program = _MAIN
    command = [sys.executable, "-c", program, *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        start = time.monotonic()
        while not unfinished.exists() and process.poll() is None and time.monotonic() - start < 100:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert "The best model so far (epoch " in told
    assert "Traceback" not in told
    assert [info.name for info in load_classifier(model).classes] == ["coarse", "fine"]


def test_evaluate_a_table(folders: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = folders / "set.csv"
    lines = [f"{name}/m{number}/image.tif,{name},{name}{number}" for name in ("coarse", "fine") for number in (1, 2)]
    table.write_text("\n".join(["file,class,micrograph", *lines]))
    assert main(["classify", "evaluate", str(table), "--model", str(trained), "-o", str(tmp_path / "out")]) == 0
    assert "balanced accuracy" in capsys.readouterr().out
    about = json.loads((tmp_path / "out" / "report.json").read_text())
    value, low, high = about["scores_with_95_percent_interval"]["macro-F1"]
    assert low <= value <= high
    table.write_text("\n".join(["file,class", *lines]).replace("fine", "very fine").replace("very fine/", "fine/"))
    assert main(["classify", "evaluate", str(table), "--model", str(trained), "-o", str(tmp_path / "out")]) == 2
    assert "does not know the class 'very fine'" in capsys.readouterr().err


def test_models_info_describes_a_classifier(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["models", "info", str(trained)]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "classifier"


def one_class(root: Path) -> None:
    tifffile.imwrite(root / "a" / "1.tif", wave(1, 0))
    tifffile.imwrite(root / "a" / "2.tif", wave(1, 1))


def one_image(root: Path) -> None:
    one_class(root)
    (root / "b").mkdir()
    tifffile.imwrite(root / "b" / "1.tif", wave(1, 2))


def same_names(root: Path) -> None:
    one_image(root)
    (root / "B").mkdir()
    tifffile.imwrite(root / "B" / "1.tif", wave(1, 2))


def unreadable(root: Path) -> None:
    (root / "a" / "1.png").write_text("text")


def other_channels(root: Path) -> None:
    one_image(root)
    for number in range(2):
        pixels = np.zeros((5, 40, 40), np.uint8)
        tifffile.imwrite(root / "b" / f"x{number}.tif", pixels, ome=True, metadata={"axes": "CYX"})


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (one_class, "All images are of the class 'a'"),
        (one_image, "The class 'b' has one image only"),
        (same_names, "'B' and 'b' have the same name"),
        (unreadable, "can be read"),
        (other_channels, "different numbers of channels"),
    ],
)
def test_bad_sets_are_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: object, told: str
) -> None:
    (tmp_path / "set" / "a").mkdir(parents=True)
    make(tmp_path / "set")
    output = tmp_path / "c.safetensors"
    assert main(["classify", "train", str(tmp_path / "set"), "-o", str(output), *TINY]) == 2
    errors = capsys.readouterr().err
    assert told in errors.splitlines()[-1]
    assert "Traceback" not in errors
    assert not output.exists()


def test_a_segmenter_is_no_classifier(folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = str(folders / "coarse" / "m0" / "image.tif")
    assert main(["classify", "predict", image, "--model", "grain-boundaries", "-o", str(tmp_path / "out")]) == 2
    assert "is a segmenter" in capsys.readouterr().err
