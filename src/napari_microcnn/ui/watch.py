"""The plane of labels that is being corrected: its objects are counted again whenever it changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtCore import QObject, QTimer, Signal

from napari_microcnn.measure.editing import Objects
from napari_microcnn.ui import layers
from napari_microcnn.ui.correct_tasks import Counted, Kind, count
from napari_microcnn.ui.gradual import Gradually, bands
from napari_microcnn.ui.jobs import LatestWins
from napari_microcnn.ui.serve import Failure

_SETTLED = 300
"""Milliseconds without a change until the objects are counted again."""


class Watched(QObject):
    """Objects of the shown plane of a labels layer, and what the layer held when it was first seen.

    Parameters
    ----------
    parent : QObject
    viewer : ViewerModel
    fail : callable
        Told when the objects cannot be counted.

    Attributes
    ----------
    changed : Signal()
        Emitted when the objects are known, and when they are not known any more.
    layer : Labels or None
    plane : tuple of int
        Stack index.
    objects : Objects or None
        None until they are counted.
    counting : LatestWins
        The job that counts.
    """

    changed = Signal()

    def __init__(self, parent: QObject, viewer: ViewerModel, fail: Callable[[Failure], None]) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.layer: Labels | None = None
        self.kind: Kind = "particles"
        self.plane: tuple[int, ...] = ()
        self.objects: Objects | None = None
        self._regions: np.ndarray | None = None
        self._counted: tuple[Any, ...] = ()
        self._edited = False
        self._originals: WeakKeyDictionary[Labels, np.ndarray] = WeakKeyDictionary()
        self.counting = LatestWins(self._take, fail, "Counting objects")
        self._copying = Gradually(self)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._count)
        viewer.dims.events.current_step.connect(self._moved)

    def watch(self, layer: Labels | None, kind: Kind) -> None:
        """Look at another layer, or look at it in another way."""
        if layer is not self.layer:
            self._disconnect()
            self._copying.finish()
            self.layer, self._edited = layer, False
            if layer is not None:
                layer.events.data.connect(self._replaced)
                layer.events.paint.connect(self._painted)
                layer.events.set_data.connect(self._redrawn)
                if layer not in self._originals:
                    self._remember()
        self.kind = kind
        self._forget()
        self._count()

    def close(self) -> None:
        """Look at nothing any more."""
        self._disconnect()
        self._timer.stop()
        self._copying.drop()
        self._viewer.dims.events.current_step.disconnect(self._moved)
        self.layer = None

    @property
    def numbers(self) -> np.ndarray:
        """Objects of the plane, (Y, X): the labels, or the numbered regions of a class map."""
        return self.layer.data[self.plane] if self._regions is None else self._regions

    @property
    def original(self) -> np.ndarray | None:
        """The plane, (Y, X), as it was before the user changed it."""
        self._copying.finish()
        known = self._originals.get(self.layer)
        return None if known is None else known[self.plane]

    def _disconnect(self) -> None:
        if self.layer is not None:
            self.layer.events.data.disconnect(self._replaced)
            self.layer.events.paint.disconnect(self._painted)
            self.layer.events.set_data.disconnect(self._redrawn)

    def _remember(self) -> None:
        """Copy the layer, band by band: what the user changes is told from it later."""
        data, copy = self.layer.data, np.empty(self.layer.data.shape, self.layer.data.dtype)

        def steps() -> Iterator[None]:
            for rows in bands(data.shape):
                copy[..., rows, :] = data[..., rows, :]
                yield

        self._originals[self.layer] = copy
        self._copying.start(steps(), lambda: None)

    def _replaced(self, event: Any = None) -> None:  # noqa: ARG002 - napari hands over its event
        self._remember()
        self._edited = False
        self._forget()
        self._timer.start(_SETTLED)

    def _painted(self, event: Any = None) -> None:  # noqa: ARG002 - napari hands over its event
        self._edited = True
        if self._regions is not None:
            self._forget()  # the regions are not those of the class map any more
        self._timer.start(_SETTLED)

    def _redrawn(self, event: Any = None) -> None:  # noqa: ARG002 - napari hands over its event
        """See whether something was undone: napari tells nobody but draws the layer again."""
        history = getattr(self.layer, "_undo_history", ())
        if self._counted != (len(history), id(history[-1]) if history else 0):
            self._painted()

    def _moved(self, event: Any = None) -> None:  # noqa: ARG002 - napari hands over its event
        if self.layer is not None and layers.current_plane(self._viewer, self.layer) != self.plane:
            self._forget()
            self._timer.start(_SETTLED)

    def _forget(self) -> None:
        self.objects = self._regions = None
        self.changed.emit()

    def _count(self) -> None:
        if self.layer is None:
            return
        self.plane = layers.current_plane(self._viewer, self.layer)
        history = getattr(self.layer, "_undo_history", ())
        self._counted = (len(history), id(history[-1]) if history else 0)
        wanted = self._edited and self.kind != "classes" and self._outlines() is not None
        self.counting.submit(partial(count, self.layer.data[self.plane], self.kind, wanted))

    def _take(self, found: Counted) -> None:
        if self.layer is None or self._timer.isActive() or self.counting.busy:
            return  # out of date already
        self.objects, self._regions = found.objects, found.regions
        shown = self._outlines()
        if found.outlines is not None and shown is not None:
            shown.data[self.plane] = found.outlines
            layers.show_changes(shown)
        self.changed.emit()

    def _outlines(self) -> Labels | None:
        """Return the layer with the outlines of these objects, which the Segment dock made."""
        source = self.layer.metadata.get(layers.KEY, {}).get("source", "")
        shown = layers.find(self._viewer, "outlines", source, Labels)
        return shown if shown is not None and shown.data.shape == self.layer.data.shape else None
