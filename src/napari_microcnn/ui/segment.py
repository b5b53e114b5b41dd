"""The Segment dock: an image and a model in, class map, objects and outlines out."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QComboBox, QFormLayout

from napari_microcnn.config import SegmentConfig
from napari_microcnn.events import Event, Progress, TileDone
from napari_microcnn.ui import layers, tasks
from napari_microcnn.ui.base import Dock
from napari_microcnn.ui.choices import LayerChoice, ModelChoice
from napari_microcnn.ui.forms import Folded, SettingsForm
from napari_microcnn.ui.models import ModelFile
from napari_microcnn.ui.text import Sentence, quiet

_OUTLINES = {1: "#ffd92f", 0: "transparent", None: "transparent"}
_ADVANCED = ("magnification", "min_size", "tile", "precision", "device")
_OBJECTS = {"grains": "grains inside boundaries", "particles": "particles"}
_REDRAW_SHARE = 0.15
"""Share of the window's time that drawing tiles may take."""


class SegmentDock(Dock):
    """Segment an image with a model."""

    title = "Segment"

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer, "Segment")
        self.image = LayerChoice(self.viewer, Image, "Open an image first")
        self.calibration = quiet()
        self.model = ModelChoice(self.session)
        self.card = quiet()
        self.form = SettingsForm(SegmentConfig, _ADVANCED)
        self.objects = QComboBox()
        self.objects.setToolTip("What is numbered and measured")
        self.result = Sentence()
        self._drawing: _LiveClasses | None = None
        form = QFormLayout()
        form.addRow("Image", self.image)
        form.addRow("", self.calibration)
        form.addRow("Model", self.model)
        form.addRow("", self.card)
        form.addRow("Objects", self.objects)
        self.body.addLayout(form)
        self.body.addWidget(Folded("Advanced", self.form))
        self.body.addWidget(self.result)
        self.image.layer_changed.connect(self._describe_image)
        self.model.model_changed.connect(self._describe_model)
        self.model.failed.connect(self.refuse)
        self._describe_image()
        self._describe_model()

    def prepare(self) -> None:
        """Start the segmentation."""
        image, model = self.image.layer, self.model.model
        if image is None:
            raise ValueError("Open an image first: File > Open, or File > Open Sample > napari-microcnn.")
        if model is None:
            raise ValueError("Choose a model first: open a model file, or train one in Annotate & train.")
        source = layers.source_of(image)
        channels = image.data.shape[-1] if image.rgb else 1
        if channels != model.channels:
            raise ValueError(
                f"The model {model.name!r} takes images with {model.channels} channel(s), but {image.name!r} has "
                f"{channels}; choose another model or convert the image."
            )
        config = self.form.value().model_copy(update={"objects": self.objects.currentData()})
        self._drawing = _LiveClasses(self.viewer, image, model)
        self.result.setText("")
        about = {"model": str(model.path), "model name": model.name, "settings": config.model_dump()}
        self.start(
            partial(tasks.segment_image, source, model.path, config),
            f"Segmenting {image.name}",
            on_finished=partial(self._show, image, image.name, model, about),
            on_event=self._follow,
            on_stopped=lambda: self.say("Stopped; the tiles that were done are shown."),
        )

    def _follow(self, event: Event) -> None:
        if isinstance(event, TileDone):
            self._drawing.draw(event)
            self.advance(event.done, event.total, event.seconds_left)
            self.say(f"Tile {event.done} of {event.total}")
        elif isinstance(event, Progress):
            self.advance(event.done, event.total)
            self.say(event.message)

    def _show(self, image: Image, name: str, model: ModelFile, about: dict[str, Any], found: tasks.Segmented) -> None:
        self._drawing = None
        like = image if image in self.viewer.layers else None
        about = {**about, "classes": model.classes, "magnification": found.magnification}
        put = partial(layers.put_labels, self.viewer, like=like, source=name)
        grains = about["settings"]["objects"] is None and model.objects is not None and model.objects.kind == "grains"
        classes = put("classes", found.classes, about=about, colormap=layers.class_colours(model.classes), opacity=0.5)
        classes.visible = found.labels is None
        if found.labels is not None:
            role = "grains" if grains else "objects"
            put(role, found.labels, about=about, opacity=0.35)
            put("outlines", found.outlines, about=about, colormap=layers.colours(_OUTLINES), opacity=0.9)
        self.result.setText(found.summary)
        self.say(f"Done. {_magnified(found.magnification)}")

    def _describe_image(self) -> None:
        layer = self.image.layer
        if layer is None:
            self.calibration.setText("")
            return
        known = layers.calibration_of(layer)
        size = " × ".join(map(str, layers.shape_of(layer)))
        self.calibration.setText(f"{size} px · {known}" if known else f"{size} px · not calibrated: results in pixels")

    def _describe_model(self) -> None:
        model = self.model.model
        self.card.setText(model.line if model else "No model comes with this installation; open a file or train one.")
        self.objects.clear()
        self.objects.addItem(_OBJECTS[model.objects.kind] if model and model.objects else "as the model says", None)
        for info in model.classes if model else ():
            self.objects.addItem(f"regions of {info.name}", info.id)


class _LiveClasses:
    """The class map while it is made: tiles are drawn in place, the screen follows at its own pace."""

    def __init__(self, viewer: Any, image: Image, model: ModelFile) -> None:
        self._viewer = viewer
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._redraw)
        self.layer: Labels = layers.put_labels(
            viewer,
            "classes",
            np.zeros(layers.shape_of(image), np.uint8),
            image,
            source=image.name,
            about={"classes": model.classes},
            colormap=layers.class_colours(model.classes),
            opacity=0.5,
        )
        self.layer.visible = True
        self._pause = 100

    def draw(self, tile: TileDone) -> None:
        """Draw one tile."""
        self.layer.data[(*tile.plane, *tile.region)] = tile.classes
        if not self._timer.isActive():
            self._timer.start(self._pause)

    def _redraw(self) -> None:
        if self.layer in self._viewer.layers:
            started = time.monotonic()
            self.layer.refresh(extent=False, thumbnail=False)
            self._pause = max(100, int(1000 * (time.monotonic() - started) / _REDRAW_SHARE))


def _magnified(magnification: Any) -> str:
    return f"Magnification {magnification:.2f}." if isinstance(magnification, float) and magnification != 1 else ""
