"""Nothing is lost: annotations, classes, settings and the best model are kept, and offered again."""

from __future__ import annotations

import weakref
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels, Layer
from qtpy.QtCore import QEvent, QObject, QTimer, Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_microcnn.io.sessions import DISCARDED, Found, sessions_folder
from napari_microcnn.ui import jobs, layers
from napari_microcnn.ui.keeper import Keeper, Picture, Strokes
from napari_microcnn.ui.restoring import is_untouched, merge, show_state, state_of
from napari_microcnn.ui.text import Sentence

if TYPE_CHECKING:
    from napari_microcnn.ui.annotate import AnnotateDock

INTERVAL = 1000
"""Milliseconds between two looks at what is open."""


class Autosave(QWidget):
    """Keeps what is annotated in a dock, and offers what was kept before.

    Parameters
    ----------
    dock : AnnotateDock

    Attributes
    ----------
    offer : Found or None
        The session that is being offered.
    restore_button, discard_button : QPushButton
        The answers; when strokes contradict each other: keep those in the window, or take those that were found.
    """

    _found = Signal(int, object)
    _troubled = Signal(str)

    def __init__(self, dock: AnnotateDock) -> None:
        super().__init__()
        self._dock = dock
        self._numbers: weakref.WeakKeyDictionary[Layer, tuple[Any, int]] = weakref.WeakKeyDictionary()
        self._count = 0
        self._offers: list[tuple[int, Found]] = []
        self._contradicted = False
        self._sentence = Sentence()
        self._sentence.setStyleSheet("font-weight: bold;")
        self.restore_button = QPushButton()
        self.discard_button = QPushButton()
        self._lay_out()
        self.keeper = Keeper(jobs.start_thread, self._found.emit, self._troubled.emit)
        self._found.connect(self._take_up)
        self._troubled.connect(dock.warn)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.tick)
        self._timer.start(INTERVAL)
        dock.pairs.changed.connect(self.tick)
        dock.installEventFilter(self)
        dock.destroyed.connect(self.keeper.close)

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.addWidget(self.restore_button)
        row.addWidget(self.discard_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 4)
        layout.addWidget(self._sentence)
        layout.addLayout(row)
        self.restore_button.clicked.connect(lambda: self._dock.attempt(self._accept))
        self.discard_button.clicked.connect(lambda: self._dock.attempt(self._decline))
        self.setVisible(False)

    @property
    def offer(self) -> Found | None:
        """The session that is being offered."""
        return self._offers[0][1] if self._offers else None

    @property
    def text(self) -> str:
        """What the offer says."""
        return self._sentence.text()

    # Keeping

    def tick(self) -> None:
        """Tell the keeper what there is now."""
        if self._dock.parent() is None:
            return
        pictures = {layer: self._picture(layer) for layer in self._dock.viewer.layers if _is_picture(layer)}
        paired = [(image, labels) for image, labels in self._dock.pairs.pairs if isinstance(labels, Labels)]
        strokes = tuple(self._strokes(labels, pictures.get(image) or self._picture(image)) for image, labels in paired)
        self.keeper.watch(tuple(pictures.values()), strokes, state_of(self._dock))
        there = {picture.number for picture in pictures.values()}
        if any(number not in there for number, _ in self._offers):
            self._offers = [offer for offer in self._offers if offer[0] in there]
            self._show()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Keep all there is when the dock or the window closes."""
        if watched is self._dock and event.type() == QEvent.Type.ParentChange and self._dock.parent() is None:
            self.keeper.close()
        return False

    def _picture(self, layer: Image) -> Picture:
        pixels = layer.data[0] if layer.multiscale else layer.data
        return Picture(self._number(layer, pixels), layer.name, pixels, _file_of(layer))

    def _strokes(self, layer: Labels, picture: Picture) -> Strokes:
        labels = layer.data[0] if layer.multiscale else layer.data
        saved = layer.source.path is not None or layer.source.sample is not None
        return Strokes(self._number(layer, None), picture, labels, saved, layers.for_validation(layer))

    def _number(self, layer: Layer, content: Any) -> int:
        """Return a number that is another one when the layer shows another image."""
        known = self._numbers.get(layer)
        if known is None or known[0] is not content:
            self._count += 1
            known = self._numbers[layer] = (content, self._count)
        return known[1]

    # Offering

    def _take_up(self, number: int, found: list[Found]) -> None:
        self._offers += [(number, session) for session in found]
        self._show()
        if self.offer is not None and not self._dock.isVisible():
            self._dock.inform(self.text)

    def _show(self, contradictions: int = 0) -> None:
        self._contradicted = contradictions > 0
        self.setVisible(self.offer is not None)
        if self.offer is None:
            return
        if self._contradicted:
            self._sentence.setText(f"{contradictions} of these pixels have another class since the image was opened.")
        else:
            self._sentence.setText(f"Strokes of {_day(self.offer.time)} for {self.offer.name!r} were found.")
        answers = ("Keep mine", "Take the found ones") if self._contradicted else ("Restore", "Discard")
        self.restore_button.setText(answers[0])
        self.discard_button.setText(answers[1])

    def _accept(self) -> None:
        self._restore(mine="keep" if self._contradicted else "ask")

    def _decline(self) -> None:
        if self._contradicted:
            self._restore(mine="replace")
            return
        _, found = self._offers.pop(0)
        self._show()
        self.keeper.discard(found)
        self._dock.say(f"Discarded; for a while the strokes can be got back from {sessions_folder() / DISCARDED}.")

    def _restore(self, mine: str) -> None:
        number, found = self._offers[0]
        image = next((layer for layer in self._numbers if self._numbers[layer][1] == number), None)
        if image is None or layers.shape_of(image) != found.shape:
            raise ValueError("The image of these strokes is not open any more; open it again.")
        labels = self._annotation_of(image, found.shape)
        self.tick()
        strokes = self._strokes(labels, self._picture(image))
        original = self.keeper.original(strokes)
        alone = len(self._dock.pairs.pairs) == 1 and is_untouched(labels, original)
        contradictions, apply = merge(labels, found, original, mine)
        if contradictions and mine == "ask":
            self._show(contradictions)
            return
        apply()
        told = show_state(self._dock, found.state, alone)
        if found.state.get("validation") is True:
            self._dock.pairs.set_validation([pair[1] for pair in self._dock.pairs.pairs].index(labels), True)
        self._offers.pop(0)
        self._show()
        self.tick()
        self.keeper.supersede(strokes, found)
        self._dock.say(" ".join([f"The strokes of {_day(found.time)} are back.", *told]))

    def _annotation_of(self, image: Image, shape: tuple[int, ...]) -> Labels:
        pairs = self._dock.pairs
        for paired, labels in pairs.pairs:
            if paired is image and labels.data.shape == shape:
                return labels
        pairs.image.layer = image
        pairs.new_annotation()
        return pairs.pairs[-1][1]


def _is_picture(layer: Layer) -> bool:
    """Whether an image may have been annotated before; those that docks make come and go."""
    return isinstance(layer, Image) and not layer.metadata.get(layers.KEY, {}).get("role")


def _file_of(layer: Image) -> Path | None:
    path = layer.source.path
    return Path(path) if path and Path(path).exists() else None


def _day(time: datetime) -> str:
    year = "" if time.year == datetime.now().year else f" {time.year}"
    return f"{time.day} {time:%b}{year}, {time:%H:%M}"
