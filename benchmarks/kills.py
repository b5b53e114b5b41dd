"""`kill -9` at random moments of training, predicting, exporting and a batch, and then the same command again."""

from __future__ import annotations

import csv
import hashlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tifffile

from benchmarks.common import Table
from benchmarks.specimens import tiny_model
from napari_microcnn.cli import main
from napari_microcnn.config import NanoparticlesConfig
from napari_microcnn.io.multiscale import open_multiscale
from napari_microcnn.io.read import read_labels, read_micrograph
from napari_microcnn.io.write import write_image
from napari_microcnn.models import load_model, open_model, save_model
from napari_microcnn.synth import nanoparticles

KILLS, SEED, SIDE, IMAGES = 50, 5100, 96, 6
LARGE = 1200
"""Side of the image that goes block by block: four blocks of up to 1024 pixels, sixteen tiles."""

_TINY = ["--init", "none", "--width", "2", "--depth", "1", "--patch", "32", "--batch", "2", "--epochs", "20"]
_PRELOADED = ["benchmarks.kills", *(f"napari_microcnn.{name}" for name in (
    "cli.main", "batch", "models.onnx_file", "predict.large", "train.segmenter",
))]  # fmt: skip


@dataclass
class _Count:
    kills: int = 0
    finished: int = 0
    files: int = 0
    torn: list[str] = field(default_factory=list)
    failed: int = 0
    different: int = 0
    touched: int = 0


def run(kills: int = KILLS) -> Table:
    """Kill every job so often that all kills together are `kills`, spread over the time that it takes."""
    columns = (
        "job", "takes (s)", "killed", "files whole", "files torn", "second run failed", "result differs",
        "inputs touched", "runs that ended first",
    )  # fmt: skip
    table = Table("Killed at random moments", columns)
    torn: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        inputs = folder / "inputs"
        _fill(inputs)
        jobs = _jobs(inputs)
        for number, (name, words) in enumerate(jobs.items()):
            share = kills // len(jobs) + (number < kills % len(jobs))
            count, whole = _killed(words, inputs, folder / name, share)
            told = (count.kills, count.files, len(count.torn), count.failed, count.different, count.touched)
            table.add(name, whole, *told, count.finished)
            torn += count.torn
            table.at_most(f"{name}: torn, failed or touched", len(count.torn) + count.failed + count.touched, 0)
    table.note = "\n".join(["Torn:", *torn]) if torn else "Every file under its final name was whole."
    table.note += (
        "\n\nEvery kill has a part of the job's time of its own; runs that ended first do not count and are repeated. "
        "The results of the second run are compared with those of one that nobody killed: class maps, labels, tables "
        "and ONNX files must be the same; a training must have gone on with the model that was there, and be no worse."
    )
    return table


