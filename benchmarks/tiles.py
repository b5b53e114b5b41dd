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

from benchmarks.common import PeakMemory, Table
from napari_microcnn.config import SegmentConfig
from napari_microcnn.data.normalisation import intensity_limits
from napari_microcnn.data.windows import Box, read_window
from napari_microcnn.events import result_of
from napari_microcnn.io.read import read_micrograph
from napari_microcnn.models import load_model
from napari_microcnn.nets import halo, prepared
from napari_microcnn.predict.segment import segment
from napari_microcnn.predict.tiles import Tile, TilePredictor
from napari_microcnn.synth import LOOKS, polycrystal

SIDE = 4096
SETTINGS = SegmentConfig(magnification=1.0)


def run() -> Table:
    """Compare a tiled prediction with the same network on the same windows, cut before and in memory."""
    table = Table(
        f"Prediction of {SIDE} x {SIDE}, model grain-boundaries",
        ("what", "value", "bar"),
        note="Time: CPU seconds against those of the bare network on the same windows (halo included) already in "
        "memory. Memory: peak above the process with the model loaded; the image is read from a tiled TIFF.",
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
    start = time.process_time()
    regions = [event.region for event in predictor.tiles(plane, limits) if isinstance(event, Tile)]
    tiled = time.process_time() - start
    bare = _bare(model, plane, limits, regions, predictor.precision)
    return [
        ("time, tiled / bare network", tiled / bare, "1.08"),
        ("million pixels per CPU second", SIDE**2 / 1e6 / tiled, ""),
        ("tiles", str(len(regions)), ""),
    ]


def _bare(model, plane, limits, regions, precision) -> float:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Return the time of nothing but the network."""
    net = prepared(model.net, torch.device("cpu"), precision)
    taken = torch.float32 if precision == torch.int8 else precision
    margin, step = halo(model.config), 2**model.config.depth
    total = 0.0
    with torch.inference_mode():
        for rows, columns in regions:
            box = Box(rows.start, rows.stop, columns.start, columns.stop)
            window, _ = read_window(plane, box, margin=margin, step=step, limits=limits)
            images = torch.from_numpy(window)[None].to(taken).contiguous(memory_format=torch.channels_last)
            start = time.process_time()
            net(images)
            total += time.process_time() - start
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
