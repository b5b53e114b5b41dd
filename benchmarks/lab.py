"""From a click on another kernel to the new feature map on the screen, 1024 x 1024.

Needs a screen (``xvfb-run -a python -m benchmarks lab``). Without a graphics card most of it is
napari drawing its canvas, which is measured beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from benchmarks.common import Table

SIDE, REPEATS, BAR = 1024, 21, "50 ms"


def run() -> Table:
    """Change kernels in a real window, and time what the user waits for."""
    import napari
    from qtpy.QtWidgets import QApplication

    def timed(action: Callable[[int], object]) -> tuple[str, str, str]:
        """Return the median times until the layer has its data, until it is drawn, and of the processor."""
        set_, shown, used = [], [], []
        for index in range(REPEATS):
            _wait(0.1)
            start, before = time.perf_counter(), time.process_time()
            action(index)
            set_.append(time.perf_counter() - start)
            QApplication.processEvents()  # the canvas is painted before it returns
            shown.append(time.perf_counter() - start)
            used.append(time.process_time() - before)
        medians = [f"{1000 * np.median(times):.1f} ms" for times in (set_, shown, used)]
        return medians[0], medians[1], medians[2]

    viewer = napari.Viewer()
    viewer.window.resize(1366, 768)
    image = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE)).astype(np.uint8)
    layer = viewer.add_image(image, name="image")
    dock = viewer.window.add_plugin_dock_widget("napari-microcnn", "Convolution lab")[1]
    dock.run_button.click()
    _wait(1)
    table = Table(
        f"Convolution lab, {SIDE} x {SIDE}",
        ("what", "until computed", "until drawn", "processor time until drawn", "bar"),
        note=f"Medians of {REPEATS}. The bar is for the time until drawn on a machine that has nothing else to do.",
    )
    kernels = dock.kernel.count() - 1  # the last are the user's own numbers
    for size in ("3 x 3", "5 x 5"):
        dock.form.widget("size").setCurrentText(size)
        table.add(f"another kernel of {size}", *timed(lambda i: dock.kernel.setCurrentIndex((i + 1) % kernels)), BAR)
        table.at_most(f"another kernel of {size}, until drawn (ms)", float(table.rows[-1][2].split()[0]), 50)
    table.add("nothing changed, only drawn again", *timed(lambda _: layer.refresh(extent=False)), "")
    viewer.close()
    return table


def _wait(seconds: float) -> None:
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.002)


if __name__ == "__main__":
    print(run())