def _fill(folder: Path) -> None:
    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    for number in range(IMAGES):
        made = nanoparticles(NanoparticlesConfig(height=SIDE, width=SIDE), seed=SEED + number)
        write_image(folder / "images" / f"i{number}.tif", made.image)
        bright = np.asarray(made.image) > np.median(np.asarray(made.image))
        tifffile.imwrite(folder / "labels" / f"i{number}.tif", bright.astype(np.uint8) + 1)
    tiles = np.tile(np.asarray(made.image), (LARGE // SIDE + 1, LARGE // SIDE + 1))
    write_image(folder / "large.tif", tiles[:LARGE, :LARGE])
    save_model(tiny_model(), folder / "tiny.safetensors")


def _jobs(inputs: Path) -> dict[str, list[str]]:
    """Return the command lines, to which the folder for the results is added."""
    model = str(inputs / "tiny.safetensors")
    images = str(inputs / "images")
    training = ["train", "--images", images, "--labels", str(inputs / "labels"), *_TINY]
    objects = ["--model", model, "--objects", "2", "-o", "{}"]
    return {
        "training": [*training, "-o", "{}/model.safetensors"],
        "predicting": ["segment", f"{images}/i0.tif", *objects, "--report", "--format", "imagej"],
        "batch": ["segment", images, *objects],
        "block by block": ["segment", f"{inputs}/large.tif", *objects, "--large", "--tile", "300"],
        "exporting ONNX": ["models", "export", model, "-o", "{}/model.onnx"],
    }


def _killed(words: Sequence[str], inputs: Path, out: Path, kills: int) -> tuple[_Count, float]:
    """Return what became of a job that was killed so often, and the seconds that it takes."""
    rng = random.Random(f"{SEED} {out.name}")
    before, count, reference = _hashes(inputs), _Count(), out.with_name("whole")
    whole = min(_finished(words, reference), _finished(words, reference))
    while count.kills < kills:
        shutil.rmtree(out, ignore_errors=True)
        begin = time.monotonic()
        process = _start(words, out)
        process.join(whole * (count.kills + rng.random()) / kills)
        process.kill()
        process.join()
        if process.exitcode != -signal.SIGKILL:
            count.finished += 1
            whole = min(whole, time.monotonic() - begin)
            continue
        count.kills += 1
        _look(out, count)
        kept = _kept(out)
        again = _start(words, out)
        again.join()
        count.failed += again.exitcode != 0
        _look(out, count)
        count.different += not (_no_worse(out, kept) if words[0] == "train" else _same(out, reference))
        count.touched += _hashes(inputs) != before
    shutil.rmtree(reference)
    return count, whole


def _start(words: Sequence[str], out: Path) -> BaseProcess:
    """Run the command line in a process of its own that need not import anything: there is nothing to tear then."""
    out.mkdir(exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = "1"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    process = context.Process(target=_command, args=([word.format(out) for word in words],))
    process.start()
    return process


def _command(words: list[str]) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    sys.exit(main(words))


def _finished(words: Sequence[str], out: Path) -> float:
    """Return how long a run takes that nobody kills."""
    shutil.rmtree(out, ignore_errors=True)
    begin = time.monotonic()
    process = _start(words, out)
    process.join()
    if process.exitcode != 0:
        raise RuntimeError(f"{' '.join(words)} ended with {process.exitcode}.")
    return time.monotonic() - begin


def _kept(out: Path) -> dict[str, Any] | None:
    """Return where the training was whose unfinished model is there."""
    path = out / "model.unfinished.safetensors"
    return dict(load_model(path).provenance["unfinished"]["reached"]) if path.exists() else None


def _no_worse(out: Path, kept: dict[str, Any] | None) -> bool:
    """Whether a training went on with what was kept, and its model is as good or better, but for what is in doubt."""
    about = load_model(out / "model.safetensors").provenance
    if kept is None:
        return "interrupted_after_epochs" not in about
    went_on: bool = about["interrupted_after_epochs"] == [kept["epoch"]]
    return went_on and about["validation"]["mean_iou"] >= kept["score"][0] - kept["doubt"]


def _same(out: Path, reference: Path) -> bool:
    """Whether the results are those of a run that nobody killed; not compared is what tells the time."""
    names, found = ({path.name for path in place.iterdir() if path.name[0] != "."} for place in (reference, out))
    if found != names:
        return False
    contents: dict[str, Callable[[Path], Any]] = {
        ".tif": read_labels, ".zarr": _maps, ".csv": _bytes, ".onnx": _bytes,
    }  # fmt: skip
    compared = [(contents[Path(name).suffix], name) for name in names if Path(name).suffix in contents]
    return all(np.array_equal(content(out / name), content(reference / name)) for content, name in compared)


def _bytes(path: Path) -> np.ndarray[Any, Any]:
    return np.fromfile(path, np.uint8)


def _maps(path: Path) -> np.ndarray[Any, Any]:
    """Return the class map and the labels of an OME-Zarr."""
    classes, labels = open_multiscale(path)
    return np.stack([np.asarray(image[:, :], np.int64) for image in (classes, *labels.values())])


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
