"""Which objects by size and place: a part of the Correct dock."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QFormLayout, QWidget

from napari_microcnn.measure.editing import Objects, select_objects
from napari_microcnn.micrograph import Calibration

_WHERE = {"anywhere": "anywhere", "inside": "not cut by the border", "border": "cut by the border"}


class ObjectFilter(QWidget):
    """Smallest and largest diameter, and whether the border cuts an object.

    Attributes
    ----------
    changed : Signal()
        Emitted when the user set something else.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.smallest, self.largest = QDoubleSpinBox(), QDoubleSpinBox()
        self.where = QComboBox()
        for where, text in _WHERE.items():
            self.where.addItem(text, where)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        for spin, name in ((self.smallest, "Diameter from"), (self.largest, "to")):
            spin.setRange(0, 1e9)
            spin.setDecimals(2)
            spin.setSpecialValueText("any")
            spin.setToolTip("Diameter of the circle of the same area")
            spin.valueChanged.connect(lambda _: self.changed.emit())
            form.addRow(name, spin)
        form.addRow("Lying", self.where)
        self.where.currentIndexChanged.connect(lambda _: self.changed.emit())

    def set_unit(self, unit: str) -> None:
        """Say what diameters are in."""
        for spin in (self.smallest, self.largest):
            spin.setSuffix(f" {unit}")

    def clear(self) -> None:
        """Set nothing; `changed` is not emitted."""
        self.blockSignals(True)
        self.smallest.setValue(0)
        self.largest.setValue(0)
        self.where.setCurrentIndex(0)
        self.blockSignals(False)

    def selected(self, objects: Objects, calibration: Calibration | None) -> np.ndarray:
        """Return the numbers of the objects that fit; none while nothing is set.

        Raises
        ------
        ValueError
            If the smallest diameter is larger than the largest.
        """
        smallest, largest = self.smallest.value() or None, self.largest.value() or None
        where = self.where.currentData()
        if smallest is None and largest is None and where == "anywhere":
            return objects.ids[:0]
        return select_objects(objects, calibration, smallest=smallest, largest=largest, where=where)
