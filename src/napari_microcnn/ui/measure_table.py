"""A table of many objects that is sorted and filtered at once, and the histogram beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QTableView

from napari_microcnn.io.page_parts import spoken

Array = np.ndarray[Any, Any]
_BARS = "#56b4e9"
_HEADER, _COLUMN = 40, 118


def readable(name: str) -> str:
    """Return the name of a column as people write it: ``area_um2`` is "area, µm²"."""
    return ", ".join(part for part in spoken(name) if part)


class ObjectModel(QAbstractTableModel):
    """Columns of numbers, in an order that sorting and filtering make; nothing is copied per cell."""

    def __init__(self) -> None:
        super().__init__()
        self.columns: dict[str, Array] = {}
        self.names: list[str] = []
        self.order = np.empty(0, np.intp)
        self._kept = np.empty(0, bool)
        self._sorted: tuple[int, bool] = (0, False)

    def set_columns(self, columns: dict[str, Array]) -> None:
        """Show other columns, all rows in the order they come in."""
        self.beginResetModel()
        self.columns, self.names = columns, list(columns)
        rows = len(next(iter(columns.values()))) if columns else 0
        self._kept, self.order, self._sorted = np.ones(rows, bool), np.arange(rows), (0, False)
        self.endResetModel()

    def keep(self, kept: Array) -> None:
        """Show only some rows, a mask over all."""
        self._kept = kept
        self._arrange()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column."""
        self._sorted = (max(column, 0), order == Qt.SortOrder.DescendingOrder)
        self._arrange()

    def _arrange(self) -> None:
        if not self.names:
            return
        column, falling = self._sorted
        self.beginResetModel()
        rows = np.flatnonzero(self._kept)
        order = rows[np.argsort(self.columns[self.names[column]][rows], kind="stable")]
        self.order = order[::-1] if falling else order
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802, ARG002 - Qt's name and argument
        """Return the number of rows that are shown."""
        return len(self.order)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802, ARG002 - Qt's name and argument
        """Return the number of columns."""
        return len(self.names)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> str | None:
        """Return the text of a cell."""
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        value = self.columns[self.names[index.column()]][self.order[index.row()]]
        return f"{value:.5g}" if isinstance(value, np.floating) else str(value)

    def headerData(  # noqa: N802 - Qt's name
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> str | None:
        """Return the name of a column."""
        if role != Qt.ItemDataRole.DisplayRole or orientation != Qt.Orientation.Horizontal:
            return None
        return readable(self.names[section])


class ObjectTable(QTableView):
    """The table itself.

    Attributes
    ----------
    chosen : Signal(int)
        Emitted with the number of the row, among all, that the user chose.
    """

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.objects = ObjectModel()
        self.setModel(self.objects)
        self.setMinimumSize(100, 170)
        self.setSortingEnabled(True)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setDefaultSectionSize(20)
        header = self.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap)  # long names in two lines
        header.setFixedHeight(_HEADER)
        header.setDefaultSectionSize(_COLUMN)
        self.selectionModel().currentRowChanged.connect(self._current)

    def show_row(self, row: int) -> bool:
        """Select a row, counted among all, and bring it into sight; returns whether it is shown at all."""
        places = np.flatnonzero(self.objects.order == row)
        if not len(places):
            return False
        self.selectionModel().blockSignals(True)
        self.selectRow(int(places[0]))
        self.selectionModel().blockSignals(False)
        self.scrollTo(self.objects.index(int(places[0]), 0))
        self.viewport().update()
        return True

    def _current(self, index: QModelIndex) -> None:
        if index.isValid():
            self.chosen.emit(int(self.objects.order[index.row()]))


class Histogram(pg.PlotWidget):
    """How often a property has which value."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(130)
        self.setMenuEnabled(False)
        self.setMouseEnabled(x=False, y=False)
        self.hideButtons()
        self.getAxis("left").setWidth(40)
        self.setLabel("left", "objects")
        self.bars = pg.BarGraphItem(x=[], height=[], width=1, brush=_BARS, pen=None)
        self.addItem(self.bars)

    def show_values(self, name: str, values: Array) -> None:
        """Show the distribution of some values."""
        values = values[np.isfinite(values)].astype(float)
        number, ends = np.histogram(values, bins="sqrt" if len(values) < 4000 else 60) if len(values) else ([], [0, 1])
        ends = np.asarray(ends, float)
        self.bars.setOpts(x=(ends[1:] + ends[:-1])[: len(number)] / 2, height=number, width=float(ends[1] - ends[0]))
        self.setLabel("bottom", readable(name))
        self.autoRange()

    def follow_theme(self, background: Any, text: Any) -> None:
        """Take over the colours of the window."""
        self.setBackground(background)
        pen = pg.mkPen(QColor(text))
        for side in ("left", "bottom"):
            self.getAxis(side).setPen(pen)
            self.getAxis(side).setTextPen(pen)
