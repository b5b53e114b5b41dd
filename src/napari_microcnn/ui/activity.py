"""Progress of a job in napari's activity dock, in sight while another dock is open."""

from __future__ import annotations

from napari.utils import progress
from qtpy.QtCore import QObject, QTimer

_INTERVAL = 500
"""Milliseconds between updates. Each lets Qt process events, so it must not happen inside a callback of a job."""


class Activity:
    """One progress bar of the activity dock.

    Attributes
    ----------
    share : int
        Per cent that are done; shown at the next update.
    """

    def __init__(self, parent: QObject) -> None:
        self.share = 0
        self._name = ""
        self._bar: progress | None = None
        self._timer = QTimer(parent)
        self._timer.setInterval(_INTERVAL)
        self._timer.timeout.connect(self._update)

    def begin(self, name: str) -> None:
        """Show a bar soon; a job that is done before that needs none."""
        self._name, self.share = name, 0
        self._timer.start()

    def end(self) -> None:
        """Take the bar away."""
        self._name = ""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _update(self) -> None:
        if not self._name:
            self._timer.stop()
        elif self._bar is None:
            self._bar = progress(total=100, desc=self._name)
        elif self.share > self._bar.n:
            self._bar.update(self.share - self._bar.n)
