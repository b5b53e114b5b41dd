"""A folder of images: killed, started again, and told of in one table."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_microcnn.cli import main
from napari_microcnn.io.read import read_labels

IMAGES = 12


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a dozen pictures, each with bright squares of its own."""
    images = tmp_path / "many"
    images.mkdir()
    for number in range(IMAGES):
        picture = np.random.default_rng(number).normal(60, 5, (64, 64))
        picture[8 : 20 + number, 10:30] += 120
        picture[40:52, 36 : 44 + number] += 120
        tifffile.imwrite(images / f"i{number:02}.tif", picture.clip(0, 255).astype(np.uint8))
    return images


def words(folder: Path, model: Path, output: Path) -> list[str]:
    return ["segment", str(folder), "--model", str(model), "-o", str(output), "--device", "cpu"]


def rows(output: Path) -> list[dict[str, str]]:
    with (output / "batch.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def killed_after(records: int, command: list[str], output: Path) -> None:
    """Run the command line in a process of its own and kill it when so many images are done."""
    code = "import sys; from napari_microcnn.cli import main; sys.exit(main(sys.argv[1:]))"
    process = subprocess.Popen([sys.executable, "-c", code, *command], stdout=subprocess.DEVNULL)
    while process.poll() is None and len(list(output.glob("i*.json"))) < records:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_killed_half_way_and_started_again(folder: Path, model: Path, tmp_path: Path) -> None:
    assert main(words(folder, model, tmp_path / "whole")) == 0
    output = tmp_path / "killed"
    killed_after(IMAGES // 2, words(folder, model, output), output)
    before = {path: path.stat().st_mtime_ns for path in output.glob("i*.json")}
    assert IMAGES // 2 <= len(before) < IMAGES
    assert not (output / "batch.csv").exists()
    assert main(words(folder, model, output)) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (output / "batch.csv").read_bytes() == (tmp_path / "whole" / "batch.csv").read_bytes()
    for number in range(IMAGES):
        name = f"i{number:02}_labels.tif"
        np.testing.assert_array_equal(read_labels(output / name), read_labels(tmp_path / "whole" / name))


def test_what_changed_is_done_again(folder: Path, model: Path, tmp_path: Path, capsys) -> None:
    output = tmp_path / "out"
    assert main(words(folder, model, output)) == 0
    shutil.copy(folder / "i01.tif", folder / "i00.tif")
    (output / "i02_classes.tif").write_bytes(b"damaged")
    (output / "i03.csv").unlink()
    capsys.readouterr()
    assert main(words(folder, model, output)) == 0
    assert capsys.readouterr().err.count("done before") == IMAGES - 3
    assert rows(output)[0]["sha256"] == rows(output)[1]["sha256"]
    assert main([*words(folder, model, output), "--min-size", "7"]) == 0
    assert "done before" not in capsys.readouterr().err
    assert main([*words(folder, model, output), "--min-size", "7", "--pixel-size", "2 nm"]) == 0
    assert "done before" not in capsys.readouterr().err


def test_bad_files_are_listed_in_the_table(folder: Path, model: Path, tmp_path: Path) -> None:
    (folder / "i04.tif").write_text("not a picture")
    output = tmp_path / "out"
    assert main(words(folder, model, output)) == 2
    table = rows(output)
    assert [row["file"] for row in table] == sorted(path.name for path in folder.iterdir())
    assert [row["status"] == "done" for row in table] == [number != 4 for number in range(IMAGES)]
    assert "i04.tif" in table[4]["status"]
    told = json.loads((output / "batch.json").read_text(encoding="utf-8"))
    assert list(told["failed"]) == ["i04.tif"]
    assert len(told["records"]) == IMAGES - 1
    assert f"{IMAGES - 1} of {IMAGES} images" in (output / "batch.html").read_text(encoding="utf-8")


def test_the_table_is_no_file_of_the_user(folder: Path, model: Path, tmp_path: Path, capsys) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "batch.csv").write_text("mine")
    assert main(words(folder, model, output)) == 2
    assert "batch.csv" in capsys.readouterr().err
    assert [path.name for path in output.iterdir()] == ["batch.csv"]
    (folder / "i00.tif").rename(folder / "batch.tif")
    assert main(words(folder, model, tmp_path / "other")) == 2
    assert "rename it" in capsys.readouterr().err
