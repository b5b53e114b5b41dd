"""Tabs of the Explain dock: heatmap, maps and filters, receptive field."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_microcnn.config import ExplainConfig
from napari_microcnn.events import Event, Progress
from napari_microcnn.ui import explain_tasks as tasks
from napari_microcnn.ui import layers
from napari_microcnn.ui.choices import LayerChoice
from napari_microcnn.ui.forms import Folded, SettingsForm
from napari_microcnn.ui.heat import HEAT, INFLUENCE, put_box, put_heat
from napari_microcnn.ui.pictures import Gallery
from napari_microcnn.ui.text import Sentence, quiet

if TYPE_CHECKING:
    from napari_microcnn.ui.explain import ExplainDock

_ADVANCED = ("steps", "window", "stride", "magnification", "device")
_MAPS, _FILTERS = "activation maps", "filters"
_HINT = {
    "grad-cam": "Where the maps of the layer speak for the class.",
    "guided-grad-cam": "The pixels behind Grad-CAM, fine but easily fooled by edges.",
    "integrated-gradients": "What every pixel adds to the score, for and against.",
    "occlusion": "How much the score falls when a window is covered.",
}


class Tab(QWidget):
    """Base of the tabs.

    Parameters
    ----------
    dock : ExplainDock
        What is chosen in it, its progress and its messages are used.
    """

    name = ""
    verb = ""

    def __init__(self, dock: ExplainDock) -> None:
        super().__init__()
        self.dock = dock
        self.inside = QVBoxLayout(self)
        self.inside.setContentsMargins(4, 6, 4, 4)
        self.inside.setAlignment(Qt.AlignmentFlag.AlignTop)

    def run(self) -> None:
        """Start what the tab is about; ValueError with one sentence on what the user should do first."""
        raise NotImplementedError

    def begin(self, job: Any, name: str, on_finished: Any) -> None:
        """Run a job with the dock's progress bar and messages."""
        doing = name

        def follow(event: Event) -> None:
            nonlocal doing
            if isinstance(event, Progress):
                self.dock.advance(event.done, event.total)
                doing = event.message or doing

        self.dock.start(job, name, on_finished, follow, lambda: None, lambda: self.dock.say(f"{doing} …"))


class HeatTab(Tab):
    """What speaks for a class."""

    name, verb = "Heat", "Explain"

    def __init__(self, dock: ExplainDock) -> None:
        super().__init__(dock)
        self.form = SettingsForm(ExplainConfig, ("method",))
        self.advanced = SettingsForm(ExplainConfig, _ADVANCED)
        self.hint = quiet()
        self.objects = LayerChoice(dock.viewer, Labels, "no labels are open")
        self.outside = QPushButton("Heat outside the object")
        self.outside.setToolTip("Explain again, and tell the share of the heat outside of these labels")
        self.result = Sentence()
        checks = QWidget()
        row = QVBoxLayout(checks)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.objects)
        row.addWidget(self.outside)
        for widget in (self.form, self.hint, Folded("Advanced", self.advanced), Folded("Labelled object", checks)):
            self.inside.addWidget(widget)
        self.inside.addWidget(self.result)
        self.form.changed.connect(self._describe)
        self.advanced.changed.connect(self._take_over)
        self.outside.clicked.connect(lambda: dock.attempt(lambda: self.run(objects=True)))
        self._describe()

    def run(self, *, objects: bool = False) -> None:
        """Explain, and compare with the labelled object if that is wanted."""
        question = self.dock.question()
        inside = None
        if objects:
            labels = self.objects.layer
            if labels is None:
                raise ValueError("Label the object first: paint it in a labels layer, or segment it.")
            inside = np.asarray(labels.data[question.plane] if labels.data.ndim > 2 else labels.data) > 0
            if inside.shape != layers.shape_of(self.dock.image.layer)[-2:]:
                raise ValueError(f"{labels.name!r} has another size than the image; choose labels of this image.")
        image = self.dock.image.layer
        self.begin(
            partial(tasks.explain_image, question, inside), f"Explaining {image.name}", partial(self._show, image)
        )

    def _show(self, image: Image, found: tasks.Explained) -> None:
        about = {"settings": self.form.value().model_dump(), "model": str(self.dock.model.model.path), **found.about}
        if image in self.dock.viewer.layers:
            put_heat(self.dock.viewer, HEAT, found.heat, image, found.region, about)
        parts = [f"{found.about['class']}: probability {found.about['probability']:.3g}."]
        if found.about["layer"]:
            parts.append(f"Layer {found.about['layer']}.")
        if not np.any(found.heat > 0):
            parts.append("Nothing speaks for this class here.")
        if found.outside is not None and found.outside == found.outside:
            parts.append(f"{100 * found.outside:.0f} % of the heat lies outside of the labelled object.")
        self.result.setText(" ".join(parts))
        self.dock.say("Done.")

    def _describe(self) -> None:
        self.hint.setText(_HINT[self.form.value().method])
        self._take_over()

    def _take_over(self) -> None:
        """Keep what is set in both forms in the first one."""
        rest = self.advanced.value().model_dump(include=set(_ADVANCED))
        self.form.set_value(self.form.value().model_copy(update=rest))


