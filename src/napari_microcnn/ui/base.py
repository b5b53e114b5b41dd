"""What all docks share: header with the device, a scrolling body, and a foot with run, stop and progress."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from napari.components import ViewerModel
from napari.utils.notifications import show_error, show_info, show_warning
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import (
    QDockWidget,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_microcnn.events import Event, Job, Notice
from napari_microcnn.ui import jobs
from napari_microcnn.ui.indicators import DeviceLine, JobBar
from napari_microcnn.ui.scroll import VerticalScroll
from napari_microcnn.ui.serve import Failure
from napari_microcnn.ui.session import Session, session_of, unwrapped
from napari_microcnn.ui.text import Sentence, quiet

log = logging.getLogger(__name__)

ERROR_COLOUR = "#e0662f"
"""Vermilion that is readable on the dark and on the light theme."""
_PAUSE = 30
_WIDTH = 330


class Dock(QWidget):
    """Base of the docks.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Or napari's proxy of it.
    run_text : str
        What the button says that starts the job.

    Attributes
    ----------
    viewer : ViewerModel
    session : Session
        What the docks of the viewer share.
    header : QHBoxLayout
        The device, and room for a button beside it.
    body : QVBoxLayout
        Where a dock puts its widgets.
    buttons : QHBoxLayout
        Run and Stop, below the body and always in sight.
    run_button, stop_button : QPushButton
    status : Sentence
        One sentence on what happens or happened.
    """

    title = ""
    """What the tab says."""
    needs_torch = True
    """Whether the worker should import torch as soon as the dock opens."""

    def __init__(self, viewer: Any, run_text: str) -> None:
        super().__init__()
        self.viewer: ViewerModel = unwrapped(viewer)
        self.session: Session = session_of(self.viewer)
        self.job: jobs.RunningJob | None = None
        self._notice = quiet()
        self._steps: list[Callable[[], None]] = []
        self._step_timer = QTimer(self)
        self._step_timer.setSingleShot(True)
        self._step_timer.timeout.connect(self._take_step)
        self._device = DeviceLine()
        self.header = QHBoxLayout()
        self.body = QVBoxLayout()
        self.run_button = QPushButton(run_text)
        self.stop_button = QPushButton("Stop")
        self.buttons = QHBoxLayout()
        self.bar = JobBar()
        self.status = Sentence()
        self._build()
        self.run_button.clicked.connect(self._run_clicked)
        self.stop_button.clicked.connect(self.stop)
        self.set_running(False)
        self.destroyed.connect(partial(_abandon, self.__dict__))
        if self.needs_torch:
            jobs.warm_up()
            self._device.watch()

    def _build(self) -> None:
        inside = QWidget()
        inside.setLayout(self.body)
        self.body.setContentsMargins(0, 0, 6, 0)
        self.body.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._scroll = scroll = VerticalScroll()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setWidget(inside)
        self.buttons.addWidget(self.run_button, 2)
        self.buttons.addWidget(self.stop_button, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 6)
        layout.setSpacing(6)
        self.header.addWidget(self._device, 1)
        layout.addLayout(self.header)
        layout.addWidget(scroll, 1)
        layout.addLayout(self.buttons)
        layout.addWidget(self.bar)
        layout.addWidget(self._notice)
        self._notice.setVisible(False)
        layout.addWidget(self.status)
        self.setMinimumWidth(_WIDTH)
        if not self.needs_torch:
            self._device.hide()

    # What a dock does

    def prepare(self) -> None:
        """Collect what the job needs from layers and widgets and start it; a dock overrides this.

        Raises
        ------
        ValueError
            With one sentence on what the user should do first.
        """
        raise NotImplementedError

    def start(
        self,
        job: Callable[[], Job[Any]],
        name: str,
        on_finished: Callable[[Any], Sequence[Callable[[], None]] | None],
        on_event: Callable[[Event], None],
        on_stopped: Callable[[], None],
        on_update: Callable[[], None] = lambda: None,
        listening: bool = False,
    ) -> None:
        """Run a job with this dock's progress bar, buttons and messages.

        `on_finished` may return steps, which are taken one by one with a pause for the window
        between them; `on_event` should only remember, and `on_update` draw.
        """

        def finished(result: Any) -> None:
            self.take([*(on_finished(result) or ()), self._end])

        def stopped() -> None:
            self._end()
            self.say("Stopped.")
            on_stopped()

        def failed(failure: Failure) -> None:
            self._end()
            self.fail(failure)

        def event(happened: Event) -> None:
            if isinstance(happened, Notice):
                self._notice.setText(" ".join(filter(None, [self._notice.text(), happened.message])))
                self._notice.setVisible(True)
            else:
                on_event(happened)

        def update() -> None:
            on_update()
            self.bar.show_progress()

        self.say("Starting …")
        self._notice.setText("")
        self._notice.setVisible(False)
        self.set_running(True)
        self.bar.begin()
        self.job = jobs.start(
            job,
            on_event=event,
            on_finished=finished,
            on_stopped=stopped,
            on_error=failed,
            on_update=update,
            name=name,
            listening=listening,
        )

    def take(self, steps: Sequence[Callable[[], None]]) -> None:
        """Take steps one by one with a pause for the window between them, after those that wait already."""
        self._steps += steps
        if self._steps and not self._step_timer.isActive():
            self._take_step()

    def stop(self) -> None:
        """Ask the running job to stop; what it reached is kept."""
        if self.job is not None and self.job.running:
            self.stop_button.setEnabled(False)
            self.say("Stopping …")
            self.job.stop()

    # What the user sees

    def set_running(self, running: bool) -> None:
        """Show the state of the buttons and of the progress bar."""
        self.run_button.setEnabled(not running)
        self.stop_button.setEnabled(running)
        self.bar.setVisible(running)

    def advance(self, done: float, total: float, seconds_left: float | None = None) -> None:
        """Move the progress bar, at the next update."""
        self.bar.advance(done, total, seconds_left)

    @property
    def noticed(self) -> str:
        """What the running or the last job gave notice of."""
        return self._notice.text()

    def scroll_to(self, widget: QWidget) -> None:
        """Bring a widget of the body into sight."""
        self._scroll.ensureWidgetVisible(widget)

    def say(self, sentence: str) -> None:
        """Show a sentence under the buttons."""
        self.status.setStyleSheet("")
        self.status.setText(sentence)

    def warn(self, sentence: str) -> None:
        """Show a sentence under the buttons and as a notification."""
        self.say(sentence)
        show_warning(sentence)

    def inform(self, sentence: str) -> None:
        """Show a sentence under the buttons, and where they are out of sight as a notification that goes away."""
        self.say(sentence)
        if not self.isVisible():
            show_info(sentence)

    def fail(self, failure: Failure) -> None:
        """Tell the user why something did not work; errors of the program are also logged."""
        sentence = failure.message
        if not failure.expected:
            log.error("%s\n%s", failure.message, failure.details)
            sentence = f"Something went wrong: {failure.message}"
        self.status.setStyleSheet(f"color: {ERROR_COLOUR};")
        self.status.setText(sentence)
        show_error(sentence)

    def attempt(self, action: Callable[[], None]) -> None:
        """Do something on behalf of the user and tell what they should do when it is not possible."""
        try:
            action()
        except (ValueError, OSError) as error:
            self.refuse(str(error))

    def refuse(self, sentence: str) -> None:
        """Tell the user why something cannot be done, and what to do."""
        self.fail(Failure(sentence, expected=True))

    def _run_clicked(self) -> None:
        self.attempt(self.prepare)

    def _take_step(self) -> None:
        """Show one part of a result and come back for the next: each costs napari a while."""
        step = self._steps.pop(0)
        if self._steps:
            self._step_timer.start(_PAUSE)
        step()

    def _end(self) -> None:
        self.job = None
        self.set_running(False)

    def abandon(self) -> None:
        """End whatever runs for this dock."""
        _abandon(self.__dict__)

    def event(self, event: QEvent) -> bool:
        """End the job when napari closes the dock: it takes the widget out of its parent then."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is None:
                self.abandon()
            elif isinstance(self.parent(), QDockWidget):  # the tab's text: without the plugin's name it fits
                self.parent().setWindowTitle(self.title.replace("&", "&&"))
        return super().event(event)


def _nothing() -> None:
    """Do nothing: what is left to do when a dock closes in the middle."""


def _abandon(members: dict[str, Any]) -> None:
    """End the jobs of a dock; takes its members, because its Qt part may be gone already."""
    for member in members.values():
        if isinstance(member, jobs.RunningJob | jobs.LatestWins):
            member.abandon()
    members["job"] = None
    members["_steps"][:] = [_nothing]
