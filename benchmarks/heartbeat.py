"""How fluent the window stays: gaps of a 10 ms Qt timer while a model is trained and used.

Everything is done for the first time in this process, the import of torch included. Needs a screen
(``xvfb-run -a python -m benchmarks heartbeat``).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.common import Table

INTERVAL = 10
BAR_USUAL, BAR_WORST = 50, 250
SIDE = 2048
MINUTES = 0.3
PREVIEWS = 20


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

    def begin(self) -> None:
        """Forget the beats until now."""
        self._gaps, self._last = [], time.perf_counter()

    def _beat(self) -> None:
        now = time.perf_counter()
        self._gaps.append(1000 * (now - self._last))
        self._last = now

    @property
    def gaps(self) -> np.ndarray[Any, Any]:
        """The gaps between the beats until now, in milliseconds."""
        return np.array(self._gaps)

    def report(self, table: Table, name: str) -> None:
        """Add what was collected to the table."""
        gaps = self.gaps
        usual = 100 * np.mean(gaps < BAR_USUAL)
        table.at_least(f"{name}: gaps under {BAR_USUAL} ms (%)", float(usual), 99)
        table.at_most(f"{name}: longest gap (ms)", float(gaps.max()), BAR_WORST)
        verdict = "yes" if usual >= 99 and gaps.max() <= BAR_WORST else "no"
        table.add(
            name, len(gaps), f"{np.percentile(gaps, 99):.0f} ms", f"{usual:.2f} %", f"{gaps.max():.0f} ms", verdict
        )


def wait(until: Callable[[], bool], seconds: float) -> None:
    """Let the window work until something is so."""
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while not until() and time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.0005)


def run() -> Table:
    """Open the docks, train, segment and move a slider, with a folder of its own for the models."""
    from napari_microcnn.io.sessions import SESSIONS_VARIABLE
    from napari_microcnn.ui.models import MODELS_VARIABLE

    with TemporaryDirectory() as models:
        os.environ[MODELS_VARIABLE] = models
        os.environ[SESSIONS_VARIABLE] = models
        return _run()


def _run() -> Table:
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
        _press(docks["Annotate & train"], heart)
        heart.report(table, f"training, {attempt} time")
    for attempt in ("first", "second"):
        _press(docks["Segment"], heart)
        heart.report(table, f"segmenting, {attempt} time")
    docks["Segment"].model.choose("grain-boundaries")
    _press(docks["Segment"], heart)
    heart.report(table, "segmenting with grain-boundaries")
    viewer.layers.clear()
    _slide(docks["Synthesize"], table)
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


def _slide(dock: Any, table: Table) -> None:
    """Move a slider and wait until the new picture of 512 x 512 is drawn."""
    dock.draw()
    wait(lambda: not dock.drawing, 60)
    slider = dock.polycrystal.structure.widget("regularity")
    times = []
    for step in range(PREVIEWS):
        wait(lambda: False, 0.5)
        data = dock.viewer.layers[0].data
        started = time.perf_counter()
        slider.setValue(0.3 + 0.02 * step)
        wait(lambda data=data: dock.viewer.layers[0].data is not data, 10)
        wait(lambda: False, 0)
        times.append(1000 * (time.perf_counter() - started))
    usual = f"{np.median(times):.0f} ms"
    table.add(
        "slider to preview (median)", len(times), usual, "", f"{max(times):.0f} ms", "yes" if max(times) < 100 else "no"
    )
    table.at_most("slider to preview, longest (ms)", max(times), 100)


def _press(dock: Any, heart: Heartbeat) -> None:
    """Show a dock, press its button, and wait for the end of its job."""
    dock.parent().raise_()
    wait(lambda: False, 1)
    heart.begin()
    dock.run_button.click()
    wait(lambda: dock.job is None, 60 * MINUTES + 200)
    if dock.job is not None:
        raise RuntimeError(f"The job did not end: {dock.status.text()}")


if __name__ == "__main__":
    print(run())
