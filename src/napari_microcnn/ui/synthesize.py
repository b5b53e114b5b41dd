"""The Synthesize dock: polycrystals with exact labels, drawn while a slider moves."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path
from typing import Any

from napari.layers import Image
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QComboBox, QFormLayout, QHBoxLayout, QPushButton, QSpinBox

from napari_microcnn.config import ImagingConfig, VoronoiConfig
from napari_microcnn.events import Event, Progress
from napari_microcnn.ui import jobs, layers, tasks
from napari_microcnn.ui.base import Dock
from napari_microcnn.ui.choices import FolderChoice
from napari_microcnn.ui.forms import Folded, SettingsForm
from napari_microcnn.ui.script import ScriptButton
from napari_microcnn.ui.scripting import Drawing
from napari_microcnn.ui.text import heading

SOURCE = "synthetic"
_STRUCTURE = ("grains", "regularity", "size_spread", "thickness", "curvature", "elongation", "direction")
_MORE_STRUCTURE = ("roughness", "merging", "lamellae", "twins")
_SIZES = (256, 512, 1024, 2048)
_LOOK_SIZE = 256
"""Side of the pictures for which the looks say how many grains there are."""
_LINES = {1: "#ffd92f", 0: "transparent", None: "transparent"}
_REST = 250
"""Milliseconds after which sliders are taken to rest."""
_LARGEST_SEED = 2**31 - 1


class SynthesizeDock(Dock):
    """Make synthetic micrographs."""

    title = "Synthesize"
    needs_torch = False

    def __init__(self, napari_viewer: Any) -> None:
        from napari_microcnn.synth import LOOKS

        super().__init__(napari_viewer, "Make pictures")
        self._looks = LOOKS
        self._picture: tasks.Picture | None = None
        self._labels_timer = QTimer(self)
        self._labels_timer.setSingleShot(True)
        self._labels_timer.timeout.connect(self._show_labels)
        self._preview = jobs.LatestWins(self._show, self.fail, "Synthesising")
        self.look = QComboBox()
        self.look.addItems(list(LOOKS))
        self.size = QComboBox()
        self.size.addItems([f"{size} × {size}" for size in _SIZES])
        self.size.setCurrentIndex(1)
        self._side = self._chosen_side()
        self.seed = QSpinBox()
        self.seed.setRange(0, _LARGEST_SEED)
        self.new_seed = QPushButton("New seed")
        self.count = QSpinBox()
        self.count.setRange(1, 1_000_000)
        self.count.setValue(100)
        self.folder = FolderChoice("synthetic")
        self.structure = SettingsForm(VoronoiConfig, _STRUCTURE, sliders=True)
        self.more = SettingsForm(VoronoiConfig, _MORE_STRUCTURE, sliders=True)
        self.imaging = SettingsForm(ImagingConfig, tuple(ImagingConfig.model_fields), sliders=True)
        self._made: Drawing | None = None
        self.script_button = ScriptButton(self, self._what_was_made)
        self.buttons.addWidget(self.script_button, 1)  # no header: nothing here needs a device
        self._lay_out()
        self._choose_look(draw=False)
        self._connect()

    def _lay_out(self) -> None:
        top = QFormLayout()
        top.addRow("Look", self.look)
        top.addRow("Size", self.size)
        seed = QHBoxLayout()
        seed.addWidget(self.seed, 1)
        seed.addWidget(self.new_seed)
        top.addRow("Seed", seed)
        self.body.addLayout(top)
        self.draw_button = QPushButton("Draw")
        self.draw_button.setToolTip("Draw a picture with its labels; after that it follows the sliders.")
        self.body.addWidget(self.draw_button)
        self.body.addWidget(Folded("Grains", self.structure, opened=True))
        self.body.addWidget(Folded("Irregularities", self.more))
        self.body.addWidget(Folded("Imaging", self.imaging))
        self.body.addWidget(heading("Training pictures"))
        pictures = QFormLayout()
        pictures.addRow("Number", self.count)
        pictures.addRow("Folder", self.folder)
        self.body.addLayout(pictures)

    def _connect(self) -> None:
        self.look.currentTextChanged.connect(lambda _: self._choose_look())
        self.size.currentIndexChanged.connect(lambda _: self._resize())
        self.seed.valueChanged.connect(lambda _: self._follow())
        self.new_seed.clicked.connect(self._draw_anew)
        self.draw_button.clicked.connect(self.draw)
        for form in (self.structure, self.more, self.imaging):
            form.changed.connect(self._follow)

    # The picture

    def settings(self) -> tuple[VoronoiConfig, ImagingConfig, int]:
        """Return structure, imaging and seed as shown."""
        shown = self.structure.value().model_dump(include=set(_STRUCTURE))
        more = self.more.value().model_dump(include=set(_MORE_STRUCTURE))
        structure = VoronoiConfig(height=self._side, width=self._side, **shown, **more)
        return structure, self.imaging.value(), self.seed.value()

    @property
    def drawing(self) -> bool:
        """Whether a picture or its labels are on their way."""
        return self._preview.busy or self._labels_timer.isActive()

    def draw(self) -> None:
        """Draw the picture and its labels; if one is being drawn, then after that."""
        self._preview.submit(partial(tasks.synthesise, *self.settings()))

    def _draw_anew(self) -> None:
        self.seed.blockSignals(True)
        self.seed.setValue(random.randrange(_LARGEST_SEED))
        self.seed.blockSignals(False)
        self.draw()

    def _follow(self) -> None:
        """Draw again if there is a picture: moving a slider must not bring back layers that were removed."""
        if layers.find(self.viewer, "image", SOURCE, Image) is not None:
            self.draw()

    def _choose_look(self, draw: bool = True) -> None:
        structure, imaging = self._looks[self.look.currentText()]
        grains = max(2, round(structure.grains * (self._side / _LOOK_SIZE) ** 2))
        structure = structure.model_copy(update={"grains": grains})
        self.structure.set_value(structure)
        self.more.set_value(structure)
        self.imaging.set_value(imaging)
        if draw:
            self.draw()

    def _chosen_side(self) -> int:
        return _SIZES[self.size.currentIndex()]

    def _resize(self) -> None:
        """Change the size and keep the size of the grains."""
        before, self._side = self._side, self._chosen_side()
        structure = self.structure.value()
        grains = max(2, round(structure.grains * (self._side / before) ** 2))
        self.structure.set_value(structure.model_copy(update={"grains": grains}))
        self._follow()

    def _show(self, picture: tasks.Picture) -> None:
        """Show the image at once and its labels when the sliders rest: four layers take four times as long."""
        before = layers.find(self.viewer, "image", SOURCE, Image)
        moved = before is None or before.data.shape != picture.image.shape
        layers.put_image(self.viewer, "image", picture.image, source=SOURCE, about={})
        self._picture = picture
        self._labels_timer.start(_REST if before is not None else 0)
        if moved:
            self.viewer.reset_view()
        self.say(f"{picture.count} grains, {len(picture.triple_points)} triple points")

    def _show_labels(self) -> None:
        picture, image = self._picture, layers.find(self.viewer, "image", SOURCE, Image)
        if picture is None or image is None:
            return
        put = partial(layers.put_labels, self.viewer, like=image, source=SOURCE, about={})
        put("grains", picture.grains, opacity=0.4, visible=False)
        put("boundaries", picture.boundaries, colormap=layers.colours(_LINES), visible=False)
        layers.put_points(
            self.viewer,
            "triple points",
            picture.triple_points,
            image,
            source=SOURCE,
            size=max(3, self._side // 85),
            face_color="transparent",
            border_color="#56b4e9",
            border_width=0.2,
            visible=False,
        )

    # The training pictures

    def prepare(self) -> None:
        """Start writing training pictures."""
        structure, imaging, seed = self.settings()
        folder, count = self.folder.folder, self.count.value()
        self._made = Drawing(structure, imaging, seed, count)
        self.start(
            partial(tasks.make_pictures, structure, imaging, seed, count, folder),
            f"Making {count} pictures",
            on_finished=self._written,
            on_event=self._count,
            on_stopped=lambda: self.say(f"Stopped; the pictures that were complete are in {folder}."),
        )

    def _what_was_made(self) -> Drawing | None:
        """Return the pictures that were written last, or else the one that is drawn."""
        return self._made or (Drawing(*self.settings(), 1) if self._picture is not None else None)

    def _count(self, event: Event) -> None:
        if isinstance(event, Progress):
            self.advance(event.done, event.total)
            self.say(f"Picture {event.done} of {event.total}")

    def _written(self, folder: Path) -> None:
        self.inform(f"Wrote {self.count.value()} pictures with their labels and grains to {folder}.")
        self.folder.refresh()
