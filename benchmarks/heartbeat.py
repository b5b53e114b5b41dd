"""How fluent the window stays: gaps of a 10 ms Qt timer while a model is trained and used.

Everything is done for the first time in this process, the import of torch included. Needs a screen
(``xvfb-run -a python benchmarks/heartbeat.py``).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication

INTERVAL = 10
BAR_USUAL, BAR_WORST = 50, 250


class Heartbeat:
    """Collects the gaps between the beats of a timer, in milliseconds."""

    def __init__(self) -> None:
        self.gaps: list[float] = []
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)
        self._timer.start(INTERVAL)

    def _beat(self) -> None:
        now = time.perf_counter()
        self.gaps.append(1000 * (now - self._last))
        self._last = now

    def report(self, name: str) -> None:
        """Print what was collected and begin anew."""
        gaps = np.array(self.gaps)
        usual = 100 * np.mean(gaps < BAR_USUAL)
        verdict = "ok" if usual >= 99 and gaps.max() <= BAR_WORST else "MISSED"
        print(
            f"{name:34} {len(gaps):6} beats   99 %: {np.percentile(gaps, 99):5.0f} ms   "
            f"under {BAR_USUAL} ms: {usual:6.2f} %   longest: {gaps.max():5.0f} ms   {verdict}"
        )
        self.gaps = []


def wait(until: Callable[[], bool], seconds: float) -> None:
    """Let the window work until something is so."""
    end = time.monotonic() + seconds
    while not until() and time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.0005)


def opening(name: str, make: Callable[[], object]) -> None:
    """Print how long it takes until a dock is there."""
    started = time.perf_counter()
    make()
    QApplication.processEvents()
    print(f"opening {name:26} {time.perf_counter() - started:6.2f} s")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=0.5, help="time of the training")
    parser.add_argument("--side", type=int, default=2048, help="side of the image that is segmented")
    arguments = parser.parse_args()

    import napari

    from napari_microcnn.config import ImagingConfig, VoronoiConfig
    from napari_microcnn.synth import polycrystal
    from napari_microcnn.ui.__main__ import DOCKS, PLUGIN

    viewer = napari.Viewer()
    wait(lambda: False, 2)
    for name in DOCKS:
        opening(name, lambda name=name: viewer.window.add_plugin_dock_widget(PLUGIN, name, tabify=True))
    docks = {name: viewer.window.dock_widgets[f"{name} ({PLUGIN})"] for name in DOCKS}
    side = arguments.side
    made = polycrystal(VoronoiConfig(height=side, width=side, grains=side * side // 1000), ImagingConfig(), 0)
    viewer.add_image(made.image, name="polycrystal")
    annotate, segment = docks["Annotate & train"], docks["Segment"]
    annotate.pairs.new_annotation()
    painted = annotate.pairs.pairs[0][1]
    strip = made.structure.boundaries[: side // 8, : side // 8]
    painted.data[: side // 8, : side // 8] = np.where(strip, 2, 1)
    painted.refresh()
    annotate.form.widget("minutes").setValue(arguments.minutes)
    wait(lambda: False, 1)

    heart = Heartbeat()
    for attempt in ("first", "second"):
        annotate.run_button.click()
        wait(lambda: annotate.job is None, 60 * arguments.minutes + 120)
        heart.report(f"training, {attempt} time")
    print(f"    {annotate.status.text()}")
    for attempt in ("first", "second"):
        segment.run_button.click()
        wait(lambda: segment.job is None, 300)
        heart.report(f"segmenting {side} x {side}, {attempt} time")
    print(f"    {segment.status.text()} {segment.result.text()}")
    synthesize = docks["Synthesize"]
    for seed in range(40):
        synthesize.seed.setValue(seed)
        synthesize.draw()
        wait(lambda: False, 0.05)
    wait(lambda: not synthesize.drawing, 10)
    heart.report("moving a slider, 512 x 512")
    viewer.close()


if __name__ == "__main__":
    main()
