"""What the Convolution lab shows: the kernel as a table, one step as numbers, a network as a diagram."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from qtpy.QtCore import QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QFont, QPainter, QPaintEvent
from qtpy.QtWidgets import QHeaderView, QSizePolicy, QTableWidget, QTableWidgetItem, QWidget

from napari_microcnn.explain.kernels import Step
from napari_microcnn.ui.lab_tasks import Stage
from napari_microcnn.ui.lab_texts import number

_CELL, _ROW, _LINE, _TITLE = 24, 48, 14, 16
_POSITIVE, _NEGATIVE = QColor("#e69f00"), QColor("#56b4e9")
_BLOCKS = {
    "conv": "#56b4e9",
    "transposed": "#0072b2",
    "max": "#d55e00",
    "average": "#d55e00",
    "adaptive": "#d55e00",
    "global": "#d55e00",
    "dense": "#009e73",
    "sum": "#cc79a7",
    "concatenation": "#cc79a7",
}
_OTHER = "#999999"


class KernelTable(QTableWidget):
    """The weights of one channel's kernel, to be typed over.

    Attributes
    ----------
    typed : Signal()
        Emitted when the user has put another number into a cell.
    refused : Signal(str)
        Emitted with a sentence when it is no number; the old one comes back.
    """

    typed = Signal()
    refused = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.horizontalHeader().hide()
        self.verticalHeader().hide()
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultSectionSize(_CELL)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setToolTip("The weights of the kernel: click a number and type another")
        self._shown = np.zeros((0, 0), np.float32)
        self.cellChanged.connect(self._changed)

    @property
    def weights(self) -> np.ndarray:
        """The weights, (k, k) float32."""
        return self._shown.copy()

    @weights.setter
    def weights(self, weights: np.ndarray) -> None:
        self._shown = weights.astype(np.float32)
        self.blockSignals(True)
        self.setRowCount(len(weights))
        self.setColumnCount(len(weights))
        for row, column in np.ndindex(weights.shape):
            item = QTableWidgetItem(number(float(weights[row, column])))
            item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
            self.setItem(row, column, item)
        self.blockSignals(False)
        self.setFixedHeight(len(weights) * _CELL + 2)

    def _changed(self, row: int, column: int) -> None:
        text = self.item(row, column).text().replace(",", ".")
        try:
            value = float(text)
            if not math.isfinite(value):
                raise ValueError(text)
        except ValueError:
            self.weights = self._shown
            self.refused.emit(f"{text!r} is no number; the weights of a kernel are numbers such as -1 or 0.25.")
            return
        self._shown[row, column] = value
        self.weights = self._shown
        self.typed.emit()


class StepView(QWidget):
    """What the kernel covers, and the products, number by number."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._grids: list[tuple[str, np.ndarray]] = []
        self.setFixedHeight(_TITLE)

    def show_step(self, step: Step, channel: int) -> None:
        """Show one step, of the channel that is chosen."""
        self._grids = [("input", step.inside[channel]), ("input x kernel", step.products[channel])]
        self.setFixedHeight(_TITLE + _CELL * step.inside.shape[1] + 2)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002 - Qt's name
        """Draw both grids side by side."""
        painter = QPainter(self)
        gap = 10
        width = (self.width() - gap - 1) / 2  # the last line is a pixel wide
        for index, (title, values) in enumerate(self._grids):
            left = index * (width + gap)
            painter.setPen(self.palette().color(self.foregroundRole()))
            painter.drawText(QRectF(left, 0, width, _TITLE), Qt.AlignmentFlag.AlignCenter, title)
            self._grid(painter, values, QRectF(left, _TITLE, width, _CELL * len(values)))
        painter.end()

    def _grid(self, painter: QPainter, values: np.ndarray, box: QRectF) -> None:
        """Draw numbers on the shade of their size, orange above zero and blue below."""
        across, down = box.width() / len(values), box.height() / len(values)
        largest = float(np.abs(values).max()) or 1.0
        font = QFont(self.font())
        font.setPixelSize(11 if len(values) == 3 else 9)
        painter.setFont(font)
        for row, column in np.ndindex(values.shape):
            cell = QRectF(box.left() + column * across, box.top() + row * down, across, down)
            shade = QColor(_POSITIVE if values[row, column] >= 0 else _NEGATIVE)
            shade.setAlphaF(0.6 * abs(float(values[row, column])) / largest)
            painter.fillRect(cell, shade)
            painter.drawRect(cell)
            painter.drawText(cell, Qt.AlignmentFlag.AlignCenter, number(float(values[row, column])))
        painter.setFont(self.font())


class AnatomyView(QWidget):
    """The stages of a network, one below the other: blocks as wide as their maps and as high as their channels."""

    def __init__(self) -> None:
        super().__init__()
        self._stages: tuple[Stage, ...] = ()

    def show_stages(self, stages: Sequence[Stage]) -> None:
        """Draw other stages."""
        self._stages = tuple(stages)
        self.setFixedHeight(_ROW * len(stages))
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Ask for the height of all stages."""
        return QSize(280, _ROW * len(self._stages))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the stages in sight."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        small = QFont(self.font())
        small.setPixelSize(10)
        first, last = event.rect().top() // _ROW, event.rect().bottom() // _ROW + 1
        for index in range(max(0, first), min(last, len(self._stages))):
            self._stage(painter, self._stages[index], index * _ROW, small)
        painter.end()

    def _stage(self, painter: QPainter, stage: Stage, top: int, small: QFont) -> None:
        wide, high = block_size(stage.shape)
        colour = QColor(_BLOCKS.get(stage.kind.split()[0], _OTHER))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        painter.drawRoundedRect(QRectF(33 - wide / 2, top + (_ROW - high) / 2, wide, high), 2, 2)
        ink = self.palette().color(self.foregroundRole())
        painter.setPen(ink)
        painter.setFont(self.font())
        text = QRectF(72, top + 3, self.width() - 72, _LINE)
        flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        kind = painter.fontMetrics().elidedText(stage.kind, Qt.TextElideMode.ElideRight, int(text.width()))
        painter.drawText(text, flags, kind)
        painter.setFont(small)
        faint = QColor(ink)
        faint.setAlphaF(0.7)
        painter.setPen(faint)
        for index, line in enumerate(described(stage), 1):
            painter.drawText(text.translated(0, index * _LINE), flags, line)


def block_size(shape: Sequence[int]) -> tuple[float, float]:
    """Return width and height in pixels of the block for a map: by the logarithm of its width and its channels."""
    side, channels = (shape[-1], shape[0]) if len(shape) == 3 else (1, shape[0])
    return 6 + 5 * min(math.log2(side), 12), 4 + 2.4 * min(math.log2(channels), 12)


def described(stage: Stage) -> list[str]:
    """Return shape and receptive field of a stage in one line, and its parameters in another."""
    shape = " x ".join(str(length) for length in stage.shape)
    lines = [f"{shape}  ·  sees {'all of the image' if stage.sees is None else f'{stage.sees[0]} px'}"]
    return [*lines, f"{stage.parameters:,} parameters"] if stage.parameters else lines
