"""`kill -9` at random moments of training, predicting, exporting and a batch, and then the same command again."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import tifffile

from benchmarks.common import Table
from benchmarks.specimens import tiny_model
from napari_microcnn.config import NanoparticlesConfig
from napari_microcnn.io.read import read_labels, read_micrograph
from napari_microcnn.io.write import write_image
from napari_microcnn.models import open_model, save_model
from napari_microcnn.synth import nanoparticles

KILLS, SEED, SIDE, IMAGES = 50, 5100, 96, 6
_CODE = "import sys; from napari_microcnn.cli import main; sys.exit(main(sys.argv[1:]))"
_TINY = ["--init", "none", "--width", "2", "--depth", "1", "--patch", "32", "--batch", "2", "--epochs", "6"]


@dataclass
class _Count:
    kills: int = 0
    finished: int = 0
    files: int = 0
    torn: list[str] = field(default_factory=list)
    failed: int = 0
    touched: int = 0


def run(kills: int = KILLS) -> Table:
    """Kill every job so often that all kills together are `kills`, spread over the time that it takes."""
    columns = ("job", "killed", "done before", "files whole", "files torn", "second run failed", "inputs touched")
    table = Table("Killed at random moments", columns)
    torn: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        inputs = folder / "inputs"
        _fill(inputs)
        jobs = _jobs(inputs)
        for number, (name, words) in enumerate(jobs.items()):
            count = _killed(words, inputs, folder / "out", kills // len(jobs) + (number < kills % len(jobs)))
            table.add(name, count.kills, count.finished, count.files, len(count.torn), count.failed, count.touched)
            torn += count.torn
            table.at_most(f"{name}: torn, failed or touched", len(count.torn) + count.failed + count.touched, 0)
    table.note = "\n".join(["Torn:", *torn]) if torn else "Every file under its final name was whole."
    return table


def _fill(folder: Path) -> None:
    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    for number in range(IMAGES):
        made = nanoparticles(NanoparticlesConfig(height=SIDE, width=SIDE), seed=SEED + number)
        write_image(folder / "images" / f"i{number}.tif", made.image)
        bright = np.asarray(made.image) > np.median(np.asarray(made.image))
        tifffile.imwrite(folder / "labels" / f"i{number}.tif", bright.astype(np.uint8) + 1)
    save_model(tiny_model(), folder / "tiny.safetensors")


def _jobs(inputs: Path) -> dict[str, list[str]]:
    """Return the command lines, to which the folder for the results is added."""
    model = str(inputs / "tiny.safetensors")
    images = str(inputs / "images")
    training = ["train", "--images", images, "--labels", str(inputs / "labels"), *_TINY]
    one = ["segment", f"{images}/i0.tif", "--model", model, "--objects", "2", "--report", "--format", "imagej"]
    batch = ["segment", images, "--model", model, "--objects", "2"]
    return {
        "training": [*training, "-o", "{}/model.safetensors"],
        "predicting": [*one, "-o", "{}"],
        "batch": [*batch, "-o", "{}"],
        "block by block": [*batch, "--large", "-o", "{}"],
        "exporting ONNX": ["models", "export", model, "-o", "{}/model.onnx"],
    }


def _killed(words: Sequence[str], inputs: Path, out: Path, kills: int) -> _Count:
    rng = random.Random(f"{SEED} {words[0]}")
    before, count = _hashes(inputs), _Count()
    begin = time.monotonic()
    _start(words, out).wait()
    whole = time.monotonic() - begin
    for _ in range(kills):
        shutil.rmtree(out, ignore_errors=True)
        process = _start(words, out)
        try:
            # Most of the time goes by while libraries are imported, before there is anything to tear.
            process.wait(whole * rng.uniform(0.3, 1.0))
            count.finished += 1
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            count.kills += 1
        _look(out, count)
        again = _start(words, out).wait()
        count.failed += again != 0
        _look(out, count)
        count.touched += _hashes(inputs) != before
    shutil.rmtree(out, ignore_errors=True)
    return count


def _start(words: Sequence[str], out: Path) -> subprocess.Popen[bytes]:
    out.mkdir(exist_ok=True)
    filled = [word.format(out) for word in words]
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    nowhere = subprocess.DEVNULL
    return subprocess.Popen([sys.executable, "-c", _CODE, *filled], stdout=nowhere, stderr=nowhere, env=alone)


def _hashes(folder: Path) -> dict[Path, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _look(folder: Path, count: _Count) -> None:
    """Open everything under its final name."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        try:
            _opened(path)
            count.files += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, the file is torn
            count.torn.append(f"{path.name}: {type(error).__name__}: {error}")


def _opened(path: Path) -> None:
    readers: dict[str, Callable[[Path], object]] = {
        ".tif": read_labels,
        ".zarr": lambda place: np.asarray(read_micrograph(place).pixels),
        ".safetensors": open_model,
        ".onnx": onnx.load,
        ".json": lambda place: json.loads(place.read_text(encoding="utf-8")),
        ".csv": lambda place: list(csv.DictReader(place.read_text(encoding="utf-8").splitlines(), strict=True)),
        ".html": _closed,
        ".zip": lambda place: zipfile.ZipFile(place).testzip(),
    }
    if path.suffix in readers:
        readers[path.suffix](path)
    elif path.is_file() and not path.stat().st_size:
        raise ValueError("empty")


def _closed(path: Path) -> None:
    if not path.read_text(encoding="utf-8").rstrip().endswith("</html>"):
        raise ValueError("the page ends early")
