"""The commands with a third of the memory that they would like: they finish with less, or say how much they need."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile

from benchmarks.common import Table

SIDE = 4096
_MEGA = 1e6


def run() -> Table:
    """Run every command freely, then with a third of the address space that it took beyond its libraries."""
    table = Table(
        "A third of the memory",
        ("command", "takes (MB)", "was given (MB)", "ends with", "says"),
        note="Address space (what `ulimit -v` limits) beyond that of the process with its libraries.",
    )
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        _fill(folder)
        for number, (name, words) in enumerate(_commands(folder).items()):
            free, _, said = _child(folder, 0, *words, str(folder / f"free{number}.safetensors"))
            if free["code"] != 0:
                raise RuntimeError(f"{name} fails without a limit: {said}")
            room = free["taken"] // 3
            _, code, said = _child(folder, room, *words, str(folder / f"capped{number}.safetensors"))
            ending = "finished" if code == 0 else f"code {code}" + (", traceback" if "Traceback" in said else "")
            remarks = [line for line in said.splitlines() if "memory" in line or code not in (0, 2)]
            told = " ".join(remarks[-1:])[:200]
            says = ending == "code 2" and re.search(r"memory.* \d+ MB", told) is not None
            table.at_most(f"neither finishes nor says how much it needs: {name}", not (says or ending == "finished"), 0)
            table.add(name, f"{free['taken'] / _MEGA:.0f}", f"{room / _MEGA:.0f}", ending, told)
    return table


def _fill(folder: Path) -> None:
    from napari_microcnn.synth import LOOKS, polycrystal

    structure, imaging = LOOKS["etched"]
    made = polycrystal(structure.model_copy(update={"height": 1024, "width": 1024, "grains": 960}), imaging, 0)
    for name, image, labels in (
        ("large", np.pad(made.image, (0, SIDE - 1024), mode="symmetric"), None),
        ("small", made.image, made.structure.boundaries.astype(np.uint8) + 1),
    ):
        (folder / name).mkdir()
        tifffile.imwrite(folder / name / "image.tif", image, tile=(256, 256))
        if labels is not None:
            (folder / "labels").mkdir()
            tifffile.imwrite(folder / "labels" / "image.tif", labels)
    place = np.arange(SIDE) // 1024
    grains = np.pad(made.structure.grains, (0, SIDE - 1024), mode="symmetric")
    tifffile.imwrite(folder / "grains.tif", grains + 1000 * (place[:, None] * len(set(place)) + place).astype(np.int32))
    _save_classifier(folder / "classifier.safetensors")


def _save_classifier(path: Path) -> None:
    """Save a network as it would be trained, but for its weights."""
    from napari_microcnn.config import ClassifierConfig, ClassInfo
    from napari_microcnn.models import Classifier, save_classifier
    from napari_microcnn.nets import build_classifier

    classes = tuple(ClassInfo(id=number, name=name, colour="#e69f00") for number, name in enumerate(("fine", "coarse")))
    save_classifier(Classifier(build_classifier(ClassifierConfig()).eval(), classes, 224), path)


def _commands(folder: Path) -> dict[str, list[str]]:
    large, model = str(folder / "large" / "image.tif"), ["--model", "grain-boundaries", "--device", "cpu"]
    told = [str(folder / "classifier.safetensors"), "--device", "cpu"]
    pairs = ["--images", str(folder / "small"), "--labels", str(folder / "labels"), "--device", "cpu"]
    return {
        f"segment, {SIDE} x {SIDE}": ["segment", large, *model, "-o"],
        f"segment --large, {SIDE} x {SIDE}": ["segment", large, *model, "--large", "-o"],
        f"classify predict, {SIDE} x {SIDE}": ["classify", "predict", large, "--model", *told, "--tiles", "-o"],
        f"explain, {SIDE} x {SIDE}": ["explain", large, *model, "--target", "boundary", "-o"],
        f"measure grains, {SIDE} x {SIDE}": ["measure", "grains", str(folder / "grains.tif"), "-o"],
        "train, batches of 16 x 256 x 256": ["train", *pairs, "--batch", "16", "--patch", "256", "--epochs", "1", "-o"],
    }


def _child(folder: Path, room: int, *words: str) -> tuple[dict[str, int], int, str]:
    """Return what the child tells of itself, its exit code and its error stream."""
    command = [sys.executable, "-m", "benchmarks.cap", str(folder / "told.json"), str(room), *words]
    alone = os.environ | {"OMP_NUM_THREADS": "1"}  # every thread reserves address space that it never uses
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=alone)
    told = folder / "told.json"
    known: dict[str, int] = json.loads(told.read_text(encoding="utf-8")) if told.exists() else {}
    told.unlink(missing_ok=True)
    return known, done.returncode, done.stderr


def _limited(told: Path, room: int, words: Sequence[str]) -> int:
    """Import what the commands need, take the room away, run one, and write down what it took."""
    import napari_microcnn.batch
    import napari_microcnn.explain.explanation
    import napari_microcnn.measure
    import napari_microcnn.predict.classify
    import napari_microcnn.predict.large
    import napari_microcnn.train.segmenter  # noqa: F401
    from napari_microcnn.cli import main

    start = _status("VmSize")
    if room:
        resource.setrlimit(resource.RLIMIT_AS, (start + room, start + room))
    code = main(words)
    told.write_text(json.dumps({"taken": _status("VmPeak") - start, "code": code}), encoding="utf-8")
    return code


def _status(field: str) -> int:
    """Return a size that Linux keeps of this process, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{field}:"))


if __name__ == "__main__":
    sys.exit(_limited(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
