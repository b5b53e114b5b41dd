"""Pictures of the docks for the documentation, on the built-in sample only.

``xvfb-run -a -s "-screen 0 1366x768x24" python docs/screenshots.py`` writes docs/images/dock_*.png.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from qtpy.QtWidgets import QApplication

from napari_microcnn.io.sessions import SESSIONS_VARIABLE
from napari_microcnn.ui.__main__ import DOCKS, PLUGIN, open_window
from napari_microcnn.ui.models import MODELS_VARIABLE

Show = Callable[[str], Any]
Finish = Callable[[Any], None]
Take = Callable[[str], None]
IMAGES = Path(__file__).parent / "images"


def wait(seconds: float, until: Callable[[], bool] = lambda: False) -> None:
    """Let the window work."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not until():
        QApplication.processEvents()
        time.sleep(0.002)


def main() -> None:
    """Go through the docks and take a picture of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="time of the training")
    parser.add_argument("--theme", default="dark", choices=("dark", "light"))
    parser.add_argument("--output", type=Path, default=IMAGES)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as models:
        os.environ[MODELS_VARIABLE] = models
        os.environ[SESSIONS_VARIABLE] = models
        _take_all(arguments)


def _take_all(arguments: argparse.Namespace) -> None:
    viewer = open_window([])
    viewer.theme = arguments.theme
    viewer.window.resize(1366, 768)
    wait(2)
    docks = {name: viewer.window.dock_widgets[f"{name} ({PLUGIN})"] for name in DOCKS}

    def show(name: str) -> Any:
        docks[name].parent().raise_()
        wait(0.5)
        return docks[name]

    def finish(dock: Any) -> None:
        dock.run_button.click()
        wait(1000, lambda: dock.job is None)
        wait(6)  # the notification goes away

    def take(name: str) -> None:
        viewer.screenshot(arguments.output / f"dock_{name}.png", canvas_only=False, flash=False)

    _teach_and_segment(viewer, show, finish, take, arguments.minutes)
    _export(show("Export"), finish, take)
    _explain(show("Explain"), finish, take)
    _lab(show("Convolution lab"), take)
    _classify(viewer, show("Classify"), finish, take)
    _synthesise(viewer, show("Synthesize"), take)
    viewer.close()


def _teach_and_segment(viewer: Any, show: Show, finish: Finish, take: Take, minutes: float) -> None:
    annotate = show("Annotate & train")
    annotate.form.widget("minutes").setValue(minutes)
    finish(annotate)
    take("annotate")
    _guide(annotate, take)
    finish(show("Segment"))
    viewer.layers["nanoporous gold annotation"].visible = False
    viewer.layers["nanoporous gold region"].visible = False
    viewer.reset_view()
    wait(0.5)
    take("segment")
    _correct(show("Correct"), take)


def _guide(annotate: Any, take: Take) -> None:
    annotate.guide_section.set_open(True)
    annotate.guide.find_button.click()
    wait(1000, lambda: annotate.job is None)
    annotate.scroll_to(annotate.guide)
    wait(1)
    take("unsure")
    annotate.guide.go_button.click()
    wait(1)
    take("guide")


def _correct(correct: Any, take: Take) -> None:
    wait(30, lambda: correct.watched.objects is not None)
    correct.filter.largest.setValue(8)
    wait(2)
    take("correct")
    correct.clear_button.click()
    wait(0.5)


def _export(export: Any, finish: Finish, take: Take) -> None:
    with TemporaryDirectory() as folder:
        export.folder.folder = Path(folder) / "results"
        finish(export)
        export.folder.text.setText("~/results")
        export.say("Wrote 4 files to ~/results.")
        take("export")


def _explain(explain: Any, finish: Finish, take: Take) -> None:
    viewer = explain.viewer
    before = list(viewer.layers)
    explain.image.layer = viewer.layers["nanoporous gold"]
    wait(60, lambda: explain.layer.count() > 1)
    finish(explain)
    take("explain")
    for layer in [layer for layer in viewer.layers if layer not in before]:
        viewer.layers.remove(layer)


def _classify(viewer: Any, classify: Any, finish: Finish, take: Take) -> None:
    viewer.layers.clear()
    viewer.open_sample(PLUGIN, "steels")
    classify.sources.kind.setCurrentIndex(1)
    classify.form.widget("minutes").setValue(0.5)
    wait(1)
    finish(classify)
    classify.scroll_to(classify.scores)
    wait(1)
    take("classify")


def _lab(lab: Any, take: Take) -> None:
    lab.image.layer = lab.viewer.layers["nanoporous gold"]
    lab.kernel.setCurrentText("sobel vertical")
    lab.form.widget("relu").setChecked(True)
    lab.step_button.click()
    lab.position.setValue(lab.position.maximum() // 2 - 500)
    wait(1)
    take("lab")
    lab.run_button.click()


def _synthesise(viewer: Any, synthesize: Any, take: Take) -> None:
    viewer.layers.clear()
    synthesize.draw()
    wait(30, lambda: not synthesize.drawing)
    viewer.layers["synthetic boundaries"].visible = True
    viewer.layers["synthetic triple points"].visible = True
    wait(1)
    take("synthesize")


if __name__ == "__main__":
    main()
