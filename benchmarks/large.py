"""Images larger than the memory: peak memory and time per million pixels at several sizes.

``python -m benchmarks large`` takes the images in `IMAGES`; ``python -m benchmarks.large 30000 1000x256 4096-uint16``
others.
"""

from __future__ import annotations

import json
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from benchmarks.common import Table

IMAGES = ("4096", "4096-uint16", "4096-zarr", "8192", "15000", "16384", "30000", "1000x256")
"""Sides, or frames of a stack and their side; a TIFF file of uint8 or uint16, or an OME-Zarr of uint8."""

TURN, SHORTEST = 40.0, 6.0
"""Seconds of a turn of the largest image, and least of any; others have theirs by their pixels."""

_PERIOD, _TILE, _CHUNK = 2048, 256, 1024
_BYTES = 9
"""Disk space per pixel for the result and the work on it."""
_WORDS = (sys.executable, "-m", "benchmarks.large")
_TYPES = {"": "uint8", "uint16": "uint16", "zarr": "uint8"}


def run(images: Sequence[str] = IMAGES) -> Table:
    """Segment synthetic polycrystals in child processes, from a tiled TIFF to an OME-Zarr with instances."""
    table = Table(
        "Images larger than the memory, model grain-boundaries, TIFF (of uint8 unless said otherwise) or OME-Zarr to "
        "OME-Zarr with grains and their numbers",
        ("image", "runs", "grains", "peak memory (MB)", "CPU s / MP", "wall s / MP", "s / MP for the tiles"),
        note="Bar: peak memory below 1,200 MB and within 10 % between 15,000 and 30,000; time per million pixels "
        "constant within 10 %. Peak memory is the largest resident set of the process, Python and torch included. "
        "Plain images are segmented by turns of some seconds, the smaller ones again and again as long as the largest "
        "takes: the same run on the same machine takes a fifth longer a few minutes later, and so all have their share "
        "of every minute. Times are means, without those in which it was not their turn.",
    )
    with TemporaryDirectory() as folder:
        there = [image for image in images if _fits(image, folder)]
        found = take_turns([_Runner(image, Path(folder, image)) for image in there if image.isdigit()])
        for image in images:
            if image in there and image not in found:
                found |= take_turns([_Runner(image, Path(folder, image))])
    for image in images:
        if image in found:
            grains, memory, *times = zip(*found[image], strict=True)
            table.add(image, len(memory), f"{grains[0]:,.0f}", f"{max(memory):.0f}", *map(fmean, times))
        else:
            table.add(image, "skipped: too little disk")
    _declare(table)
    return table


def _fits(image: str, folder: str) -> bool:
    """Return whether the disk has room for an image and its result, and twice as much for others."""
    frames, side, kind = _parsed(image)
    needed = (_BYTES + np.dtype(_TYPES[kind]).itemsize) * frames * side**2
    return shutil.disk_usage(folder).free > 3 * needed


class _Runner:
    """Segments an image in child processes, one after the other, that work only when it is their turn."""

    def __init__(self, image: str, folder: Path) -> None:
        self.image, self._folder = image, folder
        frames, side, _ = _parsed(image)
        self.pixels = frames * side**2
        self.runs: list[list[float]] = []
        self._process: subprocess.Popen[str] | None = None
        self._turns: list[tuple[float, float]] = []
        folder.mkdir()
        subprocess.run([*_WORDS, "picture", image, folder], check=True)

    def work(self, seconds: float | None) -> None:
        """Go on for some seconds, or until a run is over."""
        begin = time.monotonic()
        if self._process is None:
            self._clear()
            words = [*_WORDS, "segment", self.image, str(self._folder)]
            self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        else:
            self._process.send_signal(signal.SIGCONT)
        try:
            told, _ = self._process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGSTOP)
            self._turns.append((begin, time.monotonic()))
            return
        self._turns.append((begin, time.monotonic()))
        if self._process.returncode:
            raise RuntimeError(f"Segmenting {self.image} failed.")
        self._note(json.loads(told.splitlines()[-1]))

    def _note(self, told: dict[str, float]) -> None:
        """Keep the numbers of a run, times per million pixels."""
        wall, tiles = (
            sum(max(0.0, min(end, told[name]) - max(begin, told["began"])) for begin, end in self._turns)
            for name in ("ended", "tiled")
        )
        times = (one / self.pixels * 1e6 for one in (told["cpu"], wall, tiles))
        self.runs.append([told["grains"], told["memory"], *times])
        self._process, self._turns = None, []

    def _clear(self) -> None:
        for name in ("result.ome.zarr", ".result.ome.zarr.unfinished"):
            shutil.rmtree(self._folder / name, ignore_errors=True)

    def close(self) -> None:
        """End what is under way, and make room."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        shutil.rmtree(self._folder)


def take_turns(runners: Sequence[_Runner]) -> dict[str, list[list[float]]]:
    """Let all work by turns until each has ended a run; returns the numbers of all runs that were ended."""
    largest = max((runner.pixels for runner in runners), default=1)
    try:
        while not all(runner.runs for runner in runners):
            for runner in runners:
                turn = max(SHORTEST, TURN * runner.pixels / largest)
                runner.work(turn if len(runners) > 1 else None)
    finally:
        for runner in runners:
            runner.close()
    return {runner.image: runner.runs for runner in runners}


def _declare(table: Table) -> None:
    """Declare the bars of what was measured: memory, and time by the clock."""
    found = {row[0]: row for row in table.rows if row[3]}
    memory = {image: float(row[3]) for image, row in found.items()}
    times = [float(row[5]) for image, row in found.items() if image.isdigit()]
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


def _segment(folder: Path) -> dict[str, float]:
    from napari_microcnn.config import SegmentConfig
    from napari_microcnn.events import Finished, TileDone
    from napari_microcnn.models import load_model
    from napari_microcnn.predict import predict_plane, segment_large

    model = load_model("grain-boundaries")
    config = SegmentConfig(magnification=1.0, device="cpu")
    predict_plane(model, np.zeros((512, 512), np.uint8), config)  # the first calls choose how to compute
    began, before = time.monotonic(), time.process_time()
    tiled, grains = began, 0
    for event in segment_large(next(folder.glob("large.*")), model, config, folder / "result.ome.zarr"):
        if isinstance(event, TileDone):
            tiled = time.monotonic()
        elif isinstance(event, Finished):
            grains = len((event.result.objects or {"label": ()})["label"])
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3 * 1.024
    cpu = time.process_time() - before
    return {"grains": grains, "memory": memory, "cpu": cpu, "began": began, "tiled": tiled, "ended": time.monotonic()}


if __name__ == "__main__":
    if sys.argv[1] == "picture":
        count, length, what = _parsed(sys.argv[2])
        write_picture(Path(sys.argv[3]), length, count, what)
    elif sys.argv[1] == "segment":
        print(json.dumps(_segment(Path(sys.argv[3]))))
    else:
        print(run(sys.argv[1:]))
