"""How fluent the window stays: gaps of a 10 ms Qt timer while a model is trained and used.

Everything is done for the first time in this process, the import of torch included. Needs a screen
(``xvfb-run -a python -m benchmarks heartbeat``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.common import Table

INTERVAL = 10
BAR_USUAL, BAR_WORST = 50, 250
SIDE = 2048
MINUTES = 0.3


class Heartbeat:
    """Collects the gaps between the beats of a timer, in milliseconds."""

    def __init__(self) -> None:
        from qtpy.QtCore import Qt, QTimer

        self._gaps: list[float] = []
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)
        self._timer.start(INTERVAL)

    def _beat(self) -> None:
        now = time.perf_counter()
        self._gaps.append(1000 * (now - self._last))
        self._last = now

    def report(self, table: Table, name: str) -> None:
        """Add what was collected to the table and begin anew."""
        gaps = np.array(self._gaps)
        usual = 100 * np.mean(gaps < BAR_USUAL)
        verdict = "yes" if usual >= 99 and gaps.max() <= BAR_WORST else "no"
        table.add(
            name, len(gaps), f"{np.percentile(gaps, 99):.0f} ms", f"{usual:.2f} %", f"{gaps.max():.0f} ms", verdict
        )
        self._gaps = []


def wait(until: Callable[[], bool], seconds: float) -> None:
    """Let the window work until something is so."""
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while not until() and time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.0005)


def run() -> Table:
    """Open the docks, train, segment and move a slider."""
    import napari

    from napari_microcnn.ui.__main__ import DOCKS, PLUGIN

    table = Table(
        "Heartbeat of the window",
        ("what", "beats", "99 % of gaps under", f"under {BAR_USUAL} ms", "longest", "bar held"),
        note=f"A {INTERVAL} ms timer; image of {SIDE} x {SIDE} pixels, training for {60 * MINUTES:.0f} s.",
    )
    viewer = napari.Viewer()
    wait(lambda: False, 2)
    for name in DOCKS:
        started = time.perf_counter()
        viewer.window.add_plugin_dock_widget(PLUGIN, name, tabify=True)
        wait(lambda: True, 0)
        table.add(f"opening {name}", "", "", "", f"{1000 * (time.perf_counter() - started):.0f} ms", "")
    docks = {name: viewer.window.dock_widgets[f"{name} ({PLUGIN})"] for name in DOCKS}
    _paint(viewer, docks["Annotate & train"])
    wait(lambda: False, 1)
    heart = Heartbeat()
    for attempt in ("first", "second"):
        _press(docks["Annotate & train"])
        heart.report(table, f"training, {attempt} time")
    for attempt in ("first", "second"):
        _press(docks["Segment"])
        heart.report(table, f"segmenting, {attempt} time")
    viewer.close()
    return table


def _paint(viewer: Any, annotate: Any) -> None:
    """Show a polycrystal and annotate a corner of it."""
    from napari_microcnn.config import ImagingConfig, VoronoiConfig
    from napari_microcnn.synth import polycrystal

    made = polycrystal(VoronoiConfig(height=SIDE, width=SIDE, grains=SIDE * SIDE // 1000), ImagingConfig(), 0)
    viewer.add_image(made.image, name="polycrystal")
    annotate.pairs.new_annotation()
    painted = annotate.pairs.pairs[0][1]
    corner = slice(0, SIDE // 8)
    painted.data[corner, corner] = np.where(made.structure.boundaries[corner, corner], 2, 1)
    painted.refresh()
    annotate.form.widget("minutes").setValue(MINUTES)


def _press(dock: Any) -> None:
    dock.run_button.click()
    wait(lambda: dock.job is None, 60 * MINUTES + 200)
    if dock.job is not None:
        raise RuntimeError(f"The job did not end: {dock.status.text()}")


if __name__ == "__main__":
    print(run())
