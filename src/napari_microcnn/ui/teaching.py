"""A running training hears what the user does: strokes, classes, new images, where the view is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtCore import QObject, QTimer

from napari_microcnn.config import ClassInfo
from napari_microcnn.events import AnnotationChanged, ClassesChanged, PreviewDone, ViewChanged
from napari_microcnn.ui import layers
from napari_microcnn.ui.pairing import PaintedImage
from napari_microcnn.ui.pairs import PairTable
from napari_microcnn.ui.planes import Plane, painted_planes
from napari_microcnn.ui.preview import LivePreview, PreviewChoice, region_in_view

_SETTLED = 120
"""Milliseconds without a change until it is told."""

_STARTED = 500
"""Milliseconds after the start until the layer of the preview is made: napari stands still for a while then."""


class Teaching(QObject):
    """Tells a running training what has changed, and draws its previews.

    Parameters
    ----------
    parent : QObject
    viewer : ViewerModel
    pairs : PairTable
    choice : PreviewChoice
    planes : sequence of Plane
        What the training starts with, in the order of its images.
    files : int
        Number of images after these that are not open.
    classes : sequence of ClassInfo
    """

    def __init__(
        self,
        parent: QObject,
        viewer: ViewerModel,
        pairs: PairTable,
        choice: PreviewChoice,
        planes: Sequence[Plane],
        files: int,
        classes: Sequence[ClassInfo],
    ) -> None:
        super().__init__(parent)
        self._viewer, self._pairs, self._choice = viewer, pairs, choice
        self._planes: list[Plane | None] = [*planes, *[None] * files]
        self._told = [None if plane is None else plane.painted.annotation for plane in self._planes]
        self._classes = tuple(classes)
        self._tell: Callable[[Any], None] = _nobody
        self._view: ViewChanged | None = None
        self._labels: list[Labels] = []
        self.changed = False
        """Whether anything but the view has been told."""
        self._held = False
        self.preview = LivePreview(viewer, classes, choice.opacity)
        self._painted_timer, self._view_timer = QTimer(self), QTimer(self)
        for timer, call in ((self._painted_timer, self._tell_strokes), (self._view_timer, self._tell_view)):
            timer.setSingleShot(True)
            timer.setInterval(_SETTLED)
            timer.timeout.connect(call)

    @property
    def first_view(self) -> tuple[int, tuple[slice, slice]] | None:
        """What is previewed at first: index of the image, and region."""
        self._view = self._looked_at()
        return None if self._view is None else (self._view.image, self._view.region)

    def follow(self, tell: Callable[[Any], None]) -> None:
        """Begin to tell the changes."""
        self._tell = tell
        self._pairs.changed.connect(self._pairs_changed)
        self._choice.changed.connect(self._tell_view)
        self._choice.faded.connect(self.preview.fade)
        for event in self._view_events():
            event.connect(self._view_changed)
        self._watch([labels for _, labels in self._pairs.pairs])
        self._view_timer.start()
        QTimer.singleShot(_STARTED, self, self._expect)

    def close(self) -> None:
        """Tell nothing any more."""
        self._tell = _nobody
        self._painted_timer.stop()
        self._view_timer.stop()
        self._pairs.changed.disconnect(self._pairs_changed)
        self._choice.changed.disconnect(self._tell_view)
        self._choice.faded.disconnect(self.preview.fade)
        for event in self._view_events():
            event.disconnect(self._view_changed)
        self._watch([])
        self.preview.close()
        self.deleteLater()

    def set_classes(self, classes: Sequence[ClassInfo]) -> None:
        """Tell of other classes."""
        if tuple(classes) != self._classes:
            self._classes = tuple(classes)
            self.preview.set_classes(classes)
            self._tell_change(ClassesChanged(self._classes))
            self._painted_timer.start()

    def hold_view(self, held: bool) -> None:
        """Preview no other place, because something else is shown there, or do so again."""
        self._held = held
        self._tell_view()

    def _expect(self) -> None:
        plane = None if self._view is None else self._planes[self._view.image]
        if plane is not None and plane.layer in self._viewer.layers:
            self.preview.expect(plane.layer, plane.index, self._view.region, self._choice.shown)

    def take(self, event: PreviewDone) -> None:
        """Remember a preview for the next drawing."""
        plane = self._planes[event.image]
        if plane is not None and plane.layer in self._viewer.layers:
            self.preview.take(plane.layer, plane.index, event, self._choice.shown)

    def _view_events(self) -> list[Any]:
        camera = self._viewer.scene.camera.events
        active = self._viewer.layers.selection.events.active
        return [camera.center, camera.zoom, self._viewer.dims.events.current_step, active]

    def _pairs_changed(self) -> None:
        self._watch([labels for _, labels in self._pairs.pairs])
        self._painted_timer.start()

    def _watch(self, labels: list[Labels]) -> None:
        """Hear of strokes in these layers; `set_data` is all that tells of an undo."""
        for before in self._labels:
            for event in (before.events.paint, before.events.data, before.events.set_data):
                event.disconnect(self._painted)
        for now in labels:
            for event in (now.events.paint, now.events.data, now.events.set_data):
                event.connect(self._painted)
        self._labels = labels

    def _painted(self, event: Any = None) -> None:  # noqa: ARG002 - napari hands over its event
        self._painted_timer.start()

    def _view_changed(self, event: Any = None) -> None:  # noqa: ARG002 - napari hands over its event
        self._view_timer.start()

    def _tell_strokes(self) -> None:
        """Tell what differs from what was told last."""
        pairs = dict(self._pairs.pairs)
        for index, plane in enumerate(self._planes):
            if plane is None:
                continue
            labels = pairs.get(plane.layer)
            before = self._told[index]
            now = np.zeros_like(before) if labels is None else np.asarray(labels.data)[plane.index]
            if now.shape == before.shape:
                self._tell_difference(index, before, now)
        known = {(id(plane.layer), plane.index) for plane in self._planes if plane is not None}
        fitting = [pair for pair in pairs.items() if np.shape(pair[1].data) == layers.shape_of(pair[0])]
        for plane in painted_planes(fitting, besides=known):
            self._planes.append(plane)
            self._told.append(plane.painted.annotation)
            self._tell_change(plane.painted)

    def _tell_difference(self, index: int, before: np.ndarray, now: np.ndarray) -> None:
        region = changed_region(before, now)
        if region is not None:
            content = now[region].copy()
            if before.dtype != content.dtype:
                before = self._told[index] = before.astype(content.dtype)
            before[region] = content
            self._tell_change(AnnotationChanged(index, region, content))

    def _tell_change(self, change: Any) -> None:
        self.changed = True
        self._tell(change)

    @property
    def painted(self) -> list[PaintedImage]:
        """What the training knows by now of the open images."""
        known = zip(self._planes, self._told, strict=True)
        return [replace(plane.painted, annotation=told) for plane, told in known if plane is not None]

    def _looked_at(self) -> ViewChanged | None:
        """Return the plane that is looked at and the region in view; None if it is not in the training."""
        current = self._pairs.current
        active = self._viewer.layers.selection.active
        pair = next((pair for pair in self._pairs.pairs if active in pair), current)
        if pair is None:
            return None
        image: Image = pair[0]
        index = tuple(int(step) for step in self._viewer.dims.current_step[: len(layers.shape_of(image)) - 2])
        fits = [n for n, plane in enumerate(self._planes) if plane is not None and plane.layer is image]
        shown = [n for n in fits if self._planes[n].index == index] or fits
        return ViewChanged(shown[0], region_in_view(image), self._choice.shown) if shown else None

    def _tell_view(self) -> None:
        view = None if self._held else self._looked_at()
        if view is not None and view != self._view:
            self._view = view
            self._tell(view)


def _nobody(change: Any) -> None:
    """Tell nobody."""


def changed_region(before: np.ndarray, now: np.ndarray) -> tuple[slice, slice] | None:
    """Return the smallest rows and columns that hold all differences of two planes; None if there are none.

    Examples
    --------
    >>> changed_region(np.zeros((4, 5)), np.eye(4, 5) * [[0], [0], [1], [0]])
    (slice(2, 3, None), slice(2, 3, None))
    """
    different = before != now
    rows = np.flatnonzero(different.any(axis=1))
    if not len(rows):
        return None
    columns = np.flatnonzero(different[rows[0] : rows[-1] + 1].any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
