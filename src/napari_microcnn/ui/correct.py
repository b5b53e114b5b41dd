"""The Correct dock: select objects, delete or merge them, and give what was corrected back as annotation."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from napari.layers import Labels
from qtpy.QtGui import QHideEvent
from qtpy.QtWidgets import QComboBox, QFormLayout, QGridLayout, QHBoxLayout, QPushButton, QWidget

from napari_microcnn.measure.editing import Members, merged_number
from napari_microcnn.ui import correct_tasks, layers
from napari_microcnn.ui.base import Dock
from napari_microcnn.ui.choices import LayerChoice
from napari_microcnn.ui.filters import ObjectFilter
from napari_microcnn.ui.gradual import Change, Gradually, edit
from napari_microcnn.ui.highlight import Highlight
from napari_microcnn.ui.returning import Returning
from napari_microcnn.ui.text import heading, quiet
from napari_microcnn.ui.watch import Watched

_AIDS = ("annotation", "preview", "outlines", "boundaries")
"""Roles of layers that are no results."""
_KINDS = {"particles": "particles", "grains": "grains", "classes": "a class map"}
_ROLES = {"grains": "grains", "objects": "particles", "classes": "classes"}
_WORDS = {"grains": ("grain", "grains"), "particles": ("object", "objects"), "classes": ("region", "regions")}
_STILL = 4
"""Pixels of the screen that the mouse may move in a click."""


class CorrectDock(Dock):
    """Correct labels or a class map, and learn from it."""

    title = "Correct"
    needs_torch = False

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer, "Use as annotation")
        self.labels = LayerChoice(self.viewer, Labels, "Segment an image first", without=_AIDS)
        self.kind = QComboBox()
        self.pick_button = QPushButton("Pick by clicking")
        self.clear_button = QPushButton("Clear")
        self.filter = ObjectFilter()
        self.count = quiet()
        self.delete_button, self.merge_button = QPushButton("Delete"), QPushButton("Merge")
        self.undo_button, self.redo_button = QPushButton("Undo"), QPushButton("Redo")
        self.selected = np.empty(0, np.int64)
        self.watched = Watched(self, self.viewer, self.fail)
        self.counting = self.watched.counting
        self.highlight = Highlight(self, self.viewer)
        self.editing = Gradually(self)
        self.returning = Returning(self)
        self._lay_out()
        self._connect()
        self._layer_changed()

    def _lay_out(self) -> None:
        for kind, text in _KINDS.items():
            self.kind.addItem(text, kind)
        self.pick_button.setCheckable(True)
        self.pick_button.setToolTip("Click an object in the image to select it; Shift adds, or leaves out")
        self.delete_button.setToolTip("Objects become background; regions of a class map go to the class around them")
        self.merge_button.setToolTip(
            "Make the selected objects one; regions of a class map all get the class of the largest"
        )
        form = QFormLayout()
        form.addRow("Labels", self.labels)
        form.addRow("These are", self.kind)
        self.body.addLayout(form)
        self.body.addWidget(heading("Select"))
        self.body.addLayout(_row(self.pick_button, self.clear_button))
        self.body.addWidget(self.filter)
        self.body.addWidget(self.count)
        self.body.addWidget(heading("Change"))
        grid = QGridLayout()
        grid.addWidget(self.delete_button, 0, 0)
        grid.addWidget(self.merge_button, 0, 1)
        grid.addWidget(self.undo_button, 1, 0)
        grid.addWidget(self.redo_button, 1, 1)
        self.body.addLayout(grid)
        self.body.addWidget(quiet("Single pixels: with napari's brush, eraser and bucket on the same layer."))
        self.body.addWidget(heading("Learn from it"))
        self.body.addWidget(self.returning)
        self.stop_button.setVisible(False)

    def _connect(self) -> None:
        self.labels.layer_changed.connect(self._layer_changed)
        self.viewer.layers.events.inserted.connect(self._layer_came)
        self.kind.currentIndexChanged.connect(lambda _: self._watch())
        self.watched.changed.connect(self._objects_changed)
        self.filter.changed.connect(partial(self.attempt, self._filter))
        self.clear_button.clicked.connect(self._clear)
        self.pick_button.toggled.connect(self._pick_toggled)
        self.delete_button.clicked.connect(partial(self.attempt, self.delete))
        self.merge_button.clicked.connect(partial(self.attempt, self.merge))
        self.undo_button.clicked.connect(lambda: self._step(Labels.undo))
        self.redo_button.clicked.connect(lambda: self._step(Labels.redo))
        self.viewer.mouse_drag_callbacks.append(self._clicked)

    # Which labels

    def _layer_came(self, event: Any) -> None:
        """Choose a result that has just been made."""
        role = event.value.metadata.get(layers.KEY, {}).get("role")
        if isinstance(event.value, Labels) and role in _ROLES:
            self.labels.layer = event.value

    def _layer_changed(self) -> None:
        layer = self.labels.layer
        role = layer.metadata.get(layers.KEY, {}).get("role") if layer is not None else None
        if role in _ROLES:
            self.kind.blockSignals(True)
            self.kind.setCurrentIndex(list(_KINDS).index(_ROLES[role]))
            self.kind.blockSignals(False)
        known = layers.calibration_of(layer) if layer is not None else None
        self.filter.set_unit(known.unit if known else "px")
        self._watch()

    def _watch(self) -> None:
        self.editing.finish()
        layer = self.labels.layer
        if layer is not None and not isinstance(layer.data, np.ndarray):
            self.refuse(f"{layer.name!r} is read from a file when it is needed, so it cannot be changed.")
            layer = None
        self.highlight.clear()
        self.selected = self.selected[:0]
        self.watched.watch(layer, self.kind.currentData())
        self._enable()

    def _objects_changed(self) -> None:
        if self.watched.objects is None:
            if self.watched.kind == "classes" and len(self.selected):  # regions get other numbers
                self._select(self.selected[:0])
        else:
            self._select(self.selected[np.isin(self.selected, self.watched.objects.ids)])
        self._enable()

    # Selecting

    def _filter(self) -> None:
        """Select what fits size and place."""
        if self.watched.objects is not None:
            known = layers.calibration_of(self.watched.layer)
            self._select(self.filter.selected(self.watched.objects, known))

    def _select(self, ids: np.ndarray) -> None:
        """Select these objects and show which they are."""
        self.selected = ids
        if self.watched.layer is not None:
            self.highlight.show(self.watched.layer, self.watched.plane, self.watched.numbers, ids)
        self._enable()

    def _clear(self) -> None:
        self.filter.clear()
        self._select(self.selected[:0])

    def _pick_toggled(self, on: bool) -> None:
        layer = self.watched.layer
        if on and layer is not None:
            layer.mode = "pan_zoom"
            layer.visible = True
            self.viewer.layers.selection.active = layer

    def _clicked(self, viewer: Any, event: Any) -> Iterator[None]:  # noqa: ARG002 - napari hands over the viewer
        """Take a press of the mouse that is no drag as a choice."""
        start = np.asarray(event.pos, float)
        yield
        while event.type == "mouse_move":
            yield
        layer, active = self.watched.layer, self.viewer.layers.selection.active
        still = np.abs(np.asarray(event.pos, float) - start).max() <= _STILL
        painting = active is not None and str(active.mode) not in ("pan_zoom", "Mode.PAN_ZOOM")
        if self.pick_button.isChecked() and layer is not None and still and not painting:
            self.pick(layer.world_to_data(event.position)[-2:], add="Shift" in event.modifiers)

    def pick(self, position: Any, *, add: bool) -> None:
        """Select the object at a position of the plane in pixels; `add`: add it, or leave it out, instead."""
        if self.watched.objects is None:
            self.say("The objects are being counted; click again in a moment.")
            return
        numbers = self.watched.numbers
        row, col = (round(float(value)) for value in position)
        inside = 0 <= row < numbers.shape[0] and 0 <= col < numbers.shape[1]
        number = int(numbers[row, col]) if inside else 0
        chosen = np.array([number] if number else [], np.int64)
        self._select(np.setxor1d(self.selected, chosen) if add else chosen)

    # Changing

    def delete(self) -> None:
        """Delete the selected objects."""
        layer = self._ready()
        if self.watched.kind != "classes":
            self._change(layer, self._replace(0), "Deleted")
            return
        regions, plane = self.watched.numbers, self.watched.plane

        def apply(new: np.ndarray) -> None:
            def change(rows: slice) -> tuple[np.ndarray, np.ndarray]:
                values = new[regions[rows]]
                mask = values >= 0
                return mask, values[mask]

            self._change(layer, change, "Gave to their surroundings:")

        self.start(
            partial(correct_tasks.surroundings, layer.data[plane], regions, self.selected),
            "Looking around the regions",
            on_finished=apply,
            on_event=lambda _: None,
            on_stopped=lambda: None,
        )

    def merge(self) -> None:
        """Make the selected objects one; selected regions of a class map all get the class of the largest."""
        layer = self._ready()
        if self.watched.kind != "classes":
            self._change(layer, self._replace(merged_number(self.selected)), "Merged")
            return
        regions, members = self.watched.numbers, Members(self.selected)
        largest = self.watched.objects.largest(self.selected)
        number = layer.data[self.watched.plane].flat[int(np.argmax(regions == largest))]
        self._change(layer, lambda rows: (members(regions[rows]), number), "Made one class of")

    def _ready(self) -> Labels:
        self.editing.finish()
        if self.watched.layer is None or self.watched.objects is None or not len(self.selected):
            raise ValueError("Select something first: by clicking, or by its size.")
        return self.watched.layer

    def _replace(self, number: int) -> Change:
        layer, plane, members = self.watched.layer, self.watched.plane, Members(self.selected)
        return lambda rows: (members(layer.data[(*plane, rows)]), number)

    def _change(self, layer: Labels, change: Change, done: str) -> None:
        if layer not in self.viewer.layers:
            self.say("The layer was closed meanwhile, so nothing was changed.")
            return
        count, word = len(self.selected), _WORDS[self.watched.kind][len(self.selected) != 1]
        self._select(self.selected[:0])
        self.editing.start(
            edit(layer, self.watched.plane, change), lambda: self.say(f"{done} {count} {word}; Ctrl+Z takes it back.")
        )
        self.viewer.layers.selection.active = layer  # Undo is the active layer's

    def _step(self, step: Any) -> None:
        self.editing.finish()
        if self.watched.layer is not None:
            step(self.watched.layer)

    def _enable(self) -> None:
        """Show how much is selected, and what can be done with it."""
        kind, objects, count = self.watched.kind, self.watched.objects, len(self.selected)
        word = _WORDS[kind][1]
        self.count.setText(f"{count} of {len(objects.ids)} {word} selected" if objects is not None else "Counting …")
        if self.watched.layer is None:
            self.count.setText("")
        self.delete_button.setEnabled(objects is not None and count > 0)
        self.merge_button.setEnabled(objects is not None and count > 1)
        for button in (self.undo_button, self.redo_button, self.pick_button, self.clear_button, self.run_button):
            button.setEnabled(self.watched.layer is not None)

    # Learning

    def prepare(self) -> None:
        """Turn the corrected plane into annotation of its image."""
        self.editing.finish()
        self.returning.start(self.watched)

    def set_running(self, running: bool) -> None:
        """Show the state of the buttons; what runs here takes too short to be stopped."""
        super().set_running(running)
        self.stop_button.setVisible(False)

    def abandon(self) -> None:
        """End whatever runs for this dock, and leave the mouse alone."""
        self.editing.finish()
        self.highlight.drawing.drop()
        if self._clicked in self.viewer.mouse_drag_callbacks:
            self.viewer.mouse_drag_callbacks.remove(self._clicked)
            self.watched.close()
        super().abandon()

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802 - Qt's name
        """Leave the mouse alone while another dock is in front."""
        self.pick_button.setChecked(False)
        super().hideEvent(event)


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    for widget in widgets:
        row.addWidget(widget, 1)
    return row
