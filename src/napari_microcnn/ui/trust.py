"""Trust tab of the Explain dock: random weights, and shifts of the image."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtGui import QColor

from napari_microcnn.ui import explain_tasks as tasks
from napari_microcnn.ui.explain_tabs import Tab
from napari_microcnn.ui.forms import Folded
from napari_microcnn.ui.text import Sentence, quiet

if TYPE_CHECKING:
    from napari_microcnn.ui.explain import ExplainDock

_COLOURS = {"max": "#56b4e9", "average": "#e69f00", "none": "#999999"}


class ShiftCurves(pg.GraphicsLayoutWidget):
    """Probability of the class above, agreement of the maps below, both over the shift in pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(220)
        self.ci.setContentsMargins(0, 0, 0, 0)
        self.ci.setSpacing(2)
        self.probability = self.addPlot(row=0, col=0)
        self.maps = self.addPlot(row=1, col=0)
        for plot, label in ((self.probability, "probability"), (self.maps, "maps agree")):
            plot.setLabel("left", label)
            plot.setMenuEnabled(False)
            plot.hideButtons()
            plot.setMouseEnabled(x=False, y=False)
            plot.setYRange(0, 1)
            plot.getAxis("left").setWidth(46)
            plot.showGrid(x=False, y=True, alpha=0.2)
        self.probability.getAxis("bottom").setStyle(showValues=False)
        self.maps.setLabel("bottom", "shift in pixels")
        self.maps.setXLink(self.probability)
        self.legend = self.probability.addLegend(offset=(-4, -2), labelTextSize="8pt", verSpacing=-6)
        self.legend.setBrush(None)

    def show_shifts(self, shifts: tuple[dict[str, Any], ...]) -> None:
        """Draw the answers of all kinds of pooling; those the network was not trained with are dashed."""
        for plot in (self.probability, self.maps):
            plot.clear()
        for one in shifts:
            style = pg.QtCore.Qt.PenStyle.SolidLine if one["trained with it"] else pg.QtCore.Qt.PenStyle.DashLine
            pen = pg.mkPen(_COLOURS[one["pooling"]], width=2, style=style)
            name = f"{one['pooling']} pooling" if one["pooling"] != "none" else "no pooling"
            self.probability.plot([0, *one["shifts"]], one["probability"], pen=pen, name=name)
            self.maps.plot(one["shifts"], one["equivariance"], pen=pen, connect="finite")
        low = bool(shifts) and np.mean([one["probability"] for one in shifts]) < 0.5
        self.legend.setOffset((-4, 2 if low else -2))  # away from the curves

    def follow_theme(self, background: Any, text: Any) -> None:
        """Take over the colours of the window."""
        self.setBackground(background)
        pen = pg.mkPen(QColor(text))
        for plot in (self.probability, self.maps):
            for side in ("left", "bottom"):
                plot.getAxis(side).setPen(pen)
                plot.getAxis(side).setTextPen(pen)
        self.legend.setLabelTextColor(QColor(text))


class TrustTab(Tab):
    """Whether the heat tells of what was learnt, and how the network answers to shifts."""

    name, verb = "Trust", "Check"

    def __init__(self, dock: ExplainDock) -> None:
        super().__init__(dock)
        self.hint = quiet(
            "Random weights must change the map. A shift of the image should shift the maps and leave the probability."
        )
        self.verdict = Sentence()
        self.told = quiet()
        self.curves = ShiftCurves()
        self.curves.hide()
        self.layers = quiet()
        self.by_layer = Folded("Random weights, layer by layer", self.layers)
        self.by_layer.hide()
        for widget in (self.hint, self.verdict, self.curves, self.told, self.by_layer):
            self.inside.addWidget(widget)

    def run(self) -> None:
        """Check the explanation that is set, and the network."""
        job = partial(tasks.trust, self.dock.question())
        self.begin(job, "Trust checks", self._show)

    def _show(self, found: tasks.Trusted) -> None:
        self.verdict.setText(found.verdict)
        self.curves.show_shifts(found.shifts)
        self.curves.show()
        self.layers.setText("\n".join(f"from {name} on: {value:.2f}" for name, value in found.correlations))
        self.by_layer.show()
        own = next(one for one in found.shifts if one["trained with it"])
        change = max(abs(value - own["probability"][0]) for value in own["probability"])
        agreement = float(np.nanmean(own["equivariance"]))
        more = " Dashed: the same weights with another pooling." if len(found.shifts) > 1 else ""
        self.told.setText(
            f"Shifts by 1 to 32 px change the probability by up to {change:.2g}; the maps of {found.layer} follow with "
            f"a correlation of {agreement:.2f} on average.{more}"
        )
        self.dock.say("Done.")
