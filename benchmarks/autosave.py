"""What keeping annotations costs the window and the disk, and what comes back after ``kill -9``.

The first table paints on 4096 x 4096 pixels. For the second, a real window is opened, restores what
is offered, paints a stroke five times a second, trains, and is killed at a random moment; the next
one checks what came back. Needs a screen (``xvfb-run -a python -m benchmarks autosave``).
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.common import Table
from benchmarks.heartbeat import wait

SIDE = 4096
GUI_BAR, LOST_BAR = 10.0, 10.0
STROKES = 10
KILLS = int(os.environ.get("MICROCNN_KILLS", "20"))
KILL_SIDE, CELL, BRUSH = 1024, 20, 12
SOONEST, LATEST = 1.0, 12.0
"""Seconds between pressing Train and the kill."""
PLUGIN, DOCK = "napari-microcnn", "Annotate & train"


def run() -> Table:
    """Return the second table, with the first below it."""
    with TemporaryDirectory() as folder, _own_folders(Path(folder)):
        command = [sys.executable, "-m", "benchmarks.autosave", "cost"]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        table = _kills(Path(folder))
        table.note += f"\n\n{done.stdout.decode().strip()}"
        return table


@contextmanager
def _own_folders(folder: Path) -> Iterator[None]:
    """Keep models and sessions out of the user's folders, also in child processes."""
    from napari_microcnn.io.sessions import SESSIONS_VARIABLE
    from napari_microcnn.ui.models import MODELS_VARIABLE

    os.environ[SESSIONS_VARIABLE], os.environ[MODELS_VARIABLE] = str(folder / "sessions"), str(folder / "models")
    yield
    del os.environ[SESSIONS_VARIABLE], os.environ[MODELS_VARIABLE]


# What it costs


def cost() -> Table:
    """Paint on a large annotation in a real window and measure what the window and the disk have to do."""
    import napari

    table = Table(
        f"Autosave of an annotation of {SIDE} x {SIDE} pixels",
        ("what changed", "pixels", "GUI thread, median", "longest", "bytes written", "bar held"),
        note="GUI thread: of all the autosave does there per save. Bar: 10 ms, and bytes in proportion to the change.",
    )
    viewer = napari.Viewer()
    dock = viewer.window.add_plugin_dock_widget(PLUGIN, DOCK)[1]
    image = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE), np.uint8)
    viewer.add_image(image, name="large")
    dock.pairs.new_annotation()
    layer = dock.pairs.pairs[0][1]
    wait(lambda: False, 1)
    for name, side in (("a dot", 12), ("a stroke", 100), ("a long stroke", 400)):
        _measure(table, dock, layer, name, lambda seed, side=side: _stroke(layer, seed, side))
    _measure(table, dock, layer, "a filled square", lambda seed: _square(layer, seed))
    layer.data[:] = np.random.default_rng(0).integers(1, 3, (SIDE, SIDE))  # dense, and hard to compress
    dock.autosave.keeper.flush()
    _measure(table, dock, layer, "a stroke on dense masks", lambda seed: _stroke(layer, seed, 100))
    viewer.close()
    return table


