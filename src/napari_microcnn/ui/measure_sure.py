"""How sure numbers are: a part of the Measure dock."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSpinBox, QVBoxLayout, QWidget

from napari_microcnn.config import SegmentConfig
from napari_microcnn.events import Event, Progress
from napari_microcnn.ui.measure_record import Origin
from napari_microcnn.ui.measure_table import ObjectTable, readable
from napari_microcnn.ui.measure_tasks import Columns, look_again
from napari_microcnn.ui.text import quiet

if TYPE_CHECKING:
    from napari_microcnn.ui.base import Dock

_HINT = (
    "Finds all numbers again with outlines a pixel farther in and out, with thresholds 0.1 lower and higher, and from "
    "other sides of the image: the spread says what a number owes to chance."
)
_NAME, _NUMBER, _TWO_LINES = 108, 54, 36


class SureSection(QWidget):
    """Asks the model again, and shows how far apart its numbers are.

    Parameters
    ----------
    dock : Dock
        Runs the job.
    chosen : callable
        Returns where the chosen labels come from; raises ValueError where none are chosen.
    """

    def __init__(self, dock: Dock, chosen: Callable[[], Origin]) -> None:
        super().__init__()
        self._dock, self._chosen = dock, chosen
        self.draws = QSpinBox()
        self.draws.setRange(2, 100)
        self.draws.setValue(8)
        self.button = QPushButton("Look again")
        self.table = ObjectTable()
        self.table.setVisible(False)
        self.table.horizontalHeader().setDefaultSectionSize(_NUMBER)
        self.table.verticalHeader().setDefaultSectionSize(_TWO_LINES)
        row = QHBoxLayout()
        row.addWidget(QLabel("Looks"))
        row.addWidget(self.draws)
        row.addWidget(self.button, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(quiet(_HINT))
        layout.addLayout(row)
        layout.addWidget(self.table)
        self.button.clicked.connect(partial(dock.attempt, self.run))

    def run(self) -> None:
        """Start.

        Raises
        ------
        ValueError
            If the dock is busy, or the labels do not come from Segment with its image still open.
        """
        if self._dock.job is not None:
            raise ValueError("Something is running already; wait for it, or stop it first.")
        origin = self._chosen()
        if origin.source is None or origin.model is None:
            raise ValueError("Only what Segment found can be looked at again: choose its layer, with the image open.")
        self._dock.start(
            partial(look_again, origin.source, origin.model, SegmentConfig(**origin.settings), self.draws.value()),
            "Looking again",
            on_finished=self._show,
            on_event=self._follow,
            on_stopped=lambda: None,
        )

    def _follow(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._dock.advance(event.done, event.total)
            self._dock.say(f"{event.message} …")

    def _show(self, found: Columns) -> None:
        names = np.array([readable(name) for name in found["quantity"]], object)
        first = {"quantity": names, **{name: found[name] for name in ("value", "mean", "spread")}}
        self.table.objects.set_columns({**first, **{name: found[name] for name in found if name not in first}})
        self.table.setVisible(True)
        self.table.setColumnWidth(0, _NAME)
        self._dock.inform(f"Looked {self.draws.value()} times; the spread of every number is in the table.")
