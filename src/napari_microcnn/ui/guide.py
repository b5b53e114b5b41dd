"""Where to paint next: a map of what the model is unsure about, and the places whose annotation would help most."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels
from qtpy.QtWidgets import QFormLayout, QGridLayout, QPushButton, QVBoxLayout, QWidget

from napari_microcnn.config import SegmentConfig
from napari_microcnn.events import Event, Job, Progress, TileDone
from napari_microcnn.ui import jobs, layers
from napari_microcnn.ui.choices import ModelChoice
from napari_microcnn.ui.feedback import adopt_classes, annotation_of, write_annotation
from napari_microcnn.ui.gradual import Gradually
from napari_microcnn.ui.guide_maps import Maps
from napari_microcnn.ui.guide_tasks import Guide, Place, guide
from napari_microcnn.ui.serve import Failure
from napari_microcnn.ui.text import quiet

if TYPE_CHECKING:
    from napari_microcnn.ui.annotate import AnnotateDock


class GuidePanel(QWidget):
    """Section of the Annotate & train dock: what to annotate next.

    Parameters
    ----------
    dock : AnnotateDock
        Its images, annotations, classes, progress and messages are used.
    """

    def __init__(self, dock: AnnotateDock) -> None:
        super().__init__()
        self._dock = dock
        self._maps: Maps | None = None
        self._places: list[Place] = []
        self._place = 0
        self._outdated = False
        self._writing = Gradually(self)
        self.model = ModelChoice(dock.session)
        self.find_button = QPushButton("Show where it is unsure")
        self.find_button.setToolTip("Draw a map of what the model is unsure about, and look for the most useful places")
        self.go_button = QPushButton("Take me there")
        self.go_button.setToolTip("Move to the place whose annotation would help most")
        self.accept_button = QPushButton("This is right")
        self.accept_button.setToolTip("Make the prediction in the frame annotation, except where you have painted")
        self.next_button = QPushButton("Next")
        self.next_button.setToolTip("Leave this place and move to the next one")
        self.told = quiet("Bright is unsure. Paint there, or tell the model that it is right.")
        self._lay_out()
        self.model.failed.connect(dock.refuse)
        dock.pause_button.toggled.connect(self._paused)
        for button, action in (
            (self.find_button, self.find),
            (self.go_button, self.go),
            (self.accept_button, self.accept),
            (self.next_button, self.go_on),
        ):
            button.clicked.connect(partial(dock.attempt, action))
        self._enable()

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        form = QFormLayout()
        form.addRow("Model", self.model)
        layout.addLayout(form)
        grid = QGridLayout()
        grid.addWidget(self.find_button, 0, 0)
        grid.addWidget(self.go_button, 0, 1)
        grid.addWidget(self.accept_button, 1, 0)
        grid.addWidget(self.next_button, 1, 1)
        layout.addLayout(grid)
        layout.addWidget(self.told)

    @property
    def places(self) -> tuple[Place, ...]:
        """The places that are left, the most useful one first."""
        return tuple(self._places)

    def find(self) -> None:
        """Start to look for the most useful places; a training that runs waits."""
        dock = self._dock
        image = dock.pairs.current[0] if dock.pairs.current is not None else dock.pairs.image.layer
        if image is None:
            raise ValueError("Open an image first.")
        if dock.job is not None and dock.teaching is None:
            raise ValueError("Wait until this is done, or stop it: both at once would take twice as long.")
        model = self.model.model if dock.teaching is None else dock.best_model
        if model is None:
            raise ValueError("Train a model first, or open one; a training that has begun takes a few seconds for it.")
        plane = layers.current_plane(dock.viewer, image)
        annotation = next((one for mine, one in dock.pairs.pairs if mine is image), None)
        painted = None if annotation is None else np.array(annotation.data[plane])
        config = SegmentConfig(device=dock.settings().device)
        self._places, self._place, self._outdated = [], 0, False
        self._maps = Maps(dock.viewer, image, plane, model)
        self.told.setText("")
        job = partial(guide, layers.source_of(image), plane, model.path, painted, config)
        name = f"Looking where {model.name} is unsure"
        if dock.teaching is None:
            dock.start(
                job,
                name,
                on_finished=self._found,
                on_event=self._follow,
                on_stopped=lambda: None,
                on_update=self._maps.draw,
            )
        else:
            self._find_beside(job, name)
        self._enable()

    def _find_beside(self, job: Callable[[], Job[Guide]], name: str) -> None:
        """Look in another worker while the training waits, until the user lets it go on."""
        self._dock.pause_button.setChecked(True)
        self._dock.teaching.hold_view(True)
        self._dock.say("The training waits while its best model looks where it is unsure.")
        self._dock.beside = jobs.start(
            job,
            on_finished=self._found_beside,
            on_event=self._follow_beside,
            on_error=self._failed_beside,
            on_update=self._maps.draw,
            name=name,
        )

    def _found_beside(self, found: Guide) -> None:
        self._dock.beside = None
        self._found(found)
        if self._places and self._dock.teaching is not None:
            self._dock.say("Bright is unsure. Press 'Take me there', paint, and let the training go on.")

    def _failed_beside(self, failure: Failure) -> None:
        self._dock.beside = None
        self.told.setText("")
        self._enable()
        self._dock.fail(failure)

    def _follow_beside(self, event: Event) -> None:
        if isinstance(event, TileDone):
            self._maps.take(event)
            self.told.setText(f"Looking: {event.done} of {event.total} tiles")

    def _follow(self, event: Event) -> None:
        if isinstance(event, TileDone):
            self._maps.take(event)
            self._dock.advance(event.done, event.total, event.seconds_left)
        elif isinstance(event, Progress):
            self._dock.say(f"{event.message} …")

    def _found(self, found: Guide) -> None:
        self._maps.complete(found)
        self._places, self._place = list(found.places), 0
        share = found.uncertainty.mean() / 255
        if self._places:
            self.told.setText(f"{len(self._places)} places; mean uncertainty {share:.0%}.")
            self._dock.say("Bright is unsure. Press 'Take me there'.")
        else:
            self.told.setText("The model is sure everywhere, or everything it doubts is annotated.")
            self._dock.say("There is nothing to paint that would help this model.")
        self._enable()

    def go(self) -> None:
        """Move to the place and outline it."""
        maps = self._usable()
        self._check_age()
        place = self._places[self._place]
        maps.show_place(place, with_prediction=not self._outdated)
        self.told.setText(f"Place {self._place + 1} of {len(self._places)}; mean uncertainty {place.uncertainty:.0%}.")
        self._dock.say("Paint what is wrong, or press 'This is right'.")
        self._enable()

    def go_on(self) -> None:
        """Move to the next place; after the last comes the first."""
        self._place = (self._place + 1) % max(1, len(self._places))
        self.go()

    def accept(self) -> None:
        """Make the prediction in the frame annotation, where nothing was painted; then move on."""
        from napari_microcnn.measure.feedback import translated

        maps = self._usable()
        self._check_age()
        if self._outdated:
            raise ValueError("The model has learnt on since: press 'Show where it is unsure' again, and accept then.")
        matching = adopt_classes(self._dock, maps.model.classes)
        annotation = annotation_of(self._dock, maps.image)
        place = self._places.pop(self._place)
        values = translated(maps.classes[place.region], matching.ids)
        open_before = int(np.count_nonzero(annotation.data[(*maps.plane, *place.region)] == 0))
        steps = write_annotation(annotation, maps.plane, place.region, values, replace=False)
        self._writing.start(steps, partial(self._accepted, annotation, open_before))

    def _accepted(self, annotation: Labels, pixels: int) -> None:
        self._dock.viewer.layers.selection.active = annotation  # Undo is the active layer's
        if self._places:
            self._place %= len(self._places)
            self.go()
        else:
            self.told.setText("That was the last place. Train, and look again.")
            self._enable()
        self._dock.say(f"{pixels} pixels became annotation; Ctrl+Z takes them back.")

    def _paused(self, paused: bool) -> None:
        if not paused and self._dock.teaching is not None:
            self._dock.teaching.hold_view(False)
        self._enable()

    def _check_age(self) -> None:
        """Where a network has learnt on, the places are still worth a stroke, but what is seen there is another."""
        self._outdated |= self._dock.teaching is not None and not self._dock.pause_button.isChecked()

    def _usable(self) -> Maps:
        if self._maps is None or not self._places:
            raise ValueError("Press 'Show where it is unsure' first.")
        if self._maps.image not in self._dock.viewer.layers:
            raise ValueError("The image is gone; choose another one and press 'Show where it is unsure' again.")
        return self._maps

    def _enable(self) -> None:
        self._check_age()
        there = bool(self._places)
        shown = there and self._maps is not None and self._maps.place is self._places[self._place]
        self.find_button.setEnabled(self._dock.beside is None)
        self.go_button.setEnabled(there)
        self.accept_button.setEnabled(shown and not self._outdated)
        self.next_button.setEnabled(shown and len(self._places) > 1)
