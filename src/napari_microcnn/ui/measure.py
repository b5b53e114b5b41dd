"""The Measure dock: grain size and objects as numbers, a table and a histogram, tied to what is on the screen."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels
from napari.utils.theme import get_theme
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QFileDialog, QFormLayout, QHBoxLayout, QPushButton, QWidget

from napari_microcnn.ui.base import Dock
from napari_microcnn.ui.forms import Folded
from napari_microcnn.ui.measure_layers import MANY, put_colours, put_intersections, put_lines
from napari_microcnn.ui.measure_options import MeasureOptions
from napari_microcnn.ui.measure_record import Origin, write_measurement
from napari_microcnn.ui.measure_sure import SureSection
from napari_microcnn.ui.measure_table import Histogram, ObjectTable, readable
from napari_microcnn.ui.measure_tasks import PHASES, Measurement, Order, measure
from napari_microcnn.ui.text import Sentence, quiet

_STILL = 3
_SMALLEST = 40
"""Pixels of the screen that an object has at least when it was flown to."""
_DIAMETER = "equivalent_circular_diameter"


class MeasureDock(Dock):
    """Measures a labels layer and shows every object as a row, a bar and a place."""

    title = "Measure"
    needs_torch = False

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer, "Measure")
        self.options = MeasureOptions(self.viewer)
        self.result, self.objections = Sentence(), quiet()
        self.numbers = Sentence()
        self.more = Folded("All numbers", self.numbers)
        self.sure = SureSection(self, self._origin)
        self.property = QComboBox()
        self.property.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.property.setMinimumContentsLength(12)
        self.histogram, self.table = Histogram(), ObjectTable()
        self.low, self.high = QDoubleSpinBox(), QDoubleSpinBox()
        self.colour_button, self.export_button = QPushButton("Colour by it"), QPushButton("Save …")
        self.measured: Measurement | None = None
        self._order: Order | None = None
        self._layer: Labels | None = None
        self._plane: tuple[int, ...] = ()
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        for widget in (self.options, self.result, self.objections, self.more):
            self.body.addWidget(widget)
        self.shown = QWidget()
        below = QFormLayout(self.shown)
        below.setContentsMargins(0, 0, 0, 0)
        below.addRow("Property", self.property)
        self.one_by_one = QWidget()
        single = QFormLayout(self.one_by_one)
        single.setContentsMargins(0, 0, 0, 0)
        single.addRow(self.histogram)
        between = QHBoxLayout()
        for spin in (self.low, self.high):
            spin.setRange(-1e12, 1e12)
            spin.setDecimals(3)
            spin.setMinimumWidth(60)
            spin.setToolTip("Rows outside of this range are left out of table and histogram")
            between.addWidget(spin)
        single.addRow("From, to", between)
        below.addRow(self.one_by_one)
        below.addRow(self.table)
        buttons = QHBoxLayout()
        buttons.addWidget(self.colour_button)
        buttons.addWidget(self.export_button)
        below.addRow(buttons)
        self.body.addWidget(self.shown)
        self.body.addWidget(Folded("How sure?", self.sure))
        self.body.addStretch(1)
        self.shown.setVisible(False)
        self.more.setVisible(False)

    def _connect(self) -> None:
        self.property.currentTextChanged.connect(lambda _: self._property_changed())
        for spin in (self.low, self.high):
            spin.valueChanged.connect(lambda _: self._filter())
        self.table.chosen.connect(self.fly_to)
        self.colour_button.clicked.connect(partial(self.attempt, self.colour))
        self.export_button.clicked.connect(self._ask_where)
        self.viewer.mouse_drag_callbacks.append(self._clicked)
        self.viewer.events.theme.connect(self._follow_theme)
        self._follow_theme()

    def _follow_theme(self, event: object = None) -> None:  # noqa: ARG002 - napari hands over its event
        theme = get_theme(self.viewer.theme)
        self.histogram.follow_theme(theme.background.as_hex(), theme.text.as_hex())

    def prepare(self) -> None:
        """Measure the plane that is shown."""
        order, self._layer, self._plane = self.options.order()
        self.start(
            partial(measure, order),
            f"Measuring {self._layer.name}",
            on_finished=partial(self._show, order),
            on_event=lambda event: self.say(f"{getattr(event, 'message', '')} …"),
            on_stopped=lambda: None,
        )

    # The result

    def _show(self, order: Order, found: Measurement) -> list[Any]:
        self.measured, self._order = found, order
        lines = _lines(found)
        self.result.setText("\n".join(lines[name] for name in found.main if name in lines))
        self.numbers.setText("\n".join(lines.values()))
        self.more.setVisible(True)
        self.objections.setText("\n".join(found.warnings))
        self.table.objects.set_columns(found.table)
        names = [name for name, column in found.table.items() if name != "label" and column.dtype.kind in "fiu"]
        self.property.blockSignals(True)
        self.property.clear()
        for name in names:
            self.property.addItem(readable(name), name)
        self.property.setCurrentIndex(next((i for i, name in enumerate(names) if name.startswith(_DIAMETER)), 0))
        self.property.blockSignals(False)
        self._property_changed()
        self.one_by_one.setVisible(found.kind != PHASES)  # some classes make no distribution
        self.shown.setVisible(True)
        return [self._give_features, self._draw_lines, self._draw_points, self._done]

    def _done(self) -> None:
        if self.measured is not None:
            hidden = " Its many intersections are a hidden layer." if len(self.measured.points) > MANY else ""
            objects = len(self.measured.table["label"])
            phases = self.measured.kind == PHASES
            what, how = ("classes", "to paint with its class") if phases else ("objects", "to see the object")
            fields = self.measured.settings["fields"]
            pooled = f", and the numbers of {fields} fields together" if fields > 1 else ""
            self.inform(f"Measured {objects} {what}{pooled}. Click a row {how}.{hidden}")

    def _give_features(self) -> None:
        if self._there() and self.measured is not None and self._layer.ndim == 2:
            table = self.measured.table
            self._layer.features = {"index": table["label"], **{k: v for k, v in table.items() if k != "label"}}

    def _draw_lines(self) -> None:
        if self._there() and self.measured is not None and self.measured.lines:
            put_lines(self.viewer, self._layer, self.measured)

    def _draw_points(self) -> None:
        if self._there() and self.measured is not None and self.measured.lines:
            put_intersections(self.viewer, self._layer, self.measured)

    def _there(self) -> bool:
        return self._layer is not None and self._layer in self.viewer.layers

    # Rows, bars and objects

    def _property_changed(self) -> None:
        if self.measured is None:
            return
        values = self.measured.table[self.property.currentData()].astype(float)
        finite = values[np.isfinite(values)]
        for spin, end in ((self.low, finite.min(initial=np.inf)), (self.high, finite.max(initial=-np.inf))):
            spin.blockSignals(True)
            # A little more than the ends, so that rounding leaves nothing out.
            spin.setValue(float(end) + (0.001 if spin is self.high else -0.001) if len(finite) else 0)
            spin.blockSignals(False)
        self._filter()

    def _filter(self) -> None:
        if self.measured is None:
            return
        name = self.property.currentData()
        values = self.measured.table[name].astype(float)
        kept = ~((values < self.low.value()) | (values > self.high.value()))
        self.table.objects.keep(kept)
        self.histogram.show_values(name, values[kept])
        self.say(f"{int(kept.sum())} of {len(kept)} objects are shown.")

    def fly_to(self, row: int) -> None:
        """Bring an object, by its row among all, into the middle of the view, large enough, and select its label."""
        if self.measured is None or not self._there():
            return
        table = self.measured.table
        self._layer.selected_label = int(table["label"][row])
        if "bbox_top" not in table:  # a class lies everywhere
            return
        box = [int(table[f"bbox_{side}"][row]) for side in ("top", "left", "bottom", "right")]
        middle = np.array([(box[0] + box[2] - 1) / 2, (box[1] + box[3] - 1) / 2])
        camera = self.viewer.scene.camera
        camera.center = tuple(self._layer.data_to_world((*self._plane, *middle))[-2:])
        longest = max(np.multiply(self._layer.scale[-2:], (box[2] - box[0], box[3] - box[1])))
        camera.zoom = max(camera.zoom, _SMALLEST / longest)
        self.say(f"Object {table['label'][row]}, row {row + 1} of the measurement.")

    def _clicked(self, viewer: Any, event: Any) -> Iterator[None]:  # noqa: ARG002 - napari hands over the viewer
        """Find the row of the object that was clicked."""
        start = np.asarray(event.pos, float)
        yield
        while event.type == "mouse_move":
            yield
        if np.abs(np.asarray(event.pos, float) - start).max() <= _STILL and self._there():
            self.find_row(self._layer.world_to_data(event.position)[-2:])

    def find_row(self, position: Any) -> None:
        """Select the row of the object at a position of the plane, (y, x) in pixels."""
        if self.measured is None:
            return
        y, x = (round(float(value)) for value in position)
        numbers = self.measured.labels
        if not (0 <= y < numbers.shape[0] and 0 <= x < numbers.shape[1]) or numbers[y, x] == 0:
            return
        row = int(np.searchsorted(self.measured.table["label"], numbers[y, x]))
        if not self.table.show_row(row):
            self.say(f"Object {numbers[y, x]} is outside of the range that is shown.")

    def colour(self) -> None:
        """Show the property as colours, in a layer of its own."""
        if self.measured is None or not self._there():
            raise ValueError("Measure something first.")
        put_colours(self.viewer, self._layer, self.measured, self.property.currentData())

    def _ask_where(self) -> None:
        kinds = "Tables (*.csv);;Pages (*.html);;PDF pages (*.pdf)"
        path, chosen = QFileDialog.getSaveFileName(self, "Save table or page", "objects.csv", kinds)
        if path:
            ending = chosen[chosen.find("*") + 1 : -1] or ".csv"
            self.attempt(partial(self.save, Path(path) if Path(path).suffix else Path(path + ending)))

    def save(self, path: Path) -> None:
        """Write the rows that are shown, in their order, and the numbers beside them; or a page, by the ending."""
        if self.measured is None or self._layer is None or self._order is None:
            raise ValueError("Measure something first.")
        order = self.table.objects.order
        columns = {name: column[order] for name, column in self.measured.table.items()}
        self.start(
            partial(write_measurement, path, columns, self.measured, self._order, self.options.origin(self._layer)),
            f"Saving {path.name}",
            on_finished=lambda written: self.inform(f"Wrote {len(order)} rows to {written}."),
            on_event=lambda _: None,
            on_stopped=lambda: None,
        )

    def _origin(self) -> Origin:
        layer = self.options.labels.layer
        if layer is None:
            raise ValueError("There is nothing to ask about: run Segment first.")
        return self.options.origin(layer)

    def abandon(self) -> None:
        """Let go of the viewer, too."""
        if self._clicked in self.viewer.mouse_drag_callbacks:
            self.viewer.mouse_drag_callbacks.remove(self._clicked)
        super().abandon()


def _lines(found: Measurement) -> dict[str, str]:
    """Return a line for every number, with its interval in brackets."""
    lines = {}
    for key, value in found.summary.items():
        if key.endswith(("_low", "_high")) or np.isnan(value):
            continue
        low, high = found.summary.get(f"{key}_low", np.nan), found.summary.get(f"{key}_high", np.nan)
        interval = f" ({low:.4g} to {high:.4g})" if np.isfinite(high - low) else ""
        shown = "infinite" if np.isinf(value) else f"{value:.4g}"
        lines[key] = f"{readable(key)}: {shown}{interval}"
    return lines
