"""The Annotate & train dock: strokes in, a model out, the answer in sight while it learns."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from napari.utils.theme import get_theme
from qtpy.QtWidgets import QFormLayout, QPushButton, QWidget

from napari_microcnn.config import PALETTE, ClassInfo, TrainConfig
from napari_microcnn.events import BatchDone, EpochDone, Event, Paused, PreviewDone, Resumed, score_of
from napari_microcnn.ui import layers, tasks
from napari_microcnn.ui.autosave import Autosave
from napari_microcnn.ui.base import Dock
from napari_microcnn.ui.choices import ModelChoice
from napari_microcnn.ui.classes import ClassList
from napari_microcnn.ui.folders import ask_for_folders
from napari_microcnn.ui.forms import Folded, SettingsForm
from napari_microcnn.ui.guide import GuidePanel
from napari_microcnn.ui.jobs import RunningJob
from napari_microcnn.ui.models import ModelFile
from napari_microcnn.ui.pairing import FilePair
from napari_microcnn.ui.pairs import PairTable
from napari_microcnn.ui.planes import planes_to_train
from napari_microcnn.ui.plots import TrainingCurves
from napari_microcnn.ui.presets import PresetChoice
from napari_microcnn.ui.preview import PreviewChoice
from napari_microcnn.ui.saving import SaveButton
from napari_microcnn.ui.script import ScriptButton
from napari_microcnn.ui.scripting import Lesson
from napari_microcnn.ui.teaching import Teaching
from napari_microcnn.ui.text import heading

_FEW = ("minutes",)
_ADVANCED = tuple(name for name in TrainConfig.model_fields if name not in (*_FEW, "init", "preset", "focus"))
_START = (ClassInfo(id=1, name="class 1", colour=PALETTE[0]), ClassInfo(id=2, name="class 2", colour=PALETTE[1]))


class AnnotateDock(Dock):
    """Teach a network a material with a few strokes."""

    title = "Annotate & train"

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer, "Train")
        self.classes = ClassList(_START)
        self.pairs = PairTable(self.viewer, lambda: self.classes.classes)
        self.init = ModelChoice(self.session, scratch="from scratch", follow=False)
        self.init.choose(TrainConfig().init or "")
        self.preset = PresetChoice(self)
        self.form = SettingsForm(TrainConfig, _FEW)
        self.advanced = SettingsForm(TrainConfig, _ADVANCED)
        self.curves = TrainingCurves()
        self.preview = PreviewChoice()
        self.pause_button = QPushButton("Pause")
        self.pause_button.setCheckable(True)
        self.resume_button = QPushButton("Resume")
        self.save_button = SaveButton(self, lambda: self.model)
        self.model: ModelFile | None = None
        self.training_file: Path | None = None
        self.lesson: Lesson | None = None
        self.teaching: Teaching | None = None
        self.beside: RunningJob | None = None
        self._best: EpochDone | None = None
        self._last: EpochDone | None = None
        self._lay_out()
        self._connect()
        self._adopt_classes()
        self._follow_theme()
        self.guide = GuidePanel(self)
        self.guide_section = self.add_section("Where to paint next", self.guide)
        self.autosave = Autosave(self)
        self.body.insertWidget(0, self.autosave)
        self.set_running(False)

    def _lay_out(self) -> None:
        self.body.addWidget(heading("Images and their annotations"))
        self.body.addWidget(self.pairs)
        self.body.addWidget(self.classes)
        self.body.addWidget(heading("Training"))
        self.body.addWidget(self.preset)
        row = QFormLayout()
        row.addRow("Start from", self.init)
        row.addRow("Preview", self.preview)
        self.body.addLayout(row)
        self.body.addWidget(self.form)
        self.body.addWidget(Folded("Advanced", self.advanced))
        self.body.addWidget(self.curves)
        self.buttons.insertWidget(1, self.pause_button, 1)
        self.buttons.insertWidget(1, self.resume_button, 1)
        self.pause_button.setToolTip("Let the training wait, and its time too; painting and looking go on")
        self.buttons.addWidget(self.save_button, 1)
        self.script_button = ScriptButton(self, lambda: self.lesson)
        self.header.addWidget(self.script_button)
        self.say("Click a class and paint a few strokes of it, then of the others; then press Train.")
        self.resume_button.setToolTip("Go on with the model that was trained last, with the strokes as they are now")

    def add_section(self, title: str, widget: QWidget, folded: bool = True) -> Folded:
        """Put a widget at the end of the body, under a title that folds it away.

        Parameters
        ----------
        title : str
        widget : QWidget
        folded : bool
            Whether only the title is shown until it is clicked.

        Returns
        -------
        Folded
            The section.
        """
        section = Folded(title, widget, opened=not folded)
        self.body.addWidget(section)
        return section

    def _connect(self) -> None:
        self.classes.changed.connect(self._colour_annotations)
        self.classes.picked.connect(self._paint)
        self.pairs.changed.connect(self._adopt_classes)
        self.pairs.refused.connect(self.refuse)
        self.pairs.folders_wanted.connect(partial(ask_for_folders, self))
        self.init.failed.connect(self.refuse)
        self.pause_button.toggled.connect(self._pause)
        self.resume_button.clicked.connect(lambda: self.attempt(self.resume))
        self.viewer.events.theme.connect(self._follow_theme)

    # Painting

    def _paint(self, class_id: int) -> None:
        """Make the picked class the one that the brush paints."""
        if self.pairs.current is None:
            self.say("Make an annotation layer first; then a click on a class paints it.")
            return
        _, annotation = self.pairs.current
        self.viewer.layers.selection.active = annotation
        annotation.visible = True
        annotation.selected_label = class_id
        annotation.mode = "paint"

    def _colour_annotations(self) -> None:
        for _, annotation in self.pairs.pairs:
            annotation.colormap = layers.class_colours(self.classes.classes)
            annotation.metadata[layers.KEY]["classes"] = self.classes.classes
        self.preview.offer(self.classes.classes)
        if self.teaching is not None:
            self.teaching.set_classes(self.classes.classes)

    def _adopt_classes(self) -> None:
        """Take over the classes of an annotation that knows them, as those of the samples do."""
        for _, annotation in self.pairs.pairs:
            known = annotation.metadata[layers.KEY].get("classes")
            if known and self.classes.classes == _START:
                self.classes.set_classes(known)
        self._colour_annotations()

    # Training

    def prepare(self) -> None:
        """Start a new training."""
        self._train(None)

    def resume(self) -> None:
        """Go on training the last model."""
        if self.model is None:
            raise ValueError("There is no training to go on with yet; press Train first.")
        self._train(self.model)

    def settings(self) -> TrainConfig:
        """Return the settings as shown."""
        init = self.init.model
        few, advanced = self.form.value(), self.advanced.value()
        shown = {**advanced.model_dump(include=set(_ADVANCED)), **few.model_dump(include=set(_FEW))}
        return TrainConfig(**{**shown, **self.preset.value(), "init": init and init.reference})

    @property
    def best_model(self) -> ModelFile | None:
        """The best model of the training that runs, or else the model that was trained or restored last."""
        best: Any = None if self._best is None else self._best.model  # a file: models stay in the worker
        return best or self.model

    def _train(self, resumed: ModelFile | None) -> None:
        config = self.settings()
        planes = planes_to_train(self.pairs)
        if resumed is None:
            self.curves.reset()
        self._best = self._last = None
        # A resumed training has a file of its own: it may end worse.
        path = self.session.new_model_file(planes[0].layer.name if planes else self.pairs.files[0].image.parent.name)
        self.training_file, name = path, path.stem
        self._end_teaching()
        teaching = Teaching(
            self, self.viewer, self.pairs, self.preview, planes, len(self.pairs.files), self.classes.classes
        )
        data = [*(plane.painted for plane in planes), *self.pairs.files]
        self.lesson = Lesson(data, self.classes.classes, config, resumed.path if resumed else None)
        job = partial(
            tasks.train_model,
            data,
            self.classes.classes,
            config,
            path.parent,
            name,
            resume=resumed.path if resumed else None,
            preview=teaching.first_view,
        )
        self.scroll_to(self.curves)
        self.start(
            job,
            f"Training {name}",
            on_finished=self._finished,
            on_event=self._follow,
            on_stopped=self._stopped,
            on_update=self._draw,
            listening=True,
        )
        self.teaching = teaching
        teaching.follow(self.job.tell)

    def _pause(self, paused: bool) -> None:
        """Let the running training wait, or go on."""
        self.pause_button.setText("Go on" if paused else "Pause")
        if self.job is not None:
            self.job.tell(Paused() if paused else Resumed())
            self.say("Paused; what you paint now is learnt when it goes on." if paused else "Going on …")

    def _end_teaching(self) -> None:
        if self.teaching is None:
            return
        if self.teaching.changed and self.lesson is not None:
            files = [one for one in self.lesson.data if isinstance(one, FilePair)]
            data = [*self.teaching.painted, *files]
            self.lesson = replace(self.lesson, data=data, classes=self.classes.classes, live=True)
        self.teaching.close()
        self.teaching = None

    def _follow(self, event: Event) -> None:
        if isinstance(event, BatchDone):
            self.curves.add_batch(event)
            self._show_time(event.seconds_left)
        elif isinstance(event, EpochDone):
            self.curves.add_epoch(event)
            self._last = event
            self._best = event if event.best else self._best
        elif isinstance(event, PreviewDone):
            self.teaching.take(event)

    def _draw(self) -> None:
        self.curves.draw()
        if self.teaching is not None:
            self.teaching.preview.draw()
        if self._last is not None and not self.pause_button.isChecked():
            now = "the held-out part is learnt too" if self._last.settling else f"IoU {score_of(self._last)}"
            self.say(f"Epoch {self._last.epoch}: loss {self._last.loss:.3f}, {now} · {self._best_line()}")

    def _show_time(self, seconds_left: float | None) -> None:
        minutes = self.form.value().minutes
        if seconds_left is not None and minutes:
            total = minutes * 60
            self.advance(max(0.0, total - seconds_left), total, seconds_left)

    def _best_line(self) -> str:
        if self._best is None:
            return ""
        before = " before it learnt the held-out part too" if self._best.settling else ""
        return f"best: epoch {self._best.epoch}, IoU {score_of(self._best)}{before}"

    def _finished(self, model: ModelFile) -> None:
        self._draw()
        self._keep(model, "Done")

    def _stopped(self) -> None:
        if self._best is None:
            self.say("Stopped before the first epoch was finished; there is no model yet.")
        else:
            self._keep(self._best.model, "Stopped")

    def _keep(self, model: ModelFile, how: str) -> None:
        self.model = model
        self.session.add(model)
        self.set_running(False)
        self.inform(f"{how}; {self._best_line()}. The model {model.name!r} is kept, and ready in the Segment dock.")

    def set_running(self, running: bool) -> None:
        """Show the state of the buttons; see the base class."""
        super().set_running(running)
        if hasattr(self, "save_button"):
            if not running:
                self._end_teaching()
                self.pause_button.setChecked(False)
            self.pause_button.setVisible(running)
            self.resume_button.setVisible(not running)
            self.save_button.setVisible(not running)
            self.resume_button.setEnabled(not running and self.model is not None)
            self.save_button.setEnabled(not running and self.model is not None)

    def _follow_theme(self, event: Any = None) -> None:  # noqa: ARG002 - napari hands over its event
        theme = get_theme(self.viewer.theme)
        self.curves.follow_theme(theme.background.as_hex(), theme.text.as_hex())
