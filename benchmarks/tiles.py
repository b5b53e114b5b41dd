"""Prediction of a large image: what the tiles cost in time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
import torch
from numpy.typing import NDArray

from benchmarks.common import PeakMemory, Table
from napari_microcnn.config import SegmentConfig
from napari_microcnn.data.normalisation import IntensityLimits, intensity_limits
from napari_microcnn.data.windows import Box, read_window
from napari_microcnn.events import result_of
from napari_microcnn.io.read import read_micrograph
from napari_microcnn.models import Model, load_model
from napari_microcnn.nets import halo, prepared
from napari_microcnn.predict.segment import segment
from napari_microcnn.predict.tiles import Tile, TilePredictor
from napari_microcnn.synth import LOOKS, polycrystal

SIDE = 4096
REPEATS = 5
SETTINGS = SegmentConfig(magnification=1.0)


def run() -> Table:
    """Compare a tiled prediction with the same network on the same windows, cut before and in memory."""
    table = Table(
        f"Prediction of {SIDE} x {SIDE}, model grain-boundaries",
        ("what", "value", "bar"),
        note="Time: against that of the bare network on the same windows (halo included) already in memory, as a user "
        "would call it, and told which part of its answer is wanted, as this package calls it; medians of "
        f"{REPEATS}. Memory: peak above the process with the model loaded; the image is read from a tiled TIFF.",
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.tif"
        tifffile.imwrite(path, picture(), tile=(256, 256))
        for what in ("time", "prediction", "segment"):
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.tiles", what, str(path)], check=True, capture_output=True, text=True
            )
            for row in json.loads(done.stdout.splitlines()[-1]):
                table.add(*row)
                if row[2]:
                    table.at_most(row[0], row[1], float(row[2]))
    return table


def picture() -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """Return a large picture, made of mirrored copies of a small one."""
    structure, imaging = LOOKS["etched"]
    grains = structure.model_copy(update={"height": 1024, "width": 1024, "grains": 960})
    return np.pad(polycrystal(grains, imaging, 0).image, (0, SIDE - 1024), mode="symmetric")


def _time(path: Path) -> list[tuple[str, float | str, str]]:
    model, plane = load_model("grain-boundaries"), tifffile.imread(path)
    limits, predictor = intensity_limits(plane), TilePredictor(model, SETTINGS)
    list(predictor.tiles(plane[:1024, :1024], limits))  # the first calls choose how to compute
    ratios: list[tuple[float, ...]] = []
    for _ in range(REPEATS):
        start = _now()
        regions = [event.region for event in predictor.tiles(plane, limits) if isinstance(event, Tile)]
        tiled = _now() - start
        whole, core = (_bare(model, plane, limits, regions, predictor.precision, cores) for cores in (False, True))
        ratios.append((*tiled / whole, *tiled / core, SIDE**2 / 1e6 / tiled[0]))
    cpu, wall, cpu_core, wall_core, speed = np.median(ratios, axis=0).tolist()
    return [
        ("CPU time, tiled / bare network", cpu, "1.08"),
        ("wall time, tiled / bare network", wall, "1.08"),
        ("CPU time, tiled / bare network whose decoder computes the cores only", cpu_core, "1.08"),
        ("wall time, tiled / bare network whose decoder computes the cores only", wall_core, "1.08"),
        ("million pixels per CPU second", speed, ""),
        ("tiles", str(len(regions)), ""),
    ]


def _now() -> NDArray[np.float64]:
    """Return the CPU and the wall clock, in seconds."""
    return np.array([time.process_time(), time.perf_counter()])


def _bare(
    model: Model,
    plane: NDArray[np.uint8],
    limits: IntensityLimits,
    regions: list[tuple[slice, slice]],
    precision: torch.dtype,
    cores: bool,
) -> NDArray[np.float64]:
    """Return the time, CPU and wall, of nothing but the network, on whole windows or on what their cores depend on."""
    net = prepared(model.net, torch.device("cpu"), precision)
    taken = torch.float32 if precision == torch.int8 else precision
    margin, step = halo(model.config), 2**model.config.depth
    total = np.zeros(2)
    with torch.inference_mode():
        for rows, columns in regions:
            box = Box(rows.start, rows.stop, columns.start, columns.stop)
            window, core = read_window(plane, box, margin=margin, step=step, limits=limits)
            images = torch.from_numpy(window)[None].to(taken).contiguous(memory_format=torch.channels_last)
            start = _now()
            net(images, core if cores else None)
            total += _now() - start
    return total


def _memory(path: Path, what: str) -> list[tuple[str, float | str, str]]:
    model, micrograph = load_model("grain-boundaries"), read_micrograph(path, lazy_from_bytes=1)
    with PeakMemory() as memory:
        if what == "segment":
            result_of(segment(micrograph, model, SETTINGS))
        else:
            for _ in TilePredictor(model, SETTINGS).tiles(micrograph.pixels):
                pass
    return [(f"peak memory of {what} (MB)", memory.above / 1e6, "500" if what == "prediction" else "")]


if __name__ == "__main__":
    file = Path(sys.argv[2])
    print(json.dumps(_time(file) if sys.argv[1] == "time" else _memory(file, sys.argv[1])))
