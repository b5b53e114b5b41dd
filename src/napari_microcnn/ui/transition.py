"""The phase transition in the Synthesize dock: networks learn the two phases, and a plot shows where they change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_microcnn.config import IsingConfig, TransitionConfig
from napari_microcnn.events import Event, Finished, Job, Notice
from napari_microcnn.ui.forms import SettingsForm
from napari_microcnn.ui.models import ModelFile, read_model_file
from napari_microcnn.ui.text import quiet

if TYPE_CHECKING:
    from napari_microcnn.train.transition import Study

_OUTPUT, _STEP, _EXACT = "#56b4e9", "#e69f00", "#009e73"
_FIELDS = ("repeats", "gap", "networks", "minutes")


@dataclass(frozen=True, eq=False)
class Crossing:
    """What the window shows of a transition.

    Attributes
    ----------
    temperatures, means, spreads : sequence of float
        Mean output at every temperature, and its standard error.
    curves : dict
        Name, and x and y values, of the curves: output, fitted step, exact value, one half.
    place, margin, exact : float
        Crossing with one half, half of its 95 % interval, and Onsager's value.
    sentence : str
    models : tuple of ModelFile
    """

    temperatures: Sequence[float]
    means: Sequence[float]
    spreads: Sequence[float]
    curves: dict[str, tuple[list[float], list[float]]]
    place: float
    margin: float
    exact: float
    sentence: str
    models: tuple[ModelFile, ...]


@dataclass(frozen=True, eq=False)
class CrossingSoFar(Event):
    """What the networks say that are finished; it is in the folder already."""

    crossing: Crossing


def find_crossing(lattice: IsingConfig, config: TransitionConfig, seed: int, folder: Path) -> Job[Crossing]:
    """Do the case study and write it into a folder, networks included; runs in the worker."""
    from napari_microcnn.io.atomic import make_folder
    from napari_microcnn.models import save_classifier
    from napari_microcnn.train.transition import NetworkDone, study_transition

    settings = {"lattice": lattice.model_dump(), "study": config.model_dump(), "seed": seed}
    make_folder(folder)  # at once: better no training than one that cannot be kept
    models: list[ModelFile] = []
    with closing(study_transition(lattice, config, seed)) as job:
        for event in job:
            if isinstance(event, NetworkDone):
                path = folder / f"phases-{len(models) + 1}.safetensors"
                models.append(read_model_file(save_classifier(event.study.classifiers[-1], path), path.stem))
                try:
                    yield CrossingSoFar(_concluded(event.study, seed, settings, folder, models))
                except ValueError as error:  # the next networks may see what this one does not
                    yield Notice(str(error))
            elif isinstance(event, Finished):
                yield Finished(_concluded(event.result, seed, settings, folder, models))
            else:
                yield event


def _concluded(
    study: Study, seed: int, settings: Mapping[str, Any], folder: Path, models: Sequence[ModelFile]
) -> Crossing:
    """Find the crossing and write it."""
    from napari_microcnn.io.transitions import write_transition
    from napari_microcnn.measure.transition import find_transition
    from napari_microcnn.synth import CRITICAL_TEMPERATURE

    found = find_transition(study.temperatures, study.outputs, seed)
    curves, about = found.curves(CRITICAL_TEMPERATURE), found.about(CRITICAL_TEMPERATURE)
    write_transition(folder, outputs=study.table(), means=found.table(), curves=curves, about={**about, **settings})
    return Crossing(
        found.temperatures.tolist(),
        found.means.tolist(),
        found.spreads.tolist(),
        curves,
        found.temperature,
        found.margin,
        CRITICAL_TEMPERATURE,
        found.sentence(CRITICAL_TEMPERATURE),
        tuple(models),
    )


class TransitionPlot(pg.PlotWidget):
    """Output against temperature, with the crossing and its error bar beside Onsager's temperature."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(220)
        self.setMenuEnabled(False)
        self.setMouseEnabled(x=False, y=False)
        self.hideButtons()
        self.setLabel("bottom", "temperature")
        self.setLabel("left", "p(above)")
        self.setYRange(0, 1)
        self.shown: Crossing | None = None
        self.band = pg.LinearRegionItem(movable=False, brush=QColor(230, 159, 0, 70), pen=pg.mkPen(None))
        self.exact = pg.InfiniteLine(angle=90, pen=pg.mkPen(_EXACT, width=2, style=Qt.PenStyle.DashLine))
        self.half = pg.InfiniteLine(angle=0, pos=0.5, pen=pg.mkPen("#767d85", width=1))
        self.points = pg.ErrorBarItem(x=np.zeros(0), y=np.zeros(0), height=np.zeros(0), pen=pg.mkPen(_OUTPUT))
        self.output = self.plot([], [], pen=None, symbol="o", symbolSize=5, symbolBrush=_OUTPUT, symbolPen=None)
        self.step = self.plot([], [], pen=pg.mkPen(_STEP, width=2))
        for item in (self.band, self.exact, self.half, self.points):
            self.addItem(item)

    def show_crossing(self, crossing: Crossing) -> None:
        """Draw a result; the band is the 95 % interval."""
        self.shown = crossing
        at, means = np.array(crossing.temperatures), np.array(crossing.means)
        self.points.setData(x=at, y=means, height=4 * np.array(crossing.spreads), beam=0)
        self.output.setData(at, means)
        fitted = next(curve for name, curve in crossing.curves.items() if name.startswith("step"))
        self.step.setData(*fitted)
        self.band.setRegion((crossing.place - crossing.margin, crossing.place + crossing.margin))
        self.exact.setValue(crossing.exact)

    def follow_theme(self, background: Any, text: Any) -> None:
        """Take over the colours of the window."""
        self.setBackground(background)
        for side in ("left", "bottom"):
            self.getAxis(side).setPen(pg.mkPen(QColor(text)))
            self.getAxis(side).setTextPen(pg.mkPen(QColor(text)))


class TransitionSection(QWidget):
    """Settings, a button and the plot.

    Attributes
    ----------
    wanted : Signal()
        The study should begin.
    """

    wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.form = SettingsForm(TransitionConfig, _FIELDS)
        self.button = QPushButton("Find the transition")
        self.button.setToolTip("Teach networks the two phases, and see where their output crosses one half.")
        self.plot = TransitionPlot()
        self.plot.setVisible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(
            quiet("Networks learn on which side of the critical temperature a lattice is, and judge lattices anew.")
        )
        layout.addWidget(self.form)
        layout.addWidget(self.button)
        layout.addWidget(self.plot)
        self.button.clicked.connect(self.wanted)

    def show_crossing(self, crossing: Crossing) -> None:
        """Show a result."""
        self.plot.setVisible(True)
        self.plot.show_crossing(crossing)
