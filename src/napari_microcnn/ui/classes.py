"""The list of classes: name, colour, and which one is painted."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_microcnn.config import PALETTE, ClassInfo
from napari_microcnn.ui.text import heading

_LARGEST_ID = 254
_ROW = 24


class ClassList(QWidget):
    """Classes with names and colours.

    Attributes
    ----------
    changed : Signal()
        Emitted when a class was added, renamed, recoloured or removed.
    picked : Signal(int)
        Emitted with the id of the class that the user wants to paint.
    """

    changed = Signal()
    picked = Signal(int)

    def __init__(self, classes: Sequence[ClassInfo]) -> None:
        super().__init__()
        self._table = QTableWidget(0, 2)
        self._table.horizontalHeader().hide()
        self._table.verticalHeader().hide()
        self._table.setShowGrid(False)
        self._table.setIconSize(QSize(16, 16))
        self._table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self._table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self._table.setEditTriggers(QAbstractItemView.EditTrigger.DoubleClicked)
        self._table.setToolTip("Click: paint this class.  Double click: rename it, or change its colour.")
        header = self._table.horizontalHeader()
        header.setMinimumSectionSize(_ROW)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Fixed)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        self._table.setColumnWidth(0, 52)
        self._table.verticalHeader().setDefaultSectionSize(_ROW)
        self.add_button = QPushButton("Add")
        self.remove_button = QPushButton("Remove")
        row = QHBoxLayout()
        row.addWidget(heading("Classes"), 1)
        row.addWidget(self.add_button)
        row.addWidget(self.remove_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row)
        layout.addWidget(self._table)
        self.set_classes(classes)
        self.add_button.clicked.connect(self.add)
        self.remove_button.clicked.connect(self.remove)
        self._table.itemChanged.connect(self._edited)
        self._table.cellClicked.connect(lambda row, _: self.picked.emit(self._classes[row].id))
        self._table.cellDoubleClicked.connect(self._double_clicked)

    @property
    def classes(self) -> tuple[ClassInfo, ...]:
        """The classes in the order shown."""
        return tuple(self._classes)

    @property
    def current(self) -> ClassInfo | None:
        """The selected class."""
        row = self._table.currentRow()
        return self._classes[row] if 0 <= row < len(self._classes) else None

    def set_classes(self, classes: Sequence[ClassInfo]) -> None:
        """Show other classes."""
        self._classes = list(classes)
        self._show(0)
        self.changed.emit()

    def add(self) -> None:
        """Add a class with the next free number and colour and pick it."""
        used = {info.id for info in self._classes}
        number = next((n for n in range(1, _LARGEST_ID + 1) if n not in used), None)
        if number is None:
            return
        colour = PALETTE[(number - 1) % len(PALETTE)]
        self._classes.append(ClassInfo(id=number, name=f"class {number}", colour=colour))
        self._show(len(self._classes) - 1)
        self.changed.emit()
        self.picked.emit(number)

    def remove(self) -> None:
        """Remove the selected class; what was painted with it stays in the annotation layers."""
        row = self._table.currentRow()
        if 0 <= row < len(self._classes) and len(self._classes) > 1:
            del self._classes[row]
            self._show(max(0, row - 1))
            self.changed.emit()

    def rename(self, row: int, name: str) -> None:
        """Give a class another name; an empty one is refused."""
        name = name.strip()
        if name:
            self._replace(row, name=name[:80])
        self._show(row)

    def recolour(self, row: int, colour: str) -> None:
        """Give a class another colour, as ``"#rrggbb"``."""
        self._replace(row, colour=colour)
        self._show(row)

    def _replace(self, row: int, **changes: str) -> None:
        before = self._classes[row]
        self._classes[row] = before.model_copy(update=changes)
        if self._classes[row] != before:
            self.changed.emit()

    def _show(self, row: int) -> None:
        self._table.blockSignals(True)
        self._table.setRowCount(len(self._classes))
        for index, info in enumerate(self._classes):
            number = QTableWidgetItem(_swatch(info.colour), str(info.id))
            number.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
            self._table.setItem(index, 0, number)
            self._table.setItem(index, 1, QTableWidgetItem(info.name))
        self._table.setFixedHeight(_ROW * min(max(len(self._classes), 2), 6) + 4)
        self._table.setCurrentCell(row, 1)
        self._table.blockSignals(False)
        self.remove_button.setEnabled(len(self._classes) > 1)

    def _edited(self, item: QTableWidgetItem) -> None:
        if item.column() == 1:
            self.rename(item.row(), item.text())

    def _double_clicked(self, row: int, column: int) -> None:
        if column == 0:
            colour = QColorDialog.getColor(QColor(self._classes[row].colour), self, "Colour of the class")
            if colour.isValid():
                self.recolour(row, colour.name())


def _swatch(colour: str) -> QIcon:
    pixmap = QPixmap(16, 16)
    pixmap.fill(QColor(colour))
    icon = QIcon(pixmap)
    icon.addPixmap(pixmap, QIcon.Mode.Selected)  # or Qt would tint the colour of the selected class
    return icon
