"""What a dock shows by itself: the device, and how far its job is."""

from __future__ import annotations

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QProgressBar

from napari_microcnn.ui import jobs
from napari_microcnn.ui.text import QUIET_COLOUR, Sentence, duration

_POLL = 500


class DeviceLine(Sentence):
    """What the worker computes with, filled in as soon as one has told."""

    def __init__(self) -> None:
        super().__init__("Device: auto")
        self.setStyleSheet(f"color: {QUIET_COLOUR};")
        self._timer = QTimer(self)
        self._timer.setInterval(_POLL)
        self._timer.timeout.connect(self._look)

    def watch(self) -> None:
        """Look until it is known."""
        self._timer.start()
        self._look()

    def _look(self) -> None:
        line = jobs.device_line()
        if line:
            self.setText(line)
            self._timer.stop()


class JobBar(QProgressBar):
    """A progress bar that is drawn only when it is told to.

    Without animation, neither Qt's busy bar nor napari's activity dock: every frame of it draws the
    whole window, the canvas included, which without a graphics card takes most of a processor.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setTextVisible(True)
        self.setMaximumHeight(16)
        self.begin()

    def begin(self) -> None:
        """Show that a job starts."""
        self.setRange(0, 100)
        self.advance(0, 1)
        self._text = "starting …"
        self.show_progress()

    def advance(self, done: float, total: float, seconds_left: float | None = None) -> None:
        """Remember how far the job is."""
        self._share = round(100 * done / total) if total else 0
        self._text = f"%p %   {duration(seconds_left)}" if seconds_left is not None else "%p %"

    def show_progress(self) -> None:
        """Draw it."""
        self.setUpdatesEnabled(False)  # Qt would draw at once, and again with all the rest
        self.setValue(self._share)
        self.setFormat(self._text)
        self.setUpdatesEnabled(True)