class MapsTab(Tab):
    """What all filters of a layer make of the image."""

    name, verb = "Maps", "Show maps"

    def __init__(self, dock: ExplainDock) -> None:
        super().__init__(dock)
        self.kind = QComboBox()
        self.kind.addItems([_MAPS, _FILTERS])
        self.gallery = Gallery(190)
        self.told = quiet("Press Show maps; click one to get it as a layer over the image.")
        self.layer_button = QPushButton("As layer")
        self.excite_button = QPushButton("What excites it?")
        self.excite_button.setToolTip("Climb from noise to a picture that excites this filter most")
        row = QHBoxLayout()
        row.addWidget(self.layer_button)
        row.addWidget(self.excite_button)
        for widget in (self.kind, self.gallery, self.told):
            self.inside.addWidget(widget)
        self.inside.addLayout(row)
        self._layer = ""
        self.gallery.picked.connect(lambda _: dock.attempt(self.as_layer))
        self.layer_button.clicked.connect(lambda: dock.attempt(self.as_layer))
        self.excite_button.clicked.connect(lambda: dock.attempt(self.excite))

    def run(self) -> None:
        """Show all maps or filters of the chosen layer."""
        layer, filters = self.dock.chosen_layer, self.kind.currentText() == _FILTERS
        job = partial(tasks.maps, self.dock.question(), layer, filters)
        self.begin(job, f"Maps of {layer}", partial(self._show, layer))

    def as_layer(self) -> None:
        """Show the map of the filter that was clicked over the image."""
        if self.dock.job is not None:
            return
        layer, channel = self._chosen()
        image = self.dock.image.layer
        job = partial(tasks.one_map, self.dock.question(), layer, channel)
        self.begin(job, f"Filter {channel}", partial(self._show_map, image, f"{layer} #{channel}"))

    def excite(self) -> None:
        """Find what excites the filter that was clicked most."""
        layer, channel = self._chosen()
        image = self.dock.image.layer
        job = partial(tasks.exciting, self.dock.question(), layer, channel)
        self.begin(job, f"Filter {channel}", partial(self._show_exciting, image, f"what excites {layer} #{channel}"))

    def _chosen(self) -> tuple[str, int]:
        channel = self.gallery.currentRow()
        if channel < 0:
            raise ValueError("Show the maps of a layer and click one first.")
        return self._layer, channel

    def _show(self, layer: str, pictures: np.ndarray) -> None:
        self._layer = layer
        self.gallery.show_pictures(pictures)
        self.told.setText(f"{len(pictures)} of {layer}; click one to get its map as a layer over the image.")
        self.dock.say("Done.")

    def _show_map(self, image: Image, role: str, found: np.ndarray) -> None:
        if image in self.dock.viewer.layers:
            put_heat(self.dock.viewer, role, found, image, None, {})
        self.dock.say("Done.")

    def _show_exciting(self, image: Image, role: str, found: np.ndarray) -> None:
        if image in self.dock.viewer.layers:
            layer = layers.put_image(self.dock.viewer, role, found, source=image.name, about={})
            width = layers.shape_of(image)[-1]
            scale = np.array(layer.scale[-2:])
            layer.translate = (*([0] * (layer.ndim - 2)), 0, 1.04 * width * scale[-1])  # beside the image
            self.dock.viewer.reset_view()
        self.dock.say("Done. The picture lies to the right of the image.")


