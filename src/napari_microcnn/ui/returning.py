"""Corrected results as annotation: part of the Correct dock."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtWidgets import QComboBox, QVBoxLayout, QWidget

from napari_microcnn.config import PALETTE, ClassInfo, ObjectRule
from napari_microcnn.ui import layers
from napari_microcnn.ui.correct_tasks import Kind, Meaning, as_annotation
from napari_microcnn.ui.feedback import adopt_classes, annotation_of, write_annotation
from napari_microcnn.ui.gradual import Gradually
from napari_microcnn.ui.text import quiet
from napari_microcnn.ui.watch import Watched

if TYPE_CHECKING:
    from napari_microcnn.ui.annotate import AnnotateDock
    from napari_microcnn.ui.base import Dock

PLUGIN, ANNOTATE = "napari-microcnn", "Annotate & train"
_CHANGED, _ALL = "only what I changed", "everything"
_UNKNOWN = {
    "grains": (ClassInfo(id=1, name="grain", colour=PALETTE[0]), ClassInfo(id=2, name="boundary", colour=PALETTE[1])),
    "particles": (
        ClassInfo(id=1, name="background", colour=PALETTE[0]),
        ClassInfo(id=2, name="particle", colour=PALETTE[1]),
    ),
}
"""Classes of labels that no model of ours has made; the second one is what the rule for objects names."""


class Returning(QWidget):
    """Choice of what becomes annotation, and the way there.

    Parameters
    ----------
    dock : Dock
        Its progress and messages are used.
    """

    def __init__(self, dock: Dock) -> None:
        super().__init__()
        self._dock = dock
        self.what = QComboBox()
        self.what.addItems([_CHANGED, _ALL])
        self.what.setToolTip("What you changed replaces strokes; everything else never does")
        self.writing = Gradually(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.what)
        layout.addWidget(quiet("It becomes annotation in Annotate & train, and the next training learns from it."))

    def start(self, watched: Watched) -> None:
        """Begin to turn the shown plane into annotation of its image.

        Raises
        ------
        ValueError
            If there are no labels, no image for them, or nothing was changed.
        """
        layer, dock = watched.layer, self._dock
        if layer is None:
            raise ValueError("Choose the labels that you have corrected first.")
        image = image_of(dock.viewer, layer)
        if image is None:
            raise ValueError(f"No open image fits {layer.name!r}; open the micrograph that it was made from.")
        annotate, plane = annotate_dock(dock.viewer), watched.plane
        changed = self.what.currentText() == _CHANGED
        data, meaning = np.array(layer.data[plane]), meaning_of(annotate, layer, watched.kind, plane)
        job = partial(as_annotation, data, watched.original if changed else None, meaning)

        def write(values: np.ndarray) -> None:
            if image not in dock.viewer.layers:
                dock.say("The image was closed meanwhile, so it gets no annotation.")
                return
            pixels = int(np.count_nonzero(values))
            if not pixels:
                dock.refuse("You have changed nothing yet, so there is nothing to learn from it.")
                return
            annotation = annotation_of(annotate, image)
            region = slice(0, values.shape[0]), slice(0, values.shape[1])
            told = (
                f"Annotation of {image.name!r}: {pixels} pixels. Press Train or Resume in {ANNOTATE} to learn from it."
            )
            steps = write_annotation(annotation, plane, region, values, replace=changed)
            self.writing.start(steps, partial(dock.say, told))

        dock.start(
            job,
            f"Learning from {layer.name}",
            on_finished=lambda values: dock.attempt(partial(write, values)),
            on_event=lambda _: None,
            on_stopped=lambda: None,
        )


def meaning_of(dock: AnnotateDock, layer: Labels, kind: Kind, plane: tuple[int, ...]) -> Meaning:
    """Return what labels say in classes of the Annotate & train dock, which gets those that it lacks."""
    known = layer.metadata.get(layers.KEY, {})
    rule, classes = known.get("rule"), tuple(known.get("classes") or ())
    if kind == "classes":
        matching = adopt_classes(dock, classes or _present(layer.data[plane]))
        return Meaning(kind, ids=matching.ids)
    if isinstance(rule, ObjectRule) and rule.kind == "touching":
        rule = ObjectRule(kind="particles", class_id=rule.class_id)
    if not isinstance(rule, ObjectRule) or rule.kind != kind or not classes:
        classes = _UNKNOWN[kind]
        rule = ObjectRule(kind=kind, class_id=classes[1].id)
    others = [info for info in classes if info.id != rule.class_id]
    matching = adopt_classes(dock, classes)
    certain = kind == "grains" or len(others) == 1  # beside particles there may be several other classes
    other = matching.id_of(others[0].id) if others and certain else 0
    return Meaning(kind, object_class=matching.id_of(rule.class_id), other_class=other)


def _present(classes: np.ndarray) -> list[ClassInfo]:
    """Return a class for every number in a class map of unknown origin; 0 is none."""
    if classes.max(initial=0) > 254:
        raise ValueError("A class map has no number above 254, so these are objects: choose 'grains' or 'particles'.")
    ids = np.flatnonzero(np.bincount(classes.ravel()))
    return [ClassInfo(id=i, name=f"class {i}", colour=PALETTE[(i - 1) % len(PALETTE)]) for i in ids.tolist() if i]


def annotate_dock(viewer: ViewerModel) -> AnnotateDock:
    """Return the Annotate & train dock of a viewer, opened if it is not open."""
    known = viewer.window.dock_widgets
    name = f"{ANNOTATE} ({PLUGIN})"
    return known[name] if name in known else viewer.window.add_plugin_dock_widget(PLUGIN, ANNOTATE, tabify=True)[1]


def image_of(viewer: ViewerModel, labels: Labels) -> Image | None:
    """Return the image that labels belong to: the one they were made from, or the only one of their size."""
    source = labels.metadata.get(layers.KEY, {}).get("source")
    images = [one for one in viewer.layers if isinstance(one, Image)]
    fitting = [
        one
        for one in images
        if layers.shape_of(one) == labels.data.shape and one.metadata.get(layers.KEY, {}).get("role") != "uncertainty"
    ]
    named = [one for one in fitting if one.name == source]
    return named[0] if named else fitting[0] if len(fitting) == 1 else None
