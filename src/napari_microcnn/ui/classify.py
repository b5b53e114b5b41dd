"""The Classify dock: teach a network to tell images apart, see how good it is, and let it judge other images."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

from napari.layers import Image
from napari.utils.theme import get_theme
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QSpinBox,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_microcnn.config import ClassifierTrainConfig
from napari_microcnn.events import BatchDone, ClassifierEpoch, Event, Progress
from napari_microcnn.ui import classify_tasks as tasks
from napari_microcnn.ui import layers
from napari_microcnn.ui.asking import AskPanel
from napari_microcnn.ui.base import Dock
from napari_microcnn.ui.forms import Folded, SettingsForm
from napari_microcnn.ui.judgement import ConfusionTable, MistakeGallery
from napari_microcnn.ui.models import ModelFile
from napari_microcnn.ui.plots import TrainingCurves
from napari_microcnn.ui.saving import SaveButton
from napari_microcnn.ui.script import ScriptButton
from napari_microcnn.ui.scripting import Schooling
from napari_microcnn.ui.sources import SourceChoice, only_current_takes_room
from napari_microcnn.ui.text import Sentence

_MAIN = ("architecture", "minutes")
_INVARIANCES = ("flips", "rotation", "zoom", "intensities", "inversion", "wrap")
_ADVANCED = (
    "init", "thaw", "epochs", "side", "magnification", "same_scale", "class_weights", "dropout", "filters", "blocks",
    "batch", "learning_rate", "patience", "seed", "device",
)  # fmt: skip
_TRAIN = 0
MISTAKE = "mistake"
_LAID_OUT = 100
"""Milliseconds until a result has its place in the dock."""


class ClassifyDock(Dock):
    """Train a classifier, and classify images and their tiles."""

    title = "Classify"

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer, "Train")
        self.sources = SourceChoice(self.viewer)
        self.form = SettingsForm(ClassifierTrainConfig, _MAIN)
        self.invariances = SettingsForm(ClassifierTrainConfig, _INVARIANCES)
        self.advanced = SettingsForm(ClassifierTrainConfig, _ADVANCED)
        self.folds = QSpinBox()
        self.folds.setRange(2, 20)
        self.folds.setValue(5)
        self.cross_button = QPushButton("Cross-validate")
        self.cross_button.setToolTip("Train once per fold, each judged by micrographs that it has not seen")
        self.curves = TrainingCurves("score")
        self.curves.hide()
        self.scores = Sentence()
        self.confusion = ConfusionTable()
        self.gallery = MistakeGallery()
        self.trained: ModelFile | None = None
        self.judged: tasks.Judged | None = None
        self._best: ModelFile | None = None
        self._done: Schooling | None = None
        self._began = 0.0
        self.save_button = SaveButton(self, lambda: self.trained)
        self.export_button = QPushButton("Export …")
        self.export_button.setToolTip("Write predictions, scores, confusion matrix and curves into a folder")
        self.script_button = ScriptButton(self, lambda: self._done)
        self.header.addWidget(self.script_button)
        self.ask = AskPanel(self)
        self.tabs = QTabWidget()
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        folds = QWidget()
        row = QFormLayout(folds)
        row.setContentsMargins(0, 0, 0, 0)
        row.addRow("Folds", self.folds)
        row.addRow(self.cross_button)
        files = QWidget()
        beside = QHBoxLayout(files)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.addWidget(self.save_button)
        beside.addWidget(self.export_button)
        learning = _column(
            self.sources,
            self.form,
            Folded("Invariances", self.invariances),
            Folded("Advanced", self.advanced),
            Folded("Cross-validation", folds),
            self.curves,
            self.scores,
            self.confusion,
            self.gallery,
            files,
        )
        self.tabs.addTab(learning, "Train")
        self.tabs.addTab(self.ask, "Classify")
        self.body.addWidget(self.tabs)
        for button in (self.save_button, self.export_button):
            button.hide()

    def _connect(self) -> None:
        self.tabs.currentChanged.connect(self._turn)
        self.gallery.picked.connect(self._open)
        self.cross_button.clicked.connect(lambda: self.attempt(self.cross_validate))
        self.export_button.clicked.connect(self._ask_report)
        self.viewer.events.theme.connect(self._follow_theme)
        self._follow_theme()
        only_current_takes_room(self.tabs)

    def _turn(self, tab: int) -> None:
        self.run_button.setText("Train" if tab == _TRAIN else "Classify")
        only_current_takes_room(self.tabs)
        self.scroll_to(self.tabs.tabBar())

    def _follow_theme(self, event: object = None) -> None:  # noqa: ARG002 - napari hands over its event
        theme = get_theme(self.viewer.theme)
        self.curves.follow_theme(theme.background.as_hex(), theme.text.as_hex())

    def settings(self) -> ClassifierTrainConfig:
        """Return the settings of a training as shown."""
        shown = {**self.form.value().model_dump(include=set(_MAIN))}
        shown |= self.invariances.value().model_dump(include=set(_INVARIANCES))
        shown |= self.advanced.value().model_dump(include=set(_ADVANCED))
        shown["init"] = shown["init"] or None
        if shown["epochs"] is not None:
            shown["minutes"] = None
        return ClassifierTrainConfig(**shown)

    def prepare(self) -> None:
        """Start what the open tab is about."""
        if self.tabs.currentIndex() == _TRAIN:
            self.train()
        else:
            self.ask.classify()

    # Training

    def train(self) -> None:
        """Start a training."""
        source, config = self.sources.source(), self.settings()
        path = self.session.new_model_file(f"{self.sources.title} classifier")
        self._begin()
        self.start(
            partial(tasks.train, source, config, path.parent, path.stem),
            "Training a classifier",
            on_finished=self._trained,
            on_event=self._follow,
            on_stopped=self._stopped,
            on_update=self.curves.draw,
        )
        self._done = Schooling(source, config)

    def cross_validate(self) -> None:
        """Start a cross-validation."""
        if self.job is not None:
            raise ValueError("Wait until the training is done, or stop it.")
        self._begin()
        self.start(
            partial(tasks.cross_validate, self.sources.source(), self.settings(), self.folds.value()),
            "Cross-validation",
            on_finished=self._show,
            on_event=self._follow,
            on_stopped=lambda: None,
            on_update=self.curves.draw,
        )

    def _begin(self) -> None:
        self._best, self._began = None, time.monotonic()
        self.curves.reset()
        self.curves.show()
        self.scores.setText("")
        self.confusion.hide()
        self.gallery.show_mistakes(())
        self.export_button.hide()

    def _follow(self, event: Event) -> None:
        if isinstance(event, BatchDone):
            self.curves.add_batch(event)
            if event.seconds_left is not None:
                elapsed = time.monotonic() - self._began
                self.advance(elapsed, elapsed + event.seconds_left, event.seconds_left)
        elif isinstance(event, ClassifierEpoch):
            self.curves.add_epoch(event)
            self._best = event.model or self._best
            self.say(f"Epoch {event.epoch}: balanced accuracy {event.score:.2f} on the images held out")
        elif isinstance(event, Progress):
            self.curves.reset()  # another fold begins
            self._began = time.monotonic()
            self.say(event.message)

    def _trained(self, judged: tasks.Judged) -> None:
        self._keep(judged.model)
        self._show(judged)
        self.say(f"Done. The classifier is {judged.model.name!r}; use it in the tab Classify.")

    def _stopped(self) -> None:
        if self._best is None:
            self.say("Stopped before the first epoch was over: there is no classifier.")
            return
        self._keep(self._best)
        self.say(f"Stopped; the best classifier so far is {self._best.name!r}.")

    def _keep(self, model: ModelFile) -> None:
        self.trained = model
        self.session.add(model)
        self.save_button.show()

    def _show(self, judged: tasks.Judged) -> None:
        self.judged = judged
        self.scores.setText(judged.summary)
        self.confusion.show_counts(judged.predictions.confusion, judged.classes)
        self.gallery.show_mistakes(judged.mistakes)
        self.export_button.show()
        QTimer.singleShot(_LAID_OUT, lambda: self.scroll_to(self.confusion))  # it has its height only then

    def _open(self, mistake: tasks.Mistake) -> None:
        """Show the image of a mistake in a layer of its own, always the same one."""
        colour = mistake.image.ndim == 3
        layer = layers.find(self.viewer, MISTAKE, MISTAKE, Image)
        if layer is not None and layer.rgb == colour:
            layer.data = mistake.image
        else:
            known = {"role": MISTAKE, "source": MISTAKE}
            place = layers.place_in(self.viewer, MISTAKE)  # its own pixel size does not matter here
            layer = self.viewer.add_image(
                mistake.image, rgb=colour, name=MISTAKE, metadata={layers.KEY: known}, **place
            )
        layer.visible = True
        self.viewer.layers.move(self.viewer.layers.index(layer), len(self.viewer.layers))
        layers.look_at(self.viewer, layer)
        self.say(self.gallery.told.text())

    # Files

    def save_report(self, folder: Path) -> None:
        """Write predictions, scores, confusion matrix and curves of the last training into a folder."""
        self.attempt(partial(self._save_report, folder))

    def _save_report(self, folder: Path) -> None:
        from napari_microcnn.io.report import prediction_columns, write_report

        judged = self.judged
        if judged is None:
            raise ValueError("Train a classifier first.")
        found = judged.predictions
        truth = [judged.classes[index] for index in found.truth]
        columns = prediction_columns(found.names, judged.classes, found.probabilities, truth, found.micrographs)
        scores = {name: [one.value, one.low, one.high] for name, one in found.scores().items()}
        model = str(judged.model.path) if judged.model else None
        paths = write_report(
            folder,
            table=columns,
            about={"software": "napari-microcnn", "model": model, "scores_with_95_percent_interval": scores},
            confusion=found.confusion,
            names=judged.classes,
            curves=self.curves.curves(),
        )
        self.inform(f"Wrote {len(paths)} files to {folder}.")

    def _ask_report(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder for the report", str(Path.home()))
        if folder:
            self.save_report(Path(folder))


def _column(*widgets: QWidget) -> QWidget:
    page = QWidget()
    layout = QVBoxLayout(page)
    layout.setContentsMargins(0, 4, 0, 0)
    for widget in widgets:
        layout.addWidget(widget)
    layout.addStretch(1)
    return page
