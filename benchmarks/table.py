"""The table of the Measure dock with 20,000 rows, in a real window: sort, filter, click to fly, and back.

Every time ends when the window has drawn what was asked for. Needs a screen
(``xvfb-run -a python -m benchmarks table``).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.common import Table
from benchmarks.heartbeat import wait

_SIDE, _GRAINS, _REPEATS = 2048, 20_000, 9
_BAR = 100


def run() -> Table:
    """Measure a polycrystal in the dock and use its table, with a folder of its own for what is kept."""
    from napari_microcnn.io.sessions import SESSIONS_VARIABLE
    from napari_microcnn.ui.models import MODELS_VARIABLE

    with TemporaryDirectory() as folder:
        os.environ[MODELS_VARIABLE] = os.environ[SESSIONS_VARIABLE] = folder
        return _run()


def _run() -> Table:
    viewer, dock = _measured()
    rows = len(dock.measured.table["label"])
    table = Table(
        f"Table of {rows:,} rows in the Measure dock",
        ("what", "median, ms", "longest, ms", "bar, ms", "held"),
        note=f"{_REPEATS} times each, until it is drawn; {_SIDE} x {_SIDE} pixels on a screen without a GPU.",
    )
    for name, action in _actions(dock).items():
        times = [_drawn_in(action, number) for number in range(_REPEATS)]
        table.add(name, np.median(times), max(times), _BAR, "yes" if max(times) < _BAR else "no")
        table.at_most(f"{name}, longest (ms)", max(times), _BAR)
    viewer.close()
    return table


def _measured() -> tuple[Any, Any]:
    """Open the dock on grains that nearly all have a row, and measure."""
    import napari

    from napari_microcnn.config import VoronoiConfig
    from napari_microcnn.synth import voronoi
    from napari_microcnn.ui.__main__ import PLUGIN

    grains = voronoi(VoronoiConfig(height=_SIDE, width=_SIDE, grains=_GRAINS), 0).grains
    viewer = napari.Viewer()
    viewer.add_labels(grains, name="grains")
    dock: Any = viewer.window.add_plugin_dock_widget(PLUGIN, "Measure")[1]
    wait(lambda: False, 1)
    dock.run_button.click()
    wait(lambda: dock.job is None, 300)
    if dock.measured is None:
        raise RuntimeError(f"Nothing was measured: {dock.status.text()}")
    wait(lambda: False, 2)
    return viewer, dock


def _actions(dock: Any) -> dict[str, Callable[[int], None]]:
    """Return what a user does, each taking the number of its repetition."""
    from qtpy.QtCore import QPoint, Qt
    from qtpy.QtTest import QTest

    orders = (Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder)
    values = dock.measured.table[dock.property.currentData()]
    labels = dock.measured.labels

    def click(number: int) -> None:
        row = dock.table.rowViewportPosition(dock.table.rowAt(0) + 1 + number % 4)
        QTest.mouseClick(dock.table.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(20, row + 5))

    def far(number: int) -> None:
        dock.table.verticalScrollBar().setValue(1000 * (number + 1))
        click(number)

    return {
        "sort": lambda number: dock.table.sortByColumn(1 + number % 4, orders[number % 2]),
        "filter": lambda number: dock.low.setValue(float(np.quantile(values, 0.05 + 0.1 * number))),
        "click a row to fly": click,
        "scroll far, click to fly": far,
        "object to its row": lambda number: dock.find_row(np.argwhere(labels == labels[100 * number + 50, 700])[0]),
        "another property": lambda number: dock.property.setCurrentIndex(1 + number % 8),
    }


def _drawn_in(action: Callable[[int], None], number: int) -> float:
    """Return the milliseconds that something takes until the window has drawn it."""
    from qtpy.QtWidgets import QApplication

    wait(lambda: False, 0.3)
    started = time.perf_counter()
    action(number)
    for _ in range(3):  # one round posts what the next one draws
        QApplication.processEvents()
    return 1000 * (time.perf_counter() - started)


if __name__ == "__main__":
    print(run())
