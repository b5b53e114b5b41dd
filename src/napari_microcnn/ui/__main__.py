"""``python -m napari_microcnn.ui [FILE ...]``: napari with the docks, and a sample to try them on."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import napari
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QTabWidget

from napari_microcnn.ui.reader import get_reader

PLUGIN = "napari-microcnn"
DOCKS = (
    "Synthesize",
    "Segment",
    "Annotate & train",
    "Correct",
    "Classify",
    "Convolution lab",
    "Explain",
    "Measure",
    "Export",
)

_SETTLED = 300
"""Milliseconds until the docks have found their place."""


def open_window(files: Sequence[str]) -> napari.Viewer:
    """Open a viewer with the docks as tabs and the files, or without files the built-in sample.

    Parameters
    ----------
    files : sequence of str
        Images to open.
    """
    viewer = napari.Viewer(title="napari-microcnn")
    docks = {name: viewer.window.add_plugin_dock_widget(PLUGIN, name, tabify=True)[0] for name in DOCKS}
    for file in files:
        # Of several readers napari takes its own, which knows no pixel sizes.
        viewer.open(file, plugin=PLUGIN if get_reader(file) is not None else "napari")
    if not files:
        viewer.open_sample(PLUGIN, "nanoporous")
    # Upright tabs: side by side at the foot, nine names would be cut to a letter or two.
    docks["Segment"].window().setTabPosition(Qt.DockWidgetArea.RightDockWidgetArea, QTabWidget.TabPosition.East)
    viewer.canvas.overlays.scale_bar.visible = True
    QTimer.singleShot(_SETTLED, viewer.reset_view)  # the canvas has its final size only now
    docks["Segment" if files else "Annotate & train"].raise_()
    return viewer


def main() -> None:
    """Open the window and stay until it is closed."""
    open_window(sys.argv[1:])
    napari.run()


if __name__ == "__main__":
    main()