class FieldTab(Tab):
    """How far a layer sees."""

    name, verb = "Field", "Show field"

    def __init__(self, dock: ExplainDock) -> None:
        super().__init__(dock)
        self.hint = quiet("Click a pixel in the image: its box, and what it really looks at.")
        self.result = Sentence()
        self.warning = Sentence()
        self.warning.setStyleSheet("color: #e0662f;")
        self.table = QTableWidget(0, 5)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(24)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.table.setFixedHeight(180)
        self.table.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        for widget in (self.hint, self.result, self.warning, self.table):
            self.inside.addWidget(widget)
        self.table.cellClicked.connect(lambda row, _: self._choose(row))

    def run(self) -> None:
        """Show what the layer's position nearest to the clicked pixel sees."""
        pixel = self.dock.where.chosen_pixel()
        question = self.dock.question(whole=True)
        image = self.dock.image.layer
        grains = layers.find(self.dock.viewer, "grains", image.name, Labels)
        measured = None
        if grains is not None:
            measured = np.asarray(grains.data[question.plane] if grains.data.ndim > 2 else grains.data)
        job = partial(tasks.field, question, self.dock.chosen_layer, pixel, measured)
        self.begin(job, "Receptive field", partial(self._show, image))

    def show_rows(self, found: tasks.Surveyed) -> None:
        """List the layers; fields and strides in pixels of the image, fields in its unit too where it is calibrated."""
        image = self.dock.image.layer
        known = None if image is None else layers.calibration_of(image)
        self.table.setHorizontalHeaderLabels(["Layer", "Maps", "Stride", "Field", known.unit if known else ""])
        self.table.setColumnHidden(4, known is None)
        self.table.setRowCount(len(found.rows))
        for number, row in enumerate(found.rows):
            size = None if row.size is None else max(row.size) / found.scale
            field = "all" if size is None else f"{size:.4g}"
            long = field if known is None or size is None else f"{size * known.pixel_size[1]:.3g}"
            maps = " × ".join(map(str, row.shape))
            cells = (row.name, str(row.shape[0]), f"{row.stride[0] / found.scale:.4g}", field, long)
            for column, text in enumerate(cells):
                item = QTableWidgetItem(text)
                item.setToolTip(f"{row.name}, {row.kind}: {maps}; stride and receptive field in pixels of the image")
                self.table.setItem(number, column, item)

    def _choose(self, row: int) -> None:
        self.dock.layer.setCurrentIndex(self.dock.layer.findData(self.table.item(row, 0).text()))

    def _show(self, image: Image, found: tasks.Seen) -> None:
        viewer = self.dock.viewer
        if image in viewer.layers:
            about = {"layer": found.layer, "effective": found.effective}
            put_heat(viewer, INFLUENCE, found.influence, image, None, about, "green")
            put_box(viewer, found.box, image)
        known = layers.calibration_of(image)

        def length(pixels: float) -> str:
            return f"{pixels:.0f} px" + (f" ({pixels * known.pixel_size[1]:.3g} {known.unit})" if known else "")

        cut = any(part.stop - part.start < whole - 1 for part, whole in zip(found.box, found.size, strict=True))
        self.result.setText(
            f"{found.layer} can see {length(max(found.size))}{', here cut by the edge' if cut else ''}; 95\u00a0% of "
            f"its attention lies within {length(found.effective)}."
        )
        self.warning.setText(" ".join(found.warnings))
        self.dock.say("Done.")
