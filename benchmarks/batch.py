"""A batch of 200 small images, killed half way and started again, against the same batch left alone."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.common import Table
from napari_microcnn.config import NanoparticlesConfig
from napari_microcnn.io.read import read_labels
from napari_microcnn.io.write import write_image
from napari_microcnn.synth import nanoparticles

IMAGES, SIDE, SEED = 200, 96, 4200
MODEL = "nanoparticles"


def run() -> Table:
    """Segment a folder twice, once with SIGKILL after half of it."""
    table = Table("Batch killed half way", ("images", "done when killed", "done twice", "table", "maps that differ"))
    with tempfile.TemporaryDirectory() as place:
        folder, whole, killed = (Path(place) / name for name in ("images", "whole", "killed"))
        folder.mkdir()
        for number in range(IMAGES):
            made = nanoparticles(NanoparticlesConfig(height=SIDE, width=SIDE), seed=SEED + number)
            write_image(folder / f"i{number:03}.tif", made.image)
        _start(folder, whole).wait()
        process = _start(folder, killed)
        while process.poll() is None and len(list(killed.glob("i*.json"))) < IMAGES // 2:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        first = {path: path.stat().st_mtime_ns for path in killed.glob("i*.json")}
        _start(folder, killed).wait()
        twice = sum(path.stat().st_mtime_ns != when for path, when in first.items())
        same = (killed / "batch.csv").read_bytes() == (whole / "batch.csv").read_bytes()
        maps = [*killed.glob("*_classes.tif"), *killed.glob("*_labels.tif")]
        other = sum(not np.array_equal(read_labels(path), read_labels(whole / path.name)) for path in maps)
        table.add(IMAGES, len(first), twice, "same" if same else "differs", other)
        table.at_most("images done twice, maps or tables that differ", twice + other + (not same), 0)
    return table


def _start(folder: Path, output: Path) -> subprocess.Popen[bytes]:
    code = "import sys; from napari_microcnn.cli import main; sys.exit(main(sys.argv[1:]))"
    words = ["segment", str(folder), "--model", MODEL, "-o", str(output), "--device", "cpu"]
    return subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
