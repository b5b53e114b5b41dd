"""How good a classifier is, to look at: the confusion matrix as a table, the worst mistakes as a gallery."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QBrush, QColor, QIcon, QImage, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QListView,
    QListWidget,
    QListWidgetItem,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_microcnn.ui.classify_tasks import Mistake
from napari_microcnn.ui.text import quiet

_ROW, _MOST_ROWS, _THUMBNAIL = 24, 8, 76
_SHADE = QColor(31, 90, 160)


class ConfusionTable(QWidget):
    """Counts of true classes, in rows, against predicted ones, in columns."""

    def __init__(self) -> None:
        super().__init__()
        self.table = QTableWidget(0, 0)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.table.verticalHeader().setDefaultSectionSize(_ROW)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.table.horizontalHeader().setMinimumSectionSize(30)
        # A name that is too long keeps its beginning; the tooltip has all of it.
        self.table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.table.horizontalHeader().setTextElideMode(Qt.TextElideMode.ElideRight)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(quiet("Rows: true class. Columns: predicted class."))
        layout.addWidget(self.table)
        self.hide()

    def show_counts(self, counts: np.ndarray, names: Sequence[str]) -> None:
        """Show a confusion matrix, (K, K)."""
        self.table.setRowCount(len(names))
        self.table.setColumnCount(len(names))
        self.table.setVerticalHeaderLabels(list(names))
        self.table.setHorizontalHeaderLabels(list(names))
        for column, name in enumerate(names):
            self.table.horizontalHeaderItem(column).setToolTip(name)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        for row, column in np.ndindex(counts.shape):
            item = QTableWidgetItem(str(counts[row, column]))
            item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
            item.setToolTip(f"{names[row]} taken for {names[column]}: {shares[row, column]:.0%} of {names[row]}")
            shade = QColor(_SHADE)
            shade.setAlphaF(float(shares[row, column]))
            item.setBackground(QBrush(shade))
            if shares[row, column] > 0.5:
                item.setForeground(QBrush(QColor("white")))
            self.table.setItem(row, column, item)
        rows = min(len(names), _MOST_ROWS)
        self.table.setFixedHeight(_ROW * (rows + 1) + 6)
        self.show()


class MistakeGallery(QWidget):
    """Thumbnails of images that were predicted wrongly, the worst first.

    Attributes
    ----------
    picked : Signal(object)
        Emitted with the `Mistake` that was clicked.
    """

    picked = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._mistakes: tuple[Mistake, ...] = ()
        self.list = QListWidget()
        self.list.setViewMode(QListView.ViewMode.IconMode)
        self.list.setIconSize(QSize(_THUMBNAIL, _THUMBNAIL))
        self.list.setGridSize(QSize(_THUMBNAIL + 12, _THUMBNAIL + 26))
        self.list.setResizeMode(QListView.ResizeMode.Adjust)
        self.list.setMovement(QListView.Movement.Static)
        self.list.setFixedHeight(_THUMBNAIL + 44)
        self.list.setFlow(QListView.Flow.LeftToRight)
        self.list.setWrapping(False)
        self.list.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.told = quiet()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(quiet("The worst mistakes; click one to open it, go on with the arrow keys."))
        layout.addWidget(self.list)
        layout.addWidget(self.told)
        self.list.currentRowChanged.connect(self._pick)
        self.hide()

    def show_mistakes(self, mistakes: Sequence[Mistake]) -> None:
        """Show other mistakes; nothing where there are none."""
        self.list.blockSignals(True)
        self.list.clear()
        self._mistakes = tuple(mistakes)
        for one in mistakes:
            item = QListWidgetItem(QIcon(_pixmap(one.image)), one.truth)
            item.setToolTip(_sentence(one))
            self.list.addItem(item)
        self.list.setCurrentRow(-1)
        self.list.blockSignals(False)
        self.told.setText("")
        self.setVisible(bool(mistakes))

    def _pick(self, row: int) -> None:
        if 0 <= row < len(self._mistakes):
            self.told.setText(_sentence(self._mistakes[row]))
            self.picked.emit(self._mistakes[row])


def _sentence(one: Mistake) -> str:
    return f"{one.name}: {one.truth}, taken for {one.predicted} with {one.probability:.0%}."


def _pixmap(image: np.ndarray) -> QPixmap:
    step = max(1, min(image.shape[:2]) // _THUMBNAIL)
    small = np.ascontiguousarray(image[::step, ::step])
    height, width = small.shape[:2]
    kind = QImage.Format.Format_Grayscale8 if small.ndim == 2 else QImage.Format.Format_RGB888
    return QPixmap.fromImage(QImage(small.data, width, height, small.strides[0], kind).copy())
