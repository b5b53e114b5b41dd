"""Tab of the Classify dock: an image and a classifier in, its class and a map of tiles out."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtWidgets import QCheckBox, QFileDialog, QFormLayout, QPushButton, QVBoxLayout, QWidget

from napari_microcnn.config import ClassifyConfig
from napari_microcnn.events import Event, Progress
from napari_microcnn.ui import classify_tasks as tasks
from napari_microcnn.ui import layers
from napari_microcnn.ui.choices import LayerChoice, ModelChoice
from napari_microcnn.ui.forms import Folded, SettingsForm
from napari_microcnn.ui.models import ModelFile
from napari_microcnn.ui.text import Sentence, quiet

if TYPE_CHECKING:
    from napari_microcnn.ui.classify import ClassifyDock

TILES = "tiles"
_ADVANCED = ("overlap", "orientations", "magnification", "batch", "device")
_MOST_LINES = 8


class AskPanel(QWidget):
    """Lets a classifier judge an image, or every plane of a stack.

    Parameters
    ----------
    dock : ClassifyDock
        Its viewer, progress and messages are used.
    """

    def __init__(self, dock: ClassifyDock) -> None:
        super().__init__()
        self._dock = dock
        self.image = LayerChoice(dock.viewer, Image, "Open an image first")
        self.model = ModelChoice(dock.session, kind="classifier")
        self.card = quiet()
        self.tiles = QCheckBox("Map of tiles")
        self.tiles.setToolTip("Also give every tile of the image a class, as a layer over it")
        self.form = SettingsForm(ClassifyConfig, _ADVANCED)
        self.answer = Sentence()
        self.answered: tasks.Answered | None = None
        self.table_button = QPushButton("Save table …")
        self.table_button.hide()
        form = QFormLayout()
        form.addRow("Image", self.image)
        form.addRow("Model", self.model)
        form.addRow("", self.card)
        form.addRow("", self.tiles)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addLayout(form)
        for widget in (Folded("Advanced", self.form), self.answer, self.table_button):
            layout.addWidget(widget)
        layout.addStretch(1)
        self.model.model_changed.connect(self._describe)
        self.model.failed.connect(dock.refuse)
        self.table_button.clicked.connect(self._ask_table)
        self._describe()

    def classify(self) -> None:
        """Start to classify the chosen image.

        Raises
        ------
        ValueError
            If there is no image or no classifier yet.
        """
        image, model = self.image.layer, self.model.model
        if image is None:
            raise ValueError("Open an image first: File > Open, or File > Open Sample > MicroCNN.")
        if model is None:
            raise ValueError("Train a classifier first, or open the file of one.")
        config = self.form.value().model_copy(update={"tiles": self.tiles.isChecked()})
        self.answer.setText("")
        self._dock.start(
            partial(tasks.classify, layers.source_of(image), model.path, config),
            f"Classifying {image.name}",
            on_finished=partial(self._show, image, model),
            on_event=self._follow,
            on_stopped=lambda: None,
        )

    def _follow(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._dock.advance(event.done, event.total)
            self._dock.say(event.message)

    def _show(self, image: Image, model: ModelFile, found: tasks.Answered) -> None:
        self.answered = found
        lines = [f"{row['image']}: {row['class']} ({row['probability']:.0%})" for row in found.rows[:_MOST_LINES]]
        rest = len(found.rows) - len(lines)
        self.answer.setText("\n".join(lines) + (f"\nand {rest} more in the table" if rest else ""))
        self.table_button.show()
        if found.tiles is not None and image in self._dock.viewer.layers:
            self._put_tiles(image, model, found)
        self._dock.say("Done.")

    def _put_tiles(self, image: Image, model: ModelFile, found: tasks.Answered) -> None:
        """Show the map of tiles over the image; class k is number k + 1, because 0 is transparent."""
        viewer, place = self._dock.viewer, layers.placed_like(image)
        scale, translate = np.array(place["scale"], float), np.array(place["translate"], float)
        translate[-2:] += ((np.array(found.step) - 1) / 2 + found.origin) * scale[-2:]
        scale[-2:] *= found.step
        shown: dict[int | None, str] = {None: "transparent", 0: "transparent"}
        shown |= {info.id + 1: info.colour for info in model.classes}
        old = layers.find(viewer, TILES, image.name, Labels)
        if old is not None:
            viewer.layers.remove(old)
        known = {"role": TILES, "source": image.name, "classes": model.classes, "model": str(model.path)}
        with layers.keeping_active(viewer):
            viewer.add_labels(
                found.tiles,
                name=f"{image.name} {TILES}",
                metadata={layers.KEY: known},
                scale=tuple(scale),
                translate=tuple(translate),
                units=place["units"],
                colormap=layers.colours(shown),
                opacity=0.45,
            )

    def _describe(self) -> None:
        model = self.model.model
        self.card.setText(model.line if model else "No classifier yet; train one, or open a file.")

    def save_table(self, path: Path) -> None:
        """Write the answers as CSV."""
        self._dock.attempt(partial(self._save_table, path))

    def _save_table(self, path: Path) -> None:
        from napari_microcnn.io.write import write_table

        if self.answered is None:
            raise ValueError("Classify an image first.")
        rows = self.answered.rows
        written = write_table(path, {name: [row[name] for row in rows] for name in rows[0]})
        self._dock.inform(f"Wrote {written}.")

    def _ask_table(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save the table", str(Path.home() / "classes.csv"), "CSV (*.csv)")
        if path:
            self.save_table(Path(path))
