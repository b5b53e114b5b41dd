"""Images larger than the memory: peak memory and time per million pixels at several sizes.

``python -m benchmarks large`` takes the images in `IMAGES`; ``python -m benchmarks.large 30000 1000x256 4096-uint16``
others.
"""

from __future__ import annotations

import json
import math
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from benchmarks.common import Table

IMAGES = ("4096", "4096-uint16", "4096-zarr", "8192", "15000", "16384", "30000", "1000x256")
"""Sides, or frames of a stack and their side; a TIFF file of uint8 or uint16, or an OME-Zarr of uint8."""

ROUNDS = 2

_PERIOD, _TILE, _CHUNK = 2048, 256, 1024
_BYTES = 9
"""Disk space per pixel for the result and the work on it."""
_TYPES = {"": "uint8", "uint16": "uint16", "zarr": "uint8"}


def run(images: Sequence[str] = IMAGES) -> Table:
    """Segment synthetic polycrystals in child processes, from a tiled TIFF to an OME-Zarr with instances."""
    table = Table(
        "Images larger than the memory, model grain-boundaries, TIFF (of uint8 unless said otherwise) or OME-Zarr to "
        "OME-Zarr with grains and their numbers",
        ("image", "grains", "peak memory (MB)", "CPU s / MP", "wall s / MP", "s / MP for the tiles"),
        note="Bar: peak memory below 1,200 MB and within 10 % between 15,000 and 30,000; time per million pixels "
        "constant within 10 %. Peak memory is the largest resident set of the process, Python and torch included. "
        f"Plain images are segmented {ROUNDS} times, all of them before any again, for single runs of the same image "
        "differ by 8 %: the shortest times count, and the largest memory.",
    )
    found: dict[str, list[list[float]]] = {image: [] for image in images}
    for number in range(ROUNDS):
        for image in images:
            if (image.isdigit() or number == 0) and (numbers := _measured(image)):
                found[image].append(numbers)
    for image, runs in found.items():
        if not runs:
            table.add(image, "skipped: too little disk")
            continue
        grains, memory, *times = zip(*runs, strict=True)
        shortest = (f"{min(time):.3f}" for time in times)
        table.add(image, f"{grains[0]:,.0f}", f"{max(memory):.0f}", *shortest)
    _declare(table)
    return table


def _measured(image: str) -> list[float]:
    """Return grains, memory and times of one run in a process of its own; nothing where the disk is too small."""
    frames, side, kind = _parsed(image)
    needed = (_BYTES + np.dtype(_TYPES[kind]).itemsize) * frames * side**2
    with tempfile.TemporaryDirectory() as folder:
        if shutil.disk_usage(folder).free < needed:
            return []
        for what in ("picture", "segment"):
            words = [sys.executable, "-m", "benchmarks.large", what, image, folder]
            done = subprocess.run(words, check=True, capture_output=True, text=True)
    return [float(number) for number in json.loads(done.stdout.splitlines()[-1])]


def _declare(table: Table) -> None:
    """Declare the bars of what was measured: memory, and time by the clock."""
    found = {row[0]: row for row in table.rows if row[2]}
    memory = {image: float(row[2]) for image, row in found.items()}
    times = [float(row[4]) for image, row in found.items() if image.isdigit()]
    for image, peak in memory.items():
        table.at_most(f"{image}: peak memory (MB)", peak, 1200)
    if {"15000", "30000"} <= set(memory):
        table.at_most("peak memory at 30,000 against 15,000", memory["30000"] / memory["15000"], 1.1)
    if len(times) > 1:
        table.at_most("time per MP, most against least", max(times) / min(times), 1.1)


def _parsed(image: str) -> tuple[int, int, str]:
    """Return the number of frames, their side, and the kind of file."""
    size, _, kind = image.partition("-")
    *frames, side = map(int, size.split("x"))
    return (frames or [1])[0], side, kind


def write_picture(folder: Path, side: int, frames: int = 1, kind: str = "") -> None:
    """Write a polycrystal made of mirrored copies of a small one as a tiled TIFF, or an OME-Zarr, tile by tile.

    Every frame of a stack shows the same.
    """
    from napari_microcnn.io.multiscale import create_multiscale, open_multiscale
    from napari_microcnn.synth import LOOKS, polycrystal

    structure, imaging = LOOKS["etched"]
    half = _PERIOD // 2
    grains = structure.model_copy(update={"height": half, "width": half, "grains": 960})
    motif: NDArray[Any] = np.pad(polycrystal(grains, imaging, 0).image, (0, half), mode="symmetric")
    if kind == "uint16":
        motif = motif.astype(np.uint16) * 257

    def part(top: int, left: int, size: int) -> NDArray[Any]:
        rows, columns = (np.arange(start, min(start + size, side)) % _PERIOD for start in (top, left))
        return motif[np.ix_(rows, columns)]

    if kind == "zarr":
        create_multiscale(folder / "large.zarr", (side, side), _CHUNK, name="polycrystal")
        image, _ = open_multiscale(folder / "large.zarr", "r+")
        for top, left in product(range(0, side, _CHUNK), repeat=2):
            box = part(top, left, _CHUNK)
            image[top : top + len(box), left : left + box.shape[1]] = box
        return
    places = product(range(frames), range(0, side, _TILE), range(0, side, _TILE))
    tiles = (motif[top % _PERIOD :, left % _PERIOD :][:_TILE, :_TILE] for _, top, left in places)
    shape = (side, side) if frames == 1 else (frames, side, side)
    tifffile.imwrite(folder / "large.tif", tiles, shape=shape, dtype=motif.dtype, tile=(_TILE, _TILE), bigtiff=True)


def _segment(folder: Path) -> list[float]:
    from napari_microcnn.config import SegmentConfig
    from napari_microcnn.events import Finished, TileDone
    from napari_microcnn.models import load_model
    from napari_microcnn.predict import predict_plane, segment_large

    model = load_model("grain-boundaries")
    config = SegmentConfig(magnification=1.0, device="cpu")
    predict_plane(model, np.zeros((512, 512), np.uint8), config)  # the first calls choose how to compute
    start, tiles, grains, pixels = time.perf_counter(), 0.0, 0, 1
    for event in segment_large(next(folder.glob("large.*")), model, config, folder / "result.ome.zarr"):
        if isinstance(event, TileDone):
            tiles = time.perf_counter() - start
        elif isinstance(event, Finished):
            found = event.result
            pixels = math.prod(found.micrograph.stack_shape + found.micrograph.plane_shape)
            grains = len((found.objects or {"label": ()})["label"])
    wall = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = (used.ru_utime + used.ru_stime, wall, tiles)
    return [grains, used.ru_maxrss / 1e3 * 1.024, *(one / pixels * 1e6 for one in seconds)]


if __name__ == "__main__":
    if sys.argv[1] == "picture":
        count, length, what = _parsed(sys.argv[2])
        write_picture(Path(sys.argv[3]), length, count, what)
    elif sys.argv[1] == "segment":
        print(json.dumps(_segment(Path(sys.argv[3]))))
    else:
        print(run(sys.argv[1:]))
