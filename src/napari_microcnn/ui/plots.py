"""Curves of a training: loss and IoU, the best epoch marked."""

from __future__ import annotations

from typing import Any

import pyqtgraph as pg
from qtpy.QtGui import QColor

from napari_microcnn.events import BatchDone, ClassifierEpoch, EpochDone

_LOSS, _HELD_OUT, _IOU, _BEST = "#56b4e9", "#e69f00", "#2ca02c", "#d55e00"
_MOST_POINTS = 2000


class TrainingCurves(pg.GraphicsLayoutWidget):
    """Loss above, IoU or another score below, both over the epochs.

    Parameters
    ----------
    score : str
        Name of the score.
    """

    def __init__(self, score: str = "IoU") -> None:
        super().__init__()
        self._score = score
        self.setFixedHeight(210)
        self.ci.setContentsMargins(0, 0, 0, 0)
        self.ci.setSpacing(2)
        self._loss_plot = self.addPlot(row=0, col=0)
        self._iou_plot = self.addPlot(row=1, col=0)
        for plot, label in ((self._loss_plot, "loss"), (self._iou_plot, score)):
            plot.setLabel("left", label)
            plot.setMenuEnabled(False)
            plot.hideButtons()
            plot.setMouseEnabled(x=False, y=False)
            plot.getAxis("left").setWidth(46)
            plot.showGrid(x=False, y=True, alpha=0.2)
        self._loss_plot.getAxis("bottom").setStyle(showValues=False)
        self._iou_plot.setLabel("bottom", "epoch")
        self._iou_plot.setYRange(0, 1)
        self._iou_plot.setXLink(self._loss_plot)
        legend = self._loss_plot.addLegend(offset=(-4, 2), labelTextSize="8pt", verSpacing=-6)
        legend.setBrush(None)
        self._batches = self._loss_plot.plot([], [], pen=pg.mkPen(_LOSS, width=1), name="training")
        self._held_out = self._loss_plot.plot([], [], pen=pg.mkPen(_HELD_OUT, width=2), name="held out")
        self._iou = self._iou_plot.plot([], [], pen=pg.mkPen(_IOU, width=2))
        self._best = self._iou_plot.plot([], [], pen=None, symbol="star", symbolSize=13, symbolBrush=_BEST)
        self._best_text = pg.TextItem(color=_BEST, anchor=(0.5, 0))
        self._iou_plot.addItem(self._best_text)
        self.reset()

    def reset(self) -> None:
        """Begin a new training."""
        self._points: dict[str, tuple[list[float], list[float]]] = {
            name: ([], []) for name in ("batches", "held out", "iou")
        }
        self._best_point: tuple[float, float] | None = None
        self.draw()
        self._best.setData([], [])
        self._best_text.setText("")

    def add_batch(self, event: BatchDone) -> None:
        """Remember the loss of a batch."""
        self._add("batches", event.epoch - 1 + event.batch / event.batches, event.loss)

    def add_epoch(self, event: EpochDone | ClassifierEpoch) -> None:
        """Remember a finished epoch, and whether it is the best so far; the curves end where nothing is judged."""
        if event.settling:
            return
        self._add("held out", event.epoch, event.validation_loss)
        self._add("iou", event.epoch, event.score)
        if event.best:
            self._best_point = event.epoch, event.score

    def draw(self) -> None:
        """Show what came since the last call."""
        for name, curve in (("batches", self._batches), ("held out", self._held_out), ("iou", self._iou)):
            curve.setData(*self._points[name])
        if self._best_point is not None:
            x, y = self._best_point
            self._best.setData([x], [y])
            self._best_text.setText(f"best {y:.2f}")
            self._best_text.setPos(x, y)
            last = self._points["iou"][0][-1]
            self._best_text.setAnchor((1 if x > last / 2 else 0, 0 if y > 0.5 else 1))  # the side with room

    def curves(self) -> dict[str, dict[str, tuple[list[float], list[float]]]]:
        """Return what is shown, by panel and curve, for a picture in a report."""
        loss = {"training": self._points["batches"], "held out": self._points["held out"]}
        return {"loss": loss, self._score: {"held out": self._points["iou"]}}

    def follow_theme(self, background: Any, text: Any) -> None:
        """Take over the colours of the window."""
        self.setBackground(background)
        pen = pg.mkPen(QColor(text))
        for plot in (self._loss_plot, self._iou_plot):
            for side in ("left", "bottom"):
                plot.getAxis(side).setPen(pen)
                plot.getAxis(side).setTextPen(pen)
        self._loss_plot.legend.setLabelTextColor(QColor(text))

    def _add(self, name: str, x: float, y: float) -> None:
        xs, ys = self._points[name]
        xs.append(x)
        ys.append(y)
        if len(xs) > _MOST_POINTS:  # thin out: a curve of more points than pixels only costs time
            del xs[::2], ys[::2]
