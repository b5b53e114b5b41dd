"""The Synthesize dock: polycrystals, nanoparticles, steels and Ising lattices, drawn while a slider moves."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from napari.utils.theme import get_theme
from qtpy.QtWidgets import QComboBox, QFormLayout, QHBoxLayout, QPushButton, QSpinBox

from napari_microcnn.events import Event, Progress
from napari_microcnn.ui import jobs
from napari_microcnn.ui.base import Dock
from napari_microcnn.ui.choices import FolderChoice
from napari_microcnn.ui.forms import Folded
from napari_microcnn.ui.materials import Lattice, Material, Steel
from napari_microcnn.ui.mine import ModelsOfMine
from napari_microcnn.ui.particles import Nanoparticles
from napari_microcnn.ui.polycrystal import Polycrystal
from napari_microcnn.ui.script import ScriptButton
from napari_microcnn.ui.scripting import Drawing
from napari_microcnn.ui.text import heading
from napari_microcnn.ui.transition import Crossing, CrossingSoFar, TransitionSection, find_crossing

_LARGEST_SEED = 2**31 - 1


class SynthesizeDock(Dock):
    """Make synthetic micrographs."""

    title = "Synthesize"
    needs_torch = False

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer, "Make pictures")
        self.polycrystal = Polycrystal(self.viewer)
        self.particles = Nanoparticles(self.viewer)
        self.steel = Steel(self.viewer)
        self.lattice = Lattice(self.viewer)
        self.materials: tuple[Material, ...] = (self.polycrystal, self.particles, self.steel, self.lattice)
        self._preview = jobs.LatestWins(self._show, self.fail, "Synthesising")
        self.transition = TransitionSection()
        self._transition_fold = Folded("Phase transition", self.transition)
        self.models = ModelsOfMine(self, self.polycrystal, self.seed_value)
        self.material_menu = QComboBox()
        self.material_menu.addItems(["Polycrystal", "Nanoparticles", "Steel textures", "Ising lattices"])
        self.seed = QSpinBox()
        self.seed.setRange(0, _LARGEST_SEED)
        self.new_seed = QPushButton("New seed")
        self.count = QSpinBox()
        self.count.setRange(1, 1_000_000)
        self.count.setValue(100)
        self.folder = FolderChoice("synthetic")
        self._made: Drawing | None = None
        self._reached: Crossing | None = None
        self._drawn: set[Material] = set()
        self.script_button = ScriptButton(self, self._what_was_made)
        self.buttons.addWidget(self.script_button, 1)  # no header: nothing here needs a device
        self._lay_out()
        self._connect()
        self._choose_material()

    def _lay_out(self) -> None:
        top = QFormLayout()
        top.addRow("Material", self.material_menu)
        seed = QHBoxLayout()
        seed.addWidget(self.seed, 1)
        seed.addWidget(self.new_seed)
        top.addRow("Seed", seed)
        self.body.addLayout(top)
        self.draw_button = QPushButton("Draw")
        self.draw_button.setToolTip("Draw a picture with its labels; after that it follows the settings.")
        self.body.addWidget(self.draw_button)
        for page in self.materials:
            self.body.addWidget(page)
        for fold in self.models.folds:
            self.body.addWidget(fold)
        self.body.addWidget(self._transition_fold)
        self.body.addWidget(heading("Training pictures"))
        pictures = QFormLayout()
        pictures.addRow("Number", self.count)
        pictures.addRow("Folder", self.folder)
        self.body.addLayout(pictures)

    def _connect(self) -> None:
        self.material_menu.currentIndexChanged.connect(lambda _: self._choose_material())
        self.seed.valueChanged.connect(lambda _: self._follow())
        self.new_seed.clicked.connect(self._draw_anew)
        self.draw_button.clicked.connect(self.draw)
        self.viewer.dims.events.current_step.connect(self._tell_plane)
        for page in self.materials:
            page.changed.connect(self._follow)
            page.chosen.connect(self.draw)
        self.transition.wanted.connect(lambda: self.attempt(self.find_transition))
        self.viewer.events.theme.connect(self._follow_theme)
        self._follow_theme()

    # The picture

    @property
    def material(self) -> Material:
        """The page of the chosen material."""
        return self.materials[self.material_menu.currentIndex()]

    def seed_value(self) -> int:
        """Return the seed as shown."""
        return self.seed.value()

    @property
    def drawing(self) -> bool:
        """Whether a picture or its labels are on their way."""
        return self._preview.busy or any(page.busy for page in self.materials)

    def draw(self) -> None:
        """Draw the picture and its labels; if one is being drawn, then after that."""
        self.attempt(lambda: self._preview.submit(self.material.drawing(self.seed.value())))

    def _choose_material(self) -> None:
        for page in self.materials:
            page.setVisible(page is self.material)
        self._transition_fold.setVisible(self.material is self.lattice)
        for fold in self.models.folds:
            fold.setVisible(self.material is self.polycrystal)

    def _draw_anew(self) -> None:
        self.seed.blockSignals(True)
        self.seed.setValue(random.randrange(_LARGEST_SEED))
        self.seed.blockSignals(False)
        self.draw()

    def _follow(self) -> None:
        """Draw again if there is a picture: moving a slider must not bring back layers that were removed."""
        if self.material.image is not None:
            self.draw()

    def _show(self, picture: Any) -> None:
        page = next(page for page in self.materials if isinstance(picture, page.picture_type))
        self._drawn.add(page)
        self.say(page.show_picture(picture))

    def _tell_plane(self, event: object = None) -> None:  # noqa: ARG002 - napari hands over its event
        if self.material is self.lattice and self.job is None and (sentence := self.lattice.sentence()):
            self.say(sentence)

    # The training pictures

    def prepare(self) -> None:
        """Start writing training pictures."""
        page, seed = self.material, self.seed.value()
        folder, count = self.folder.folder, self.count.value()
        job = page.writing(seed, count, folder)
        self._made = page.made(seed, count)
        self.start(
            job,
            f"Making {count} pictures",
            on_finished=lambda folder: self._written(page, count, folder),
            on_event=self._count,
            on_stopped=lambda: self.say(f"Stopped; the pictures that were complete are in {folder}."),
        )

    def _what_was_made(self) -> Drawing | None:
        """Return the pictures that were written last, or else the one that is drawn."""
        drawn = self.material in self._drawn
        return self._made or (self.material.made(self.seed.value(), 1) if drawn else None)

    def _count(self, event: Event) -> None:
        if isinstance(event, Progress):
            self.advance(event.done, event.total)
            self.say(f"Picture {event.done} of {event.total}")

    def _written(self, page: Material, count: int, folder: Path) -> None:
        self.inform(f"Wrote {count} {page.what} to {folder}.")
        self.folder.refresh()

    # The phase transition

    def find_transition(self) -> None:
        """Teach networks the phases of the lattices as set, and show where their output crosses one half.

        Raises
        ------
        ValueError
            If the settings do not fit, or another job is running here.
        """
        if self.job is not None:
            raise ValueError("A job of this dock is running; find the transition when it has ended.")
        lattice, config, folder = self.lattice.settings(), self.transition.form.value(), self.folder.folder
        self._reached = None
        self.start(
            partial(find_crossing, lattice, config, self.seed.value(), folder / "transition"),
            "Finding the transition",
            on_finished=self._found,
            on_event=self._study,
            on_stopped=self._study_stopped,
        )

    def _study(self, event: Event) -> None:
        if isinstance(event, Progress):
            self.advance(event.done, event.total)
            self.say(event.message)
        elif isinstance(event, CrossingSoFar):
            self._reached = event.crossing

    def _study_stopped(self) -> None:
        """Show what the networks say that are finished."""
        if self._reached is None:
            self.say("Stopped before a network was finished: there is no result.")
            return
        for step in self._found(self._reached):
            step()

    def _found(self, crossing: Crossing) -> list[Callable[[], None]]:
        self.transition.show_crossing(crossing)
        for model in crossing.models:
            self.session.add(model)
        self.inform(f"{crossing.sentence} Tables, picture and networks are in {self.folder.folder / 'transition'}.")
        self.folder.refresh()
        return [lambda: self.scroll_to(self.transition.plot)]

    def _follow_theme(self, event: object = None) -> None:  # noqa: ARG002 - napari hands over its event
        theme = get_theme(self.viewer.theme)
        self.transition.plot.follow_theme(theme.background.as_hex(), theme.text.as_hex())
