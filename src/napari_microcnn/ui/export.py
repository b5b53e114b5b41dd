"""The Export dock: masks, tables and models as files, with their calibration."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QGridLayout, QLineEdit, QListWidget

from napari_microcnn.events import Event, Progress
from napari_microcnn.ui import layers
from napari_microcnn.ui.base import Dock
from napari_microcnn.ui.choices import FolderChoice, LayerChoice, ModelChoice
from napari_microcnn.ui.databar import without_drawn
from napari_microcnn.ui.exporting import ExportOrder, export
from napari_microcnn.ui.forms import Folded
from napari_microcnn.ui.text import heading, quiet

_FORMATS = {"OME-TIFF": "ome-tiff", "TIFF": "tiff", "PNG": "png"}
_PLAIN = "Few programs read the pixel size from this format; it also goes into the JSON file."
_CALIBRATED = "ImageJ and napari open these files at the right scale."
_WHAT = {"classes": "Class map", "labels": "Labels", "table": "Table", "model": "Model"}
_ALSO = {
    "imagej": "Outlines for ImageJ (ROI set)",
    "coco": "Outlines as COCO",
    "geojson": "Outlines as GeoJSON (QuPath)",
    "parquet": "Table as Parquet",
    "ome-zarr": "Image with its masks as OME-Zarr",
}
"""Formats besides; outlines are those of the labels."""
_MADE_OF = {"parquet": ("table",), "ome-zarr": ("classes", "labels")}
"""What a format besides needs at least one of, if not the labels."""
_SHOWN_AS = {"classes": "classes", "grains": "labels", "objects": "labels"}
"""Which menu chooses a result layer, by its role."""
_AIDS = ("preview", "outlines", "boundaries")
"""Roles of layers that are no results themselves."""


class ExportDock(Dock):
    """Write results as files."""

    title = "Export"
    needs_torch = False

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer, "Export")
        self.image = LayerChoice(self.viewer, Image, "No image is open")
        self.classes = LayerChoice(self.viewer, Labels, "No class map yet", without=("grains", "objects", *_AIDS))
        self.labels = LayerChoice(self.viewer, Labels, "No labels yet", without=("classes", "annotation", *_AIDS))
        self.model = ModelChoice(self.session)
        self.what = {name: QCheckBox(text) for name, text in _WHAT.items()}
        self.format = QComboBox()
        self.format.addItems(list(_FORMATS))
        self.format_note = quiet(_CALIBRATED)
        self.also = {name: QCheckBox(text) for name, text in _ALSO.items()}
        self.folder = FolderChoice("results")
        self.stem = QLineEdit()
        self.paths = QListWidget()
        self._lay_out()
        for name, box in self.what.items():
            box.setChecked(name != "model")
        self._connect()
        self._image_changed()
        for layer in self.viewer.layers:
            self._offer(layer)

    def _lay_out(self) -> None:
        self.body.addWidget(heading("What"))
        grid = QGridLayout()
        choices = {"classes": self.classes, "labels": self.labels, "table": quiet("of the labels"), "model": self.model}
        for row, (name, widget) in enumerate(choices.items()):
            grid.addWidget(self.what[name], row, 0)
            grid.addWidget(widget, row, 1)
        grid.setColumnStretch(1, 1)
        self.body.addLayout(grid)
        self.body.addWidget(heading("Where"))
        form = QFormLayout()
        form.addRow("Image", self.image)
        form.addRow("Name", self.stem)
        form.addRow("Folder", self.folder)
        form.addRow("Format", self.format)
        form.addRow("", self.format_note)
        self.body.addLayout(form)
        self.body.addWidget(Folded("For other programs", *self.also.values()))
        self.body.addWidget(heading("Files"))
        self.body.addWidget(self.paths)
        self.paths.setMinimumHeight(96)
        self.paths.setMaximumHeight(150)
        self.body.addWidget(quiet("Double click a file to open it."))

    def _connect(self) -> None:
        self.image.layer_changed.connect(self._image_changed)
        self.viewer.layers.events.inserted.connect(self._layer_came)
        self.viewer.layers.events.renamed.connect(lambda event: self._offer(self.viewer.layers[event.index]))
        self.model.failed.connect(self.refuse)
        self.format.currentTextChanged.connect(
            lambda text: self.format_note.setText(_CALIBRATED if text == "OME-TIFF" else _PLAIN)
        )
        self.paths.itemDoubleClicked.connect(lambda item: QDesktopServices.openUrl(QUrl.fromLocalFile(item.toolTip())))

    def prepare(self) -> None:
        """Start writing."""
        wanted = {name for name, box in self.what.items() if box.isChecked()}
        classes = self._data("classes", self.classes) if "classes" in wanted else None
        labels = self._data("labels", self.labels) if wanted & {"labels", "table"} else None
        if not wanted:
            raise ValueError("Tick at least one thing to export.")
        self._check_also(wanted)
        if "model" in wanted and self.model.model is None:
            raise ValueError("There is no model to export; train one, or take the tick from 'Model'.")
        if not self.stem.text().strip() or Path(self.stem.text()).name != self.stem.text():
            raise ValueError("Give the files a name, without a folder in it.")
        about = self._about()
        order = ExportOrder(
            folder=self.folder.folder,
            stem=self.stem.text(),
            format=_FORMATS[self.format.currentText()],
            also=tuple(name for name, box in self.also.items() if box.isChecked()),
            labels=labels if "labels" in wanted else None,
            measured=labels if "table" in wanted else None,
            classes=classes,
            model=self.model.model.path if "model" in wanted else None,
            made_by=about.get("model"),
            settings=about.get("settings", {}),
            computed=about.get("computed", {}),
            calibration=layers.calibration_of(self._placed()) if self._placed() is not None else None,
        )
        image = self.image.layer
        source = None if image is None else without_drawn(self.viewer, image, layers.source_of(image))
        self.paths.clear()
        self.start(
            partial(export, order, source),
            f"Exporting {order.stem}",
            on_finished=self._written,
            on_event=self._follow,
            on_stopped=lambda: self.say("Stopped; the files that were complete are there."),
        )

    def _check_also(self, wanted: set[str]) -> None:
        for name in (name for name, box in self.also.items() if box.isChecked()):
            made_of = _MADE_OF.get(name, ("labels",))
            if not wanted.intersection(made_of):
                needed = " or ".join(f"'{_WHAT[one]}'" for one in made_of)
                raise ValueError(f"{_ALSO[name]}: tick {needed} above, which it is made of, or untick it.")
            if name == "ome-zarr" and self.image.layer is None:
                raise ValueError(f"{_ALSO[name]}: open the image that the masks belong to, or untick it.")

    def _data(self, name: str, choice: LayerChoice[Labels]) -> np.ndarray:
        if choice.layer is None:
            raise ValueError(
                f"There is nothing to export as {_WHAT[name].lower()}: run Segment first, or take the tick away."
            )
        return np.array(choice.layer.data)

    def _placed(self) -> Layer | None:
        """Return the layer whose calibration counts."""
        return self.classes.layer or self.labels.layer or self.image.layer

    def _about(self) -> dict[str, Any]:
        """Return what the run that made the chosen results has noted."""
        for choice in (self.labels, self.classes):
            if choice.layer is not None and "settings" in choice.layer.metadata.get(layers.KEY, {}):
                return choice.layer.metadata[layers.KEY]
        return {}

    def _follow(self, event: Event) -> None:
        if isinstance(event, Progress):
            self.advance(event.done, event.total)
            self.say(event.message)

    def _written(self, paths: list[Path]) -> None:
        for path in paths:
            self.paths.addItem(path.name)
            self.paths.item(self.paths.count() - 1).setToolTip(str(path))
        self.folder.refresh()
        self.inform(f"Wrote {len(paths)} files to {self.folder.folder}.")

    def _image_changed(self) -> None:
        layer = self.image.layer
        if layer is not None:
            self.stem.setText("".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in layer.name))

    def _layer_came(self, event: Any) -> None:
        self._offer(event.value)

    def _offer(self, layer: Layer) -> None:
        """Choose a result that has just been made, with its image."""
        known = layer.metadata.get(layers.KEY, {})
        kind = _SHOWN_AS.get(known.get("role"))
        if kind is None or not isinstance(layer, Labels):
            return
        (self.classes if kind == "classes" else self.labels).layer = layer
        image = next((one for one in self.viewer.layers if one.name == known["source"]), None)
        if isinstance(image, Image):
            self.image.layer = image
