"""The Segment dock: an image and a model in, class map, objects and outlines out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtWidgets import QComboBox, QFormLayout

from napari_microcnn.config import ObjectRule, SegmentConfig
from napari_microcnn.events import Event, Progress, TileDone
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.ui import layers, tasks
from napari_microcnn.ui.base import Dock
from napari_microcnn.ui.batch import BatchSection
from napari_microcnn.ui.choices import LayerChoice, ModelChoice
from napari_microcnn.ui.cluster import ClusterSection
from napari_microcnn.ui.databar import show_databar, without_drawn
from napari_microcnn.ui.doubt import COLOURS, Doubt, Found
from napari_microcnn.ui.forms import Folded, SettingsForm
from napari_microcnn.ui.large import LargeSection
from napari_microcnn.ui.models import ModelFile
from napari_microcnn.ui.pairing import OnDisk
from napari_microcnn.ui.preview import ROLE as PREVIEW
from napari_microcnn.ui.scale import ScaleSection
from napari_microcnn.ui.script import ScriptButton
from napari_microcnn.ui.scripting import Reading
from napari_microcnn.ui.text import Sentence, quiet

_Steps = Callable[[tasks.Segmented], list[Callable[[], None]]]
_LIGHTS = {"green": "#009e73", "amber": "#e69f00", "red": "#d55e00"}
_ADVANCED = ("magnification", "min_size", "tile", "precision", "device")
_OBJECTS = {"grains": "grains inside boundaries", "particles": "particles"}


class SegmentDock(Dock):
    """Segment an image with a model."""

    title = "Segment"

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer, "Segment")
        self.image = LayerChoice(self.viewer, Image, "Open an image first")
        self.calibration = quiet()
        self.scale = ScaleSection(self.viewer, lambda: self.image.layer, self.refuse)
        self.model = ModelChoice(self.session)
        self.card = quiet()
        self.form = SettingsForm(SegmentConfig, _ADVANCED)
        self.cluster = ClusterSection()
        self.objects = QComboBox()
        self.objects.setToolTip("What is numbered and measured")
        self.result = Sentence()
        self.gap = Sentence()
        self.doubt = Doubt(self.viewer, self.say)
        self._drawing: _LiveClasses | None = None
        self._found: tasks.Segmented | None = None
        self._read: Reading | None = None
        self.large = LargeSection(self)
        self.batch = BatchSection(self, lambda: (self._model(), self._config()))
        self.script_button = ScriptButton(self, lambda: self._read)
        self.header.addWidget(self.script_button)
        form = QFormLayout()
        form.addRow("Image", self.image)
        form.addRow("", self.calibration)
        form.addRow("Model", self.model)
        form.addRow("", self.card)
        form.addRow("Objects", self.objects)
        self.body.addLayout(form)
        for title, section in (
            ("Scale", self.scale), ("Advanced", self.form), ("Compute on", self.cluster),
            ("A whole folder", self.batch), ("Larger than the memory", self.large),
        ):  # fmt: skip
            self.body.addWidget(Folded(title, section))
        self.body.addWidget(self.result)
        self.body.addWidget(self.gap)
        self.body.addWidget(self.doubt)
        self.image.layer_changed.connect(self._describe_image)
        self.scale.changed.connect(self._describe_image)
        self.model.model_changed.connect(self._describe_model)
        self.model.failed.connect(self.refuse)
        self._describe_image()
        self._describe_model()

    def prepare(self) -> None:
        """Start the segmentation."""
        image = self.image.layer
        if image is None:
            raise ValueError("Open an image first: File > Open, or File > Open Sample > MicroCNN.")
        model = self._model()
        source = without_drawn(self.viewer, image, layers.source_of(image))
        channels = source.channels if isinstance(source, Micrograph) else model.channels
        if channels != model.channels and {channels, model.channels} != {1, 3}:  # grey and colours fit each other
            raise ValueError(
                f"The model {model.name!r} takes images with {model.channels} channel(s), but {image.name!r} has "
                f"{channels}; choose another model or convert the image."
            )
        config = self._config()
        self.result.setText("")
        self.gap.setText("")
        self.doubt.show_found(None)
        if self.large.wanted(image):
            self.large.run(image, source, model, config)
            return
        self._drawing, self._found = _LiveClasses(self.viewer, image, model), None
        about = {"model": str(model.path), "model name": model.name, "settings": config.model_dump()}
        steps = partial(self._steps_to_show, image, image.name, model, about, source)
        self.start(
            partial(tasks.segment_image, source, model.path, config),
            f"Segmenting {image.name}",
            on_finished=partial(self._finish, steps),
            on_event=self._follow,
            on_stopped=self._stopped,
            on_update=partial(self._draw, steps),
        )

    def _model(self) -> ModelFile:
        if self.model.model is None:
            raise ValueError("Choose a model first: open a model file, or train one in Annotate & train.")
        return self.model.model

    def _config(self) -> SegmentConfig:
        return self.form.value().model_copy(update={"objects": self.objects.currentData(), **self.cluster.settings})

    def _follow(self, event: Event) -> None:
        if isinstance(event, TileDone):
            self._drawing.take(event)
            self.advance(event.done, event.total, event.seconds_left)
        elif isinstance(event, Progress):
            self.advance(event.done, event.total)
        elif isinstance(event, tasks.SegmentationDone):
            self._drawing, self._found = None, event.found

    def _draw(self, steps: _Steps) -> None:
        if self._found is not None:
            self.take(self._unshown(steps))
        elif self._drawing is not None and self._drawing.last is not None:
            self._drawing.draw()
            self.say(f"Tile {self._drawing.last.done} of {self._drawing.last.total}")

    def _unshown(self, steps: _Steps) -> list[Callable[[], None]]:
        """Return the steps that show the answer that came; none once it was shown."""
        found, self._found = self._found, None
        return [] if found is None else steps(found)

    def _finish(self, steps: _Steps, gap: tuple[str, str]) -> list[Callable[[], None]]:
        return [*self._unshown(steps), partial(self._tell_gap, gap)]

    def _stopped(self) -> None:
        self.say("Stopped; the tiles that were done are shown." if self._drawing is not None else "Done.")

    def _steps_to_show(
        self,
        image: Image,
        name: str,
        model: ModelFile,
        about: dict[str, Any],
        source: Micrograph | OnDisk,
        found: tasks.Segmented,
    ) -> list[Callable[[], None]]:
        """Return the steps that show the result."""
        config = SegmentConfig(**about["settings"])
        self._read = Reading(source, model.reference, config, found.computed["precision"])
        chosen = about["settings"]["objects"]
        rule = model.objects if chosen is None else ObjectRule(kind="particles", class_id=chosen)
        grains = rule is not None and rule.kind == "grains"
        about = {**about, "classes": model.classes, "rule": rule}
        about |= {"magnification": found.magnification, "computed": found.computed}

        parts = [("classes", found.classes, {"colormap": layers.class_colours(model.classes), "opacity": 0.5})]
        if found.labels is not None:
            parts.append(("grains" if grains else "objects", found.labels, {"opacity": 0.35}))
            parts[0][2]["visible"] = False
            doubt = grains and found.segments is not None
            self.doubt.show_found(Found(found.labels, found.segments, name) if doubt else None)
            drawn = self.doubt.outlines() if doubt else found.outlines
            parts.append(("outlines", drawn, {"colormap": layers.colours(COLOURS), "opacity": 0.9}))

        def put(role: str, data: np.ndarray, look: dict[str, Any]) -> None:
            like = image if image in self.viewer.layers else None
            layers.put_labels(self.viewer, role, data, like, source=name, about=about, **look)

        def tell() -> None:
            self.result.setText(found.summary)
            self.say("Done." if self.noticed else f"Done. {_magnified(found.magnification)}")

        def update() -> None:
            layer = layers.find(self.viewer, "classes", name, Labels)
            if layer is not None:
                layer.visible = found.labels is None  # otherwise the objects are shown instead
            for role, data, look in parts:
                if layers.find(self.viewer, role, name, Labels) is not None:
                    put(role, data, look)

        # What is there is drawn once, new layers one by one: napari takes a while to make each.
        new = [part for part in parts if layers.find(self.viewer, part[0], name, Labels) is None]
        show = partial(show_databar, self.viewer, image, found.covered)
        return [update, *(partial(put, *part) for part in new), show, tell]

    def _tell_gap(self, gap: tuple[str, str]) -> None:
        """Show how far the image is from what the model knows, as a traffic light with its reason."""
        light, sentence = gap
        self.gap.setText(f'<span style="color:{_LIGHTS[light]}">●</span> {sentence}')

    def _describe_image(self) -> None:
        layer = self.image.layer
        if layer is None:
            self.calibration.setText("")
            return
        known = layers.calibration_of(layer)
        *stack, height, width = layers.shape_of(layer)
        size = f"{width} × {height} px" + "".join(f" × {n} planes" for n in stack)
        self.calibration.setText(f"{size} · {known}" if known else f"{size} · not calibrated: results in pixels")

    def _describe_model(self) -> None:
        model = self.model.model
        self.card.setText(model.line if model else "No model comes with this installation; open a file or train one.")
        self.objects.clear()
        known = model.objects if model else None
        self.objects.addItem(_OBJECTS[known.kind] if known else "none", None)
        for info in model.classes if model else ():
            self.objects.addItem(f"regions of {info.name}", info.id)
        if known is None and self.objects.count() > 1:  # a model made from strokes: people count what they named first
            self.objects.setCurrentIndex(1)


class _LiveClasses:
    """The class map while it is made: tiles are drawn in place."""

    def __init__(self, viewer: ViewerModel, image: Image, model: ModelFile) -> None:
        self._viewer = viewer
        self._image = image
        self._name = image.name
        self._model = model
        self._data = np.zeros(layers.shape_of(image), np.uint8)
        self._layer: Labels | None = None
        self.last: TileDone | None = None

    def take(self, tile: TileDone) -> None:
        """Remember a tile for the next drawing."""
        self._data[(*tile.plane, *tile.region)] = tile.classes
        self.last = tile

    def draw(self) -> None:
        """Show what is there; a layer that the user removed is not brought back before the end."""
        if self._layer is None:
            self._show()
        elif self._layer in self._viewer.layers:
            layers.show_changes(self._layer)

    def _show(self) -> None:
        layers.take_over(self._viewer, PREVIEW, "classes", self._name)  # the answer replaces it
        preview = layers.find(self._viewer, PREVIEW, self._name, Labels)
        if preview is not None:
            preview.visible = False
        self._layer = layers.put_labels(
            self._viewer,
            "classes",
            self._data,
            self._image if self._image in self._viewer.layers else None,
            source=self._name,
            about={"classes": self._model.classes},
            colormap=layers.class_colours(self._model.classes),
            opacity=0.5,
        )
        self._layer.visible = True


def _magnified(factors: tuple[float, ...]) -> str:
    """Return a sentence on the magnification, where the image was not seen as it is."""
    shown = sorted({f"{factor:.2g}" for factor in factors if factor != 1})
    return f"Seen at {' and '.join(shown)} times its magnification." if 0 < len(shown) < 4 else ""
