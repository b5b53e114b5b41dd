"""Starting and stopping jobs in the docks again and again: what is left of memory, threads and processes.

Needs a screen (``xvfb-run -a python -m benchmarks cycles``).
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import numpy as np
import psutil

from benchmarks.common import Table
from benchmarks.heartbeat import wait

CYCLES, SETTLED = 50, 10
"""Cycles that count, and those before them in which caches fill."""
BAR = 20
"""Megabytes that window and worker may grow by in these cycles: what an allocator and its fragments come to. A leak of
one image, of one network or of one layer in every cycle would be more."""
SIDE = 512
_MEGA = 1e6
_POOLS = ("asyncio_", "zarr_pool")
"""Beginnings of the names of the threads with which zarr reads and writes."""


def run() -> Table:
    """Predict, predict and stop, and train and stop, with a folder of its own for the models."""
    from napari_microcnn.io.sessions import SESSIONS_VARIABLE
    from napari_microcnn.ui.models import MODELS_VARIABLE

    with TemporaryDirectory() as models:
        os.environ[MODELS_VARIABLE] = models
        os.environ[SESSIONS_VARIABLE] = models
        return _run()


def _run() -> Table:
    import napari

    from napari_microcnn.ui.__main__ import PLUGIN

    table = Table(
        f"{CYCLES} times started and stopped",
        (
            "what", "window (MB)", "its growth (MB)", "worker (MB)", "its growth (MB)", "threads", "child processes",
            "bar held",
        ),
        note=f"Resident memory after {SETTLED} cycles and how much more it is after {CYCLES} more, medians of five "
        "cycles each; threads of Python and child processes before and after. The bar: no thread and no process more, "
        f"and neither window nor worker larger by {BAR} MB.",
    )  # fmt: skip
    viewer = napari.Viewer()
    names = ("Segment", "Annotate & train", "Classify", "Explain")
    segment, annotate, classify, explain = (viewer.window.add_plugin_dock_widget(PLUGIN, name)[1] for name in names)
    _paint(viewer, annotate)
    _draw_regions(viewer, classify)
    explain.model.choose("grain-boundaries")
    for name, cycle in (
        ("segment to the end", lambda: _to_the_end(segment)),
        ("segment and stop", lambda: _stopped(segment, lambda: True)),
        ("segment block by block and stop", lambda: _large(segment)),
        ("train and stop", lambda: _stopped(annotate, lambda: annotate.teaching.preview.drawn > 0)),
        ("train a classifier and stop", lambda: _stopped(classify, lambda: "Epoch" in classify.status.text())),
        ("explain to the end", lambda: _to_the_end(explain)),
    ):
        table.add(name, *_measured(cycle))
        _declare(table)
    viewer.close()
    wait(lambda: False, 1)
    return table


def _paint(viewer: Any, annotate: Any) -> None:
    """Show a polycrystal and annotate a corner of it."""
    from napari_microcnn.config import ImagingConfig, VoronoiConfig
    from napari_microcnn.synth import polycrystal

    made = polycrystal(VoronoiConfig(height=SIDE, width=SIDE, grains=SIDE * SIDE // 1000), ImagingConfig(), 0)
    viewer.add_image(made.image, name="steel")
    annotate.pairs.new_annotation()
    corner = slice(0, SIDE // 4)
    painted = annotate.pairs.pairs[0][1]
    painted.data[corner, corner] = np.where(made.structure.boundaries[corner, corner], 2, 1)
    painted.refresh()


def _draw_regions(viewer: Any, classify: Any) -> None:
    """Have a classifier tell the left half of the picture from the right one, for ever."""
    halves = np.repeat(np.array([[1, 2]], np.uint8), SIDE, axis=0).repeat(SIDE // 2, axis=1)
    viewer.add_labels(halves, name="halves", visible=False)
    classify.sources.kind.setCurrentIndex(classify.sources.kind.count() - 1)
    classify.sources.regions.layer = viewer.layers["halves"]
    classify.form.widget("architecture").setCurrentText("conv-pool")
    classify.advanced.widget("init").setText("")
    classify.advanced.widget("epochs").setValue(100_000)


def _large(dock: Any) -> None:
    """Segment block by block into a new folder, and stop after a tile."""
    dock.large.results.folder = Path(mkdtemp(dir=dock.session.new_model_file("place").parent))
    dock.large.always.setChecked(True)
    dock.form.widget("tile").setValue(64)
    _stopped(dock, lambda: "Tile" in dock.status.text())
    dock.large.always.setChecked(False)


def _to_the_end(dock: Any) -> None:
    dock.run_button.click()
    wait(lambda: dock.job is None, 120)
    _check(dock, "Done")


def _stopped(dock: Any, ready: Callable[[], bool]) -> None:
    dock.run_button.click()
    wait(ready, 120)
    dock.stop_button.click()
    wait(lambda: dock.job is None, 120)
    _check(dock, "")


def _check(dock: Any, word: str) -> None:
    if dock.job is not None or word not in dock.status.text():
        raise RuntimeError(f"The job did not end as it should: {dock.status.text()}")


def _measured(cycle: Callable[[], None]) -> list[str]:
    """Return the cells of a row."""
    for _ in range(SETTLED):
        cycle()
    before = _left()
    sizes = []
    for _ in range(CYCLES):
        cycle()
        sizes.append(_resident())
    after = _left()
    ends = np.median(sizes[:5], axis=0), np.median(sizes[-5:], axis=0)
    cells, held = [], after[0] <= before[0] and after[1] <= before[1]
    for first, last in zip(*ends, strict=True):
        cells += [f"{first / _MEGA:.0f}", f"{(last - first) / _MEGA:+.1f}"]
        held &= last - first <= BAR * _MEGA
    return [*cells, *(f"{one} / {other}" for one, other in zip(before, after, strict=True)), "yes" if held else "no"]


def _declare(table: Table) -> None:
    """Declare what the last row must hold."""
    name, _, *cells = table.rows[-1]
    for what, cell in (("window", cells[0]), ("worker", cells[2])):
        table.at_most(f"{name}: growth of the {what} in {CYCLES} cycles (MB)", float(cell), BAR)
    for what, cell in (("threads", cells[3]), ("child processes", cells[4])):
        before, after = map(int, cell.split(" / "))
        table.at_most(f"{name}: {what} left over", after - before, 0)


def _left() -> tuple[int, int]:
    """Return the numbers of threads and of child processes, those included that nobody waited for.

    Not counted are the threads with which zarr reads and writes: a pool that grows to its limit and stays.
    """
    own = [thread for thread in threading.enumerate() if not thread.name.startswith(_POOLS)]
    return len(own), len(psutil.Process().children(recursive=True))


def _resident() -> tuple[int, int]:
    """Return the resident memory of this process and of its children, in bytes."""
    gc.collect()
    ours = psutil.Process()
    return ours.memory_info().rss, sum(child.memory_info().rss for child in ours.children(recursive=True))


if __name__ == "__main__":
    print(run())
