"""Live teaching with a real window: how soon the answer is seen, how soon a stroke counts, how fast it stops.

Needs a screen (``xvfb-run -a python -m benchmarks.live``).
"""

from __future__ import annotations

import os
import time
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.common import Table
from benchmarks.heartbeat import Heartbeat, wait

VIEW = 1024
LARGE = 4096
SECONDS = 20.0
FIRST, GAP, STROKE, STOP = 3.0, 3.0, 5.0, 1.0


def run() -> Table:
    """Teach live, with a folder of its own for the models."""
    from napari_microcnn.ui.models import MODELS_VARIABLE

    with TemporaryDirectory() as folder:
        os.environ[MODELS_VARIABLE] = folder
        os.environ["MICROCNN_SESSIONS"] = folder
        return _run()


def _run() -> Table:
    table = Table(
        "Live teaching",
        ("what", "measured", "bar", "held"),
        note=f"View of {VIEW} x {VIEW} pixels; heartbeat of a 10 ms timer with an image of {LARGE} x {LARGE}.",
    )
    _times(table)
    _heartbeat(table)
    return table


def _window(side: int) -> tuple[Any, Any]:
    """Open the dock on a picture of this size with some strokes, and wait until the worker has imported torch."""
    import napari

    from napari_microcnn.config import ImagingConfig, VoronoiConfig
    from napari_microcnn.synth import polycrystal
    from napari_microcnn.ui import jobs
    from napari_microcnn.ui.__main__ import PLUGIN

    made = polycrystal(VoronoiConfig(height=VIEW, width=VIEW, grains=VIEW * VIEW // 1000), ImagingConfig(), 0)
    viewer = napari.Viewer()
    viewer.add_image(np.tile(made.image, (side // VIEW, side // VIEW)), name="polycrystal")
    dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Annotate & train", tabify=True)[1]
    dock.pairs.new_annotation()
    painted = dock.pairs.pairs[0][1]
    corner = slice(side // 2 - 100, side // 2 + 28)
    boundaries = np.tile(made.structure.boundaries, (side // VIEW, side // VIEW))
    painted.data[corner, corner] = np.where(boundaries[corner, corner], 2, 1)
    painted.refresh()
    dock.form.widget("minutes").setValue(1)
    wait(lambda: jobs.device_line() is not None, 60)
    wait(lambda: False, 5)  # the worker rehearses
    return viewer, dock


def _times(table: Table) -> None:
    viewer, dock = _window(VIEW)
    start = time.perf_counter()
    dock.run_button.click()
    preview = dock.teaching.preview
    wait(lambda: preview.drawn > 0, 60)
    times = [time.perf_counter()]
    first = times[0] - start

    def watched() -> bool:
        if preview.drawn > len(times):
            times.append(time.perf_counter())
        return False

    wait(watched, SECONDS)
    start = time.perf_counter()
    dock.pairs.pairs[0][1].data_setitem(np.nonzero(_stroke(VIEW)), 1)
    wait(lambda: preview.changes > 0, 60)
    stroke = time.perf_counter() - start
    stop = _stop(dock)
    for name, measured, bar in (
        (f"Train to first preview of {VIEW} x {VIEW}", first, FIRST),
        ("largest gap between two previews", float(np.diff(times).max()), GAP),
        ("stroke to a preview that has learnt it, drawn", stroke, STROKE),
        ("Stop to idle, best weights on disk", stop, STOP),
    ):
        table.add(name, f"{measured:.2f} s", f"{bar:.0f} s", "yes" if measured < bar else "no")
        table.at_most(f"{name} (s)", measured, bar)
    viewer.close()


def _stroke(side: int) -> np.ndarray[Any, Any]:
    """Return a mask with a stroke beside what is annotated."""
    mask = np.zeros((side, side), bool)
    mask[side // 2 + 100 : side // 2 + 104, side // 2 : side // 2 + 60] = True
    return mask


def _stop(dock: Any) -> float:
    start = time.perf_counter()
    dock.stop_button.click()
    wait(lambda: dock.job is None, 60)
    seconds = time.perf_counter() - start
    if dock.model is None or not dock.model.path.is_file():
        raise RuntimeError("There are no weights on disk after Stop.")
    return seconds


def _heartbeat(table: Table) -> None:
    viewer, dock = _window(LARGE)
    viewer.scene.camera.zoom = 0.7
    wait(lambda: False, 1)
    heart = Heartbeat()
    heart.begin()
    dock.run_button.click()
    wait(lambda: False, SECONDS)
    dock.pairs.pairs[0][1].data_setitem(np.nonzero(_stroke(LARGE)), 1)
    wait(lambda: False, SECONDS / 2)
    gaps = heart.gaps
    _stop(dock)
    usual = 100 * float(np.mean(gaps < 50))
    table.add("heartbeat: gaps under 50 ms", f"{usual:.2f} %", "99 %", "yes" if usual >= 99 else "no")
    table.at_least("gaps under 50 ms (%)", usual, 99)
    longest = float(gaps.max())
    table.add("heartbeat: longest gap", f"{longest:.0f} ms", "250 ms", "yes" if longest <= 250 else "no")
    table.at_most("longest gap (ms)", longest, 250)
    viewer.close()


if __name__ == "__main__":
    print(run())
