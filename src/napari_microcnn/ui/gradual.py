"""Changes of large layers in the window's own thread, a few milliseconds at a time, as one step for Undo."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QObject, QTimer

BAND = 1 << 17
"""Pixels looked at between two looks at the clock."""
BUDGET = 0.015
_PAUSE = 5

Change = Callable[[slice], tuple[np.ndarray, Any]]
"""For some rows of a plane: which pixels change, (rows, X) bool, and to what, one value or one for each of them."""


class Gradually(QObject):
    """Goes through one iterator at a time, a little whenever the window has nothing else to do."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._steps: Iterator[None] | None = None
        self._done: Callable[[], None] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._go_on)

    @property
    def busy(self) -> bool:
        """Whether something is under way."""
        return self._steps is not None

    def start(self, steps: Iterator[None], done: Callable[[], None]) -> None:
        """Begin with something; what is under way is taken to its end before."""
        self.finish()
        self._steps, self._done = steps, done
        self._go_on()

    def drop(self) -> None:
        """Forget what is under way: it is out of date."""
        self._timer.stop()
        self._steps = self._done = None

    def finish(self) -> None:
        """Do the rest at once."""
        while self._steps is not None:
            self._go_on()

    def _go_on(self) -> None:
        self._timer.stop()
        started = time.monotonic()
        steps = self._steps
        if steps is None:
            return
        self._steps = None  # and so it stays if a step fails
        try:
            while time.monotonic() - started < BUDGET:
                next(steps)
        except StopIteration:
            done, self._done = self._done, None
            if done is not None:
                done()
            return
        self._steps = steps
        self._timer.start(_PAUSE)


def bands(shape: tuple[int, ...]) -> Iterator[slice]:
    """Yield the rows of a plane, `BAND` pixels at a time."""
    height, width = shape[-2:]
    rows = max(1, BAND // max(1, width))
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))


def edit(layer: Labels, plane: tuple[int, ...], change: Change) -> Iterator[None]:
    """Change pixels of one plane of a labels layer band by band; for napari's Undo it is a single step.

    Parameters
    ----------
    layer : Labels
    plane : tuple of int
        Stack index; empty for a single image.
    change : callable
    """
    held: tuple[tuple[np.ndarray, ...], Any] | None = None
    with layer.block_history():
        for rows in bands(layer.data.shape):
            mask, values = change(rows)
            found = np.nonzero(mask)
            if len(found[0]):
                if held is not None:
                    layer.data_setitem(*held, refresh=False)
                stack = (np.full(len(found[0]), index) for index in plane)
                held = (*stack, found[0] + rows.start, found[1]), values
            yield
        if held is not None:
            layer.data_setitem(*held)  # draws all that has changed
