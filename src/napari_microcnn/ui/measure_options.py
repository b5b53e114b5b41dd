"""What the Measure dock measures, and how: objects, fields, twins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QVBoxLayout, QWidget

from napari_microcnn.config import GrainSizeConfig
from napari_microcnn.data.databar import overlays_of
from napari_microcnn.micrograph import DRAWN, Calibration, Micrograph, Pixels
from napari_microcnn.ui import layers
from napari_microcnn.ui.choices import LayerChoice
from napari_microcnn.ui.databar import without_drawn
from napari_microcnn.ui.forms import Folded, SettingsForm
from napari_microcnn.ui.measure_record import Origin
from napari_microcnn.ui.measure_tasks import GRAINS, PARTICLES, PHASES, Order

KINDS = {"Grains (ASTM E112)": GRAINS, "Particles or pores": PARTICLES, "Phases (class map)": PHASES}
_NUMBERED = {"grains": GRAINS, "objects": PARTICLES}
"""What layers of these roles hold."""
_AIDS = ("preview", "outlines", "boundaries")
_VIEW, _ALL = "the one in view", "all planes and layers like it, pooled"
_FOUND, _JOINED, _OWN = "as they were found", "join grains across marks", "marked areas are grains"


class MeasureOptions(QWidget):
    """The upper part of the dock.

    Parameters
    ----------
    viewer : ViewerModel
    """

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self._viewer = viewer
        self.labels = LayerChoice(viewer, Labels, "Run Segment first, or open labels", without=_AIDS)
        self.kind, self.fields, self.twins = QComboBox(), QComboBox(), QComboBox()
        self.kind.addItems(list(KINDS))
        self.fields.addItems([_VIEW, _ALL])
        self.fields.setToolTip("Standards ask for several fields: open more images, and segment them")
        self.twins.addItems([_FOUND, _JOINED, _OWN])
        self.twins.setToolTip(
            "ASTM E112 counts a twin as part of its grain: paint over twin boundaries in a labels layer, and grains "
            "are joined across them. Or paint twins in full, and they become grains of their own."
        )
        self.marks = LayerChoice(viewer, Labels, "Paint twins in a labels layer")
        self.thickness = QCheckBox("Local thickness too (takes a while)")
        self.tortuosity = QCheckBox("Tortuosity too")
        self.tortuosity.setToolTip("How much longer the shortest ways through a phase are than straight ones")
        self.form = SettingsForm(GrainSizeConfig, ("figure", "spacing", "parts", "seed"))
        for box in (self.kind, self.fields, self.twins):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(12)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for text, widget in (("Objects", self.labels), ("They are", self.kind), ("Fields", self.fields)):
            form.addRow(text, widget)
        form.addRow(self.thickness)
        form.addRow(self.tortuosity)
        twins = QWidget()
        about = QFormLayout(twins)
        about.setContentsMargins(0, 0, 0, 0)
        about.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        about.addRow("Twins", self.twins)
        about.addRow("Marks", self.marks)
        self.counting = Folded("How grains are counted", twins, self.form)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addWidget(self.counting)
        self.kind.currentTextChanged.connect(lambda _: self._follow())
        self.twins.currentTextChanged.connect(lambda text: self.marks.setEnabled(text != _FOUND))
        self.marks.setEnabled(False)
        self.labels.layer_changed.connect(self._propose)
        viewer.layers.events.inserted.connect(self._offer)
        self._propose()
        self._follow()

    def _follow(self) -> None:
        kind = KINDS[self.kind.currentText()]
        self.counting.setVisible(kind == GRAINS)
        for box in (self.thickness, self.tortuosity):
            box.setVisible(kind == PHASES)

    def _propose(self) -> None:
        """Take a class map for phases, and what Segment numbered for grains or particles."""
        role = None if self.labels.layer is None else layers.find_role(self.labels.layer)
        kind = PHASES if role == "classes" else _NUMBERED.get(role or "")
        if kind is not None:
            self.kind.setCurrentIndex(list(KINDS.values()).index(kind))

    def _offer(self, event: Any) -> None:
        """Choose what Segment has just numbered."""
        if isinstance(event.value, Labels) and layers.find_role(event.value) in _NUMBERED:
            self.labels.layer = event.value

    def order(self) -> tuple[Order, Labels, tuple[int, ...]]:
        """Return what to measure, the layer of it that is in view, and its plane.

        Raises
        ------
        ValueError
            If something is missing, with what to do.
        """
        layer = self.labels.layer
        if layer is None:
            raise ValueError("There is nothing to measure: run Segment first, or open a label image.")
        plane = layers.current_plane(self._viewer, layer)
        kind = KINDS[self.kind.currentText()]
        fields = [(_taken(layers.pixels_of(layer)[plane]), layers.calibration_of(layer))]
        if self.fields.currentText() == _ALL:
            fields += list(self._others(layer, plane))
        twins = self._twins(plane, fields[0][0].shape, len(fields)) if kind == GRAINS else None
        about = layer.metadata.get(layers.KEY, {})
        order = Order(
            kind,
            tuple(one for one, _ in fields),
            tuple(size for _, size in fields),
            self.form.value(),
            twins,
            self.twins.currentText() == _OWN,
            self.thickness.isChecked(),
            self.tortuosity.isChecked(),
            {info.id: info.name for info in about.get("classes", ())},
            self._inside(layer, fields[0][0]),
        )
        return order, layer, plane

    def _others(self, layer: Labels, plane: tuple[int, ...]) -> Iterator[tuple[Pixels, Calibration | None]]:
        """Yield the other planes of the layer, and all planes of other layers of its kind."""
        role = layers.find_role(layer)
        for one in self._viewer.layers:
            if not isinstance(one, Labels) or layers.find_role(one) != role:
                continue
            if one is self.marks.layer and self.marks.isEnabled():
                continue
            pixels = layers.pixels_of(one)
            for index in np.ndindex(pixels.shape[:-2]):
                if one is not layer or index != tuple(plane):
                    yield _taken(pixels[index]), layers.calibration_of(one)

    def _twins(self, plane: tuple[int, ...], shape: tuple[int, ...], fields: int) -> np.ndarray | None:
        if self.twins.currentText() == _FOUND:
            return None
        marks = self.marks.layer
        if marks is None or marks is self.labels.layer:
            raise ValueError("Paint the twins in a labels layer of their own, and choose it under 'Marks'.")
        if fields > 1:
            raise ValueError("Twins are marked in one field; measure that alone, or take twins as they were found.")
        found = np.array(layers.pixels_of(marks)[plane if marks.ndim == len(plane) + 2 else ()]) > 0
        if found.shape != shape:
            raise ValueError(f"The marks have shape {found.shape}, but the labels {shape}; paint on the same image.")
        return found

    def image_of(self, layer: Labels) -> Image | None:
        """Return the image that was segmented, if it is still open."""
        name = layer.metadata.get(layers.KEY, {}).get("source")
        return next((one for one in self._viewer.layers if isinstance(one, Image) and one.name == name), None)

    def _inside(self, layer: Labels, plane: Pixels) -> tuple[slice, slice]:
        """Return where the specimen is, by the layer that shows the databar."""
        image = self.image_of(layer)
        source = None if image is None else without_drawn(self._viewer, image, layers.source_of(image))
        if not isinstance(source, Micrograph) or DRAWN not in source.metadata or source.plane_shape != plane.shape:
            return slice(None), slice(None)
        return overlays_of(plane, source.metadata).field.slices

    def origin(self, layer: Labels) -> Origin:
        """Return where labels come from, as far as their layer knows."""
        about, image = layer.metadata.get(layers.KEY, {}), self.image_of(layer)
        source = None if image is None else without_drawn(self._viewer, image, layers.source_of(image))
        return Origin(source, about.get("model"), about.get("settings", {}), layers.calibration_of(layer))


def _taken(plane: Pixels) -> Pixels:
    """Return a copy of a plane, which may be painted on; of a lazy one, what the worker reads it from."""
    return plane.copy() if isinstance(plane, np.ndarray) else plane
