"""Where to paint next: a map of what the model is unsure about, and the places whose annotation would help most."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image, Labels, Shapes
from qtpy.QtWidgets import QFormLayout, QGridLayout, QPushButton, QVBoxLayout, QWidget

from napari_microcnn.config import SegmentConfig
from napari_microcnn.events import Event, Progress, TileDone
from napari_microcnn.ui import layers
from napari_microcnn.ui.choices import ModelChoice
from napari_microcnn.ui.feedback import adopt_classes, annotation_of, write_annotation
from napari_microcnn.ui.gradual import Gradually
from napari_microcnn.ui.guide_tasks import Guide, Place, guide
from napari_microcnn.ui.models import ModelFile
from napari_microcnn.ui.preview import ROLE as PREVIEW
from napari_microcnn.ui.text import quiet

if TYPE_CHECKING:
    from napari_microcnn.ui.annotate import AnnotateDock

UNCERTAINTY, REGION = "uncertainty", "region"
_EDGE = "#ffffff"
_AROUND = 0.35
"""Share of the window that is left around a region, so that one sees where it is."""


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
        self._maps: _Maps | None = None
        self._places: list[Place] = []
        self._place = 0
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
        """Start to look for the most useful places."""
        dock, model = self._dock, self.model.model
        image = dock.pairs.current[0] if dock.pairs.current is not None else dock.pairs.image.layer
        if image is None:
            raise ValueError("Open an image first.")
        if model is None:
            raise ValueError("Train a model first, or open one.")
        if dock.job is not None:
            raise ValueError("Wait until the training is done, or stop it: both at once would take twice as long.")
        plane = layers.current_plane(dock.viewer, image)
        annotation = next((one for mine, one in dock.pairs.pairs if mine is image), None)
        painted = None if annotation is None else np.array(annotation.data[plane])
        config = SegmentConfig(device=dock.settings().device)
        self._places, self._place = [], 0
        self._maps = _Maps(dock, image, plane, model)
        self.told.setText("")
        self._enable()
        dock.start(
            partial(guide, layers.source_of(image), plane, model.path, painted, config),
            f"Looking where {model.name} is unsure",
            on_finished=self._found,
            on_event=self._follow,
            on_stopped=lambda: None,
            on_update=self._maps.draw,
        )

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
        place = self._places[self._place]
        maps.show_place(place)
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

    def _usable(self) -> _Maps:
        if self._maps is None or not self._places:
            raise ValueError("Press 'Show where it is unsure' first.")
        if self._maps.image not in self._dock.viewer.layers:
            raise ValueError("The image is gone; choose another one and press 'Show where it is unsure' again.")
        return self._maps

    def _enable(self) -> None:
        there = bool(self._places)
        shown = there and self._maps is not None and self._maps.place is self._places[self._place]
        self.go_button.setEnabled(there)
        self.accept_button.setEnabled(shown)
        self.next_button.setEnabled(shown and len(self._places) > 1)


class _Maps:
    """Uncertainty and prediction of one plane of an image, drawn while they are made, and the frame around a place."""

    def __init__(self, dock: AnnotateDock, image: Image, plane: tuple[int, ...], model: ModelFile) -> None:
        self._viewer = dock.viewer
        self.image, self.plane, self.model = image, plane, model
        self.place: Place | None = None
        self._name = image.name
        self._unsure = np.zeros(layers.shape_of(image), np.uint8)
        self._classes = np.zeros(layers.shape_of(image), np.uint8)
        self._layer: Image | None = None
        self._fresh = False

    @property
    def classes(self) -> np.ndarray:
        """Class map of the plane, (Y, X) uint8."""
        return self._classes[self.plane]

    def take(self, tile: TileDone) -> None:
        """Remember a tile for the next drawing."""
        self._unsure[(*self.plane, *tile.region)] = tile.uncertainty
        self._classes[(*self.plane, *tile.region)] = tile.classes
        self._fresh = True

    def draw(self) -> None:
        """Show the tiles that came; a layer that the user removed is not brought back."""
        if not self._fresh:
            return
        self._fresh = False
        if self._layer is None:
            self._layer = self._show_uncertainty()
        elif self._layer in self._viewer.layers:
            layers.show_changes(self._layer)

    def complete(self, found: Guide) -> None:
        """Take the result as it is in the end: averaged where the image was seen at several magnifications."""
        self._unsure[self.plane] = found.uncertainty
        self._classes[self.plane] = found.classes
        self._fresh = True
        self.draw()

    def _show_uncertainty(self) -> Image:
        layer = layers.find(self._viewer, UNCERTAINTY, self._name, Image)
        if layer is not None and layer.data.shape == self._unsure.shape:
            layer.data = self._unsure
            layer.visible = True
            return layer
        with layers.keeping_active(self._viewer):
            layer = self._viewer.add_image(
                self._unsure,
                name=f"{self._name} {UNCERTAINTY}",
                metadata={layers.KEY: {"role": UNCERTAINTY, "source": self._name}},
                colormap="inferno",
                contrast_limits=(0, 255),
                opacity=0.6,
                **layers.placed_like(self.image),
            )
            if self.image in self._viewer.layers:  # below the strokes
                self._viewer.layers.move(self._viewer.layers.index(layer), self._viewer.layers.index(self.image) + 1)
        return layer

    def show_place(self, place: Place) -> None:
        """Move to a place, with a frame around it and the prediction over it instead of the uncertainty."""
        self.place = place
        with layers.keeping_active(self._viewer):
            if self._layer is not None:
                self._layer.visible = False
            self._show_prediction()
            frame = self._show_frame(place)
        for axis, index in enumerate(self.plane, start=self._viewer.dims.ndim - len(self.plane) - 2):
            self._viewer.dims.set_current_step(axis, index)
        layers.look_at(self._viewer, frame, _AROUND)

    def _show_prediction(self) -> None:
        shown = layers.find(self._viewer, PREVIEW, self._name, Labels)
        if shown is None or shown.data is not self._classes:
            shown = layers.put_labels(
                self._viewer,
                PREVIEW,
                self._classes,
                self.image,
                source=self._name,
                about={"classes": self.model.classes},
                colormap=layers.class_colours(self.model.classes),
                opacity=0.4,
            )
        shown.visible = True

    def _show_frame(self, place: Place) -> Shapes:
        rows, cols = place.region
        corners = [(rows.start, cols.start), (rows.start, cols.stop), (rows.stop, cols.stop), (rows.stop, cols.start)]
        frame = np.array([(*self.plane, row, col) for row, col in corners], float)
        frame[:, -2:] -= 0.5  # pixels are drawn around their centres
        layer = layers.find(self._viewer, REGION, self._name, Shapes)
        if layer is not None and layer.ndim == frame.shape[1]:
            layer.data = [frame]
            return layer
        return self._viewer.add_shapes(
            [frame],
            shape_type="polygon",
            name=f"{self._name} {REGION}",
            metadata={layers.KEY: {"role": REGION, "source": self._name}},
            edge_color=_EDGE,
            edge_width=max(0.5, (rows.stop - rows.start) / 100),
            face_color="transparent",
            **layers.placed_like(self.image),
        )
