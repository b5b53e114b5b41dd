"""How long napari takes to start with the plugin and without, a dock to open, and the first prediction.

Needs a screen (``xvfb-run -a python -m benchmarks start``). Settings, models and sessions are those of a new user.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.common import Table

PAIRS, PREDICTIONS = 9, 3
SIDE = 1024
_PLUGIN = "napari-microcnn"
_START = "BENCHMARK_START"
"""Environment variable with the system's clock when a process was asked for."""


def run() -> Table:
    """Start napari again and again, in turns with and without the plugin, then predict in fresh windows."""
    table = Table(
        "Start",
        ("what", "seconds (median)", "least", "most", "bar"),
        note="napari: from the command to the first turn of the event loop with the window shown. First prediction: "
        f"{SIDE} x {SIDE}, grain-boundaries, from the click on Segment until the result lies in the window, which "
        "a worker gets ready for from the opening of the dock on; at once means that the program clicks as soon as the "
        "dock is there, otherwise so many seconds later.",
    )
    with TemporaryDirectory() as home:
        kinds = {name: _environment(Path(home) / name, name == "without") for name in ("with", "without")}
        for environment in kinds.values():
            _child("window", environment)  # napari keeps what it knows of plugins and fonts
        times = [{name: _child("window", environment) for name, environment in kinds.items()} for _ in range(PAIRS)]
        for name in kinds:
            _add(table, f"napari {name} the plugin", [one[name] for one in times], "")
        _add(table, "more with the plugin, pair by pair", [one["with"] - one["without"] for one in times], "0.2")
        took = [_child("docks", kinds["with"]) for _ in range(PREDICTIONS)]
        _add(table, "slowest dock to open (processor)", took, "1")
        for name, pause in (("at once", "0"), ("after 2 s", "2"), ("after 10 s", "10")):
            took = [_child("prediction", kinds["with"], pause) for _ in range(PREDICTIONS)]
            _add(table, f"first prediction, {name}", took, "4")
    return table


def _add(table: Table, name: str, times: list[float], bar: str) -> None:
    table.add(name, *(f"{seconds:.2f}" for seconds in (median(times), min(times), max(times))), bar)
    if bar:
        table.at_most(f"{name} (s)", median(times), float(bar))


def _environment(home: Path, disabled: bool) -> dict[str, str]:
    """Return the environment of a new user, who may have switched the plugin off."""
    home.mkdir()
    settings = home / "settings.yaml"
    settings.write_text(f"plugins:\n  disabled_plugins: [{_PLUGIN}]\n" if disabled else "{}\n", encoding="utf-8")
    folders = {name: str(home) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
    return {**os.environ, **folders, "NAPARI_CONFIG": str(settings)}


def _child(what: str, environment: Mapping[str, str], *words: str) -> float:
    """Return what a fresh process measures."""
    started = {_START: str(time.monotonic())}
    command = [sys.executable, "-m", "benchmarks.start", what, *words]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**environment, **started})
    return float(done.stdout.splitlines()[-1])


def _window() -> float:
    """Open napari as its command does, and return the seconds until its event loop turns."""
    import napari
    from qtpy.QtCore import QTimer

    viewer = napari.Viewer()
    known = _plugins()
    seconds: list[float] = []

    def turned() -> None:
        seconds.append(time.monotonic() - float(os.environ[_START]))
        viewer.close()

    QTimer.singleShot(0, turned)
    napari.run()
    if (_PLUGIN in known) is ("without" in os.environ["HOME"]):
        raise RuntimeError(f"napari knows {sorted(known)}; the plugin was to be there, or not to be there.")
    return seconds[0]


def _plugins() -> set[str]:
    from npe2 import PluginManager

    return {manifest.name for manifest in PluginManager.instance().iter_manifests(disabled=False)}


def _docks() -> float:
    """Open all docks, and return the processor seconds of the slowest."""
    import napari
    from qtpy.QtWidgets import QApplication

    from napari_microcnn.ui.__main__ import DOCKS

    viewer = napari.Viewer()
    QApplication.processEvents()
    times = []
    for name in DOCKS:
        start = time.process_time()
        viewer.window.add_plugin_dock_widget(_PLUGIN, name, tabify=True)
        QApplication.processEvents()
        times.append(time.process_time() - start)
    viewer.close()
    return max(times)


def _prediction(pause: float) -> float:
    """Open the Segment dock on an image, click, and return the seconds until the result is there."""
    import napari

    from benchmarks.heartbeat import wait
    from napari_microcnn.config import ImagingConfig, VoronoiConfig
    from napari_microcnn.synth import polycrystal

    made = polycrystal(VoronoiConfig(height=SIDE, width=SIDE, grains=SIDE * SIDE // 1000), ImagingConfig(), 0)
    viewer = napari.Viewer()
    viewer.add_image(made.image, name="steel")
    wait(lambda: False, 3)
    dock = viewer.window.add_plugin_dock_widget(_PLUGIN, "Segment")[1]
    wait(lambda: False, pause)
    start = time.monotonic()
    dock.run_button.click()
    wait(lambda: "steel outlines" in viewer.layers, 120)
    wait(lambda: False, 0)  # drawn
    seconds = time.monotonic() - start
    if "steel outlines" not in viewer.layers:
        raise RuntimeError(f"There is no result: {dock.status.text()}")
    viewer.close()
    return seconds


if __name__ == "__main__":
    kinds: dict[str, Callable[..., float]] = {"window": _window, "docks": _docks, "prediction": _prediction}
    print(kinds[sys.argv[1]](*map(float, sys.argv[2:])))
