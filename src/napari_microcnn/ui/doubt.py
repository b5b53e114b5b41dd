"""Doubtful boundaries in the Segment dock: drawn in their own colours, and a slider that decides which are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QVBoxLayout, QWidget
from superqt import QLabeledDoubleSlider

from napari_microcnn.measure.segments import Segments
from napari_microcnn.ui import layers
from napari_microcnn.ui.text import Sentence, quiet

COLOURS = {1: "#ffd92f", 2: "#cc79a7", 3: "#56b4e9", 0: "transparent", None: "transparent"}
"""Sure, doubtful and removed boundaries."""
SURE_FROM = 0.75
"""Boundaries of less confidence are drawn as doubtful ones."""

_PAUSE = 40


@dataclass(frozen=True, eq=False)
class Found:
    """What a segmentation of one plane found, before the slider changed anything."""

    labels: np.ndarray[Any, Any]
    segments: Segments
    source: str


class Doubt(QWidget):
    """Slider over the confidence of boundaries.

    Parameters
    ----------
    viewer : ViewerModel
    say : callable
        Shows a sentence on what the slider did.
    """

    def __init__(self, viewer: ViewerModel, say: Callable[[str], None]) -> None:
        super().__init__()
        self._viewer, self._say = viewer, say
        self._found: Found | None = None
        self.slider = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, 1)
        self.slider.setDecimals(2)
        self.slider.setSingleStep(0.01)
        self.slider.setToolTip("Boundaries of less confidence are removed, and their grains become one.")
        self.counts = Sentence()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(quiet("Keep boundaries from this confidence on (yellow: sure, pink: doubtful, blue: removed)"))
        layout.addWidget(self.slider)
        layout.addWidget(self.counts)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PAUSE)
        self._timer.timeout.connect(self.apply)
        self.slider.valueChanged.connect(lambda _: self._timer.start())
        self.setVisible(False)

    def show_found(self, found: Found | None) -> None:
        """Take over a new segmentation; None where it has no boundaries to doubt."""
        self._found = found
        self._timer.stop()
        self.slider.blockSignals(True)
        self.slider.setValue(0)
        self.slider.blockSignals(False)
        self.setVisible(found is not None)
        if found is not None:
            self._count(found, np.arange(int(found.labels.max(initial=0)) + 1))

    def outlines(self) -> np.ndarray[Any, Any] | None:
        """Return the boundaries as they are drawn now."""
        if self._found is None:
            return None
        return self._found.segments.drawn(self._found.labels.shape, self.slider.value(), SURE_FROM)

    def apply(self) -> None:
        """Merge grains across the boundaries that are not kept, and draw."""
        found = self._found
        if found is None:
            return
        grains = layers.find(self._viewer, "grains", found.source, Labels)
        drawn = layers.find(self._viewer, "outlines", found.source, Labels)
        image = next((one for one in self._viewer.layers if one.name == found.source and isinstance(one, Image)), None)
        if grains is None or grains.data.shape != found.labels.shape:
            self._say(f"The grains of {found.source} are gone; segment it again." if image else "The grains are gone.")
            return
        numbers = found.segments.merged(self.slider.value(), int(found.labels.max(initial=0)))
        grains.data = numbers.astype(found.labels.dtype)[found.labels]
        if drawn is not None:
            drawn.data = self.outlines()
        self._count(found, numbers)

    def _count(self, found: Found, numbers: np.ndarray[Any, Any]) -> None:
        there = np.unique(numbers[1:]).size
        doubtful = int((found.segments.confidence < SURE_FROM).sum())
        self.counts.setText(f"{there} grains · {doubtful} of {len(found.segments.first)} boundary segments in doubt")