def _stroke(layer: Any, seed: int, length: int) -> None:
    rng = np.random.default_rng(seed)
    start, angle = rng.uniform(length, SIDE - length, 2), rng.uniform(0, 6.28)
    layer.brush_size = BRUSH
    with layer.block_history():
        for step in range(0, length, BRUSH // 3):
            layer.paint(start + step * np.array([np.sin(angle), np.cos(angle)]), 1 + seed % 2)


def _square(layer: Any, seed: int) -> None:
    y, x = np.random.default_rng(seed).integers(0, SIDE - 1000, 2)
    layer.paint_polygon([(y, x), (y, x + 1000), (y + 1000, x + 1000), (y + 1000, x)], 1 + seed % 2)


def _measure(table: Table, dock: Any, layer: Any, name: str, change: Any) -> None:
    times, written, pixels = [], [], []
    for seed in range(STROKES):
        before, size = layer.data.copy(), _written()
        change(seed)
        started = time.perf_counter()
        dock.autosave.tick()
        times.append(1000 * (time.perf_counter() - started))
        dock.autosave.keeper.flush()
        written.append(_written() - size)
        pixels.append(np.count_nonzero(before != layer.data))
        wait(lambda: False, 0.05)
    held = "yes" if max(times) < GUI_BAR else "no"
    table.add(
        name,
        f"{np.median(pixels):.0f}",
        f"{np.median(times):.2f} ms",
        f"{max(times):.2f} ms",
        f"{np.median(written):.0f}",
        held,
    )


def _written() -> int:
    return sum(path.stat().st_size for path in Path(os.environ["MICROCNN_SESSIONS"]).glob("*.microcnn"))


# What comes back


@dataclass
class _Tally:
    """What was painted, killed and seen again."""

    strokes: set[int] = field(default_factory=set)
    times: dict[int, float] = field(default_factory=dict)
    killed: float = 0.0
    painted: int = 0
    safe: set[int] = field(default_factory=set)
    best: str = ""
    back: int = 0
    weights: list[bool] = field(default_factory=list)
    lost: int = 0
    losses: list[float] = field(default_factory=lambda: [0.0])

    def check(self, said: list[dict[str, Any]]) -> None:
        """Compare what a window restored with what was painted in those before."""
        shown = set(next(line["restored"] for line in said if "restored" in line))
        missing = self.strokes - shown
        self.back += bool(shown) and shown <= self.strokes and self.safe <= shown
        self.lost += len(missing)
        self.losses.append(max((self.killed - self.times[one] for one in missing if one in self.times), default=0.0))
        if self.best:
            shown_model = next(line["restored model"] for line in said if "restored model" in line)
            # A newer one is right too: written, but not yet told of, at the moment of the kill.
            newest = Path(self.best).stat().st_mtime
            self.weights.append(bool(shown_model) and Path(shown_model).stat().st_mtime >= newest)
        self.safe = self.strokes = shown
        print(f"{len(missing)} strokes lost, {self.losses[-1]:.1f} s; {self.weights[-1:]}", file=sys.stderr, flush=True)

    def note(self, said: list[dict[str, Any]], killed: float) -> None:
        """Remember what a window painted before it was killed."""
        self.times, self.killed = {line["stroke"]: line["time"] for line in said if "stroke" in line}, killed
        self.strokes = self.strokes | set(self.times)
        self.painted += len(self.times)
        self.best = next((line["best"] for line in reversed(said) if "best" in line), self.best)


def _kills(folder: Path) -> Table:
    """Kill one window after the other; the last one only looks."""
    _write_image(folder / "image.tif")
    rng, tally, first = random.Random(), _Tally(), 0
    for number in range(KILLS + 1):
        log = folder / f"{number}.log"
        killed = _kill(folder, log, first, rng.uniform(SOONEST, LATEST) if number < KILLS else None)
        said = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        if number:
            tally.check(said)
        tally.note(said, killed)
        first = max([first - 1, *tally.times]) + 1
    table = Table(
        "kill -9 while training, at random moments",
        ("windows killed", "annotations back", "best weights back", "strokes", "lost", "longest loss", "bar held"),
        note=f"{SOONEST:.0f} to {LATEST:.0f} s after pressing Train. Loss: from the oldest lost stroke to the kill.",
    )
    weights = f"{sum(tally.weights)} of {len(tally.weights)}"
    held = tally.back == KILLS and all(tally.weights) and max(tally.losses) <= LOST_BAR
    longest = f"{max(tally.losses):.1f} s"
    table.add(KILLS, tally.back, weights, tally.painted, tally.lost, longest, "yes" if held else "no")
    table.at_most("longest loss by kill -9 (s)", max(tally.losses), LOST_BAR)
    table.at_most("annotations or weights not back", 2 * KILLS - tally.back - sum(tally.weights), 0)
    return table


def _write_image(path: Path) -> None:
    import tifffile

    pixels = np.random.default_rng(0).normal(100, 20, (KILL_SIDE, KILL_SIDE)).astype(np.uint8)
    pixels[:, KILL_SIDE // 2 :] += 60
    tifffile.imwrite(path, pixels)


def _kill(folder: Path, log: Path, first: int, after: float | None) -> float:
    """Run a window and kill it so many seconds after it began to train; return when that was."""
    mode = "paint" if after is not None else "look"
    command = [sys.executable, "-m", "benchmarks.autosave", mode, str(folder / "image.tif"), str(log), str(first)]
    with subprocess.Popen(command) as child:
        if after is None:
            child.wait()
            return time.time()
        while child.poll() is None and not (log.exists() and "training" in log.read_text(encoding="utf-8")):
            time.sleep(0.05)
        time.sleep(after)
        child.kill()
        return time.time()


def child(mode: str, image: str, log: str, first: str) -> None:
    """Open a window, restore, and unless it shall only look, paint and train until the end."""
    import napari

    with Path(log).open("w", buffering=1, encoding="utf-8") as out:
        viewer = napari.Viewer()
        dock = viewer.window.add_plugin_dock_widget(PLUGIN, DOCK)[1]
        viewer.open(image)
        if int(first):
            wait(lambda: dock.autosave.offer is not None, 20)
            dock.autosave.restore_button.click()
            there = dock.pairs.pairs[0][1].data[CELL // 2 :: CELL, CELL // 2 :: CELL]
            print(json.dumps({"restored": np.flatnonzero(there).tolist()}), file=out)
            best = dock.best_model
            print(json.dumps({"restored model": str(best.path) if best else None}), file=out)
        else:
            dock.pairs.new_annotation()
        if mode == "paint":
            _paint_and_train(dock, out, int(first))
        viewer.close()


def _paint_and_train(dock: Any, out: Any, first: int) -> None:
    for name, value in {"patch": 64, "batch": 4, "width": 8, "depth": 3}.items():
        dock.advanced.widget(name).setValue(value)
    dock.init.setCurrentIndex(dock.init.findText("from scratch"))
    dock.form.widget("minutes").setValue(5)
    layer, columns, best = dock.pairs.pairs[0][1], len(range(CELL // 2, KILL_SIDE, CELL)), None
    layer.brush_size = BRUSH
    for number in range(first, columns**2):
        y, x = (CELL // 2 + CELL * index for index in divmod(number, columns))
        print(json.dumps({"stroke": number, "time": time.time()}), file=out)
        layer.paint((y, x), 1 if x < KILL_SIDE // 2 else 2)
        wait(lambda: False, 0.2)
        if number == first + columns:
            dock.run_button.click()
            print(json.dumps({"training": dock.job is not None}), file=out)
        if dock.best_model is not best:
            best = dock.best_model
            print(json.dumps({"best": str(best.path)}), file=out)


if __name__ == "__main__":
    if sys.argv[1] == "cost":
        print(cost())
    else:
        child(*sys.argv[1:])
