"""Images larger than the memory in the Segment dock: what is in view first, shown while it is written."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtWidgets import QCheckBox, QFormLayout, QWidget

from napari_microcnn.config import SegmentConfig
from napari_microcnn.device import is_too_large
from napari_microcnn.events import Event, Progress, TileDone
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.ui import large_tasks as tasks
from napari_microcnn.ui import layers
from napari_microcnn.ui.choices import FolderChoice
from napari_microcnn.ui.models import ModelFile
from napari_microcnn.ui.pairing import OnDisk
from napari_microcnn.ui.text import quiet

if TYPE_CHECKING:
    from napari_microcnn.ui.segment import SegmentDock

_HINT = (
    "Such images go on their own block by block into an OME-Zarr in this folder. Stopped, the next run goes on there."
)


class LargeSection(QWidget):
    """Where segmentations go that the memory is too small for.

    Parameters
    ----------
    dock : SegmentDock
        Runs the job.
    """

    def __init__(self, dock: SegmentDock) -> None:
        super().__init__()
        self._dock = dock
        self.results = FolderChoice("large images")
        self.always = QCheckBox("Smaller images too")
        self._layers: list[Any] = []
        self._stored: list[Any] | None = None
        self._output: Path | None = None
        self._last: Event | None = None
        self._image: Image | None = None
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow(quiet(_HINT))
        form.addRow("Results", self.results)
        form.addRow("", self.always)

    def wanted(self, image: Image) -> bool:
        """Whether an image goes block by block."""
        *stack, height, width = layers.shape_of(image)
        return self.always.isChecked() or is_too_large((height, width), tuple(stack))

    def run(self, image: Image, source: Micrograph | OnDisk, model: ModelFile, config: SegmentConfig) -> None:
        """Start."""
        stem = source.name.replace("/", "_")
        self._output = self.results.folder / f"{stem}.ome.zarr"
        self._layers, self._stored, self._last, self._image = [], None, None, image
        first = (*layers.current_plane(self._dock.viewer, image), *layers.in_view(image))
        self._dock.start(
            partial(tasks.segment_large_image, source, model.path, model.reference, config, self._output, first),
            f"Segmenting {image.name}",
            on_finished=self._show,
            on_event=self._follow,
            on_stopped=lambda: self._dock.say("Stopped. What was done is kept, and the next run goes on from there."),
            on_update=self._draw,
        )

    def _follow(self, event: Event) -> None:
        if isinstance(event, TileDone):
            self._last = event
            self._dock.advance(event.done, event.total, event.seconds_left)
        elif isinstance(event, Progress):
            self._last = event
            self._dock.advance(event.done, event.total)

    def _draw(self) -> None:
        """Show what was written by now."""
        if self._last is None:
            return
        self._open()
        for layer in self._layers:
            if layer in self._dock.viewer.layers and layer.visible:
                layer.refresh(extent=False, thumbnail=False)
        last = self._last
        if isinstance(last, TileDone):
            self._dock.say(f"Tile {last.done} of {last.total}")
        elif isinstance(last, Progress):
            self._dock.say(f"{last.message}, {last.done} of {last.total}")

    def _open(self, most: int = 1) -> None:
        """Add a layer that is missing, no more at once: napari takes a while to make each."""
        from napari_microcnn.ui.reader import masks_in

        viewer, image, name = self._dock.viewer, self._image, self._output.name
        if self._stored is None:
            self._stored = masks_in(self._output)
            for old in [layer for layer in viewer.layers if layer.metadata.get(layers.KEY, {}).get("stored") == name]:
                viewer.layers.remove(old)
        place = layers.placed_like(image) if image in viewer.layers else {}
        for data, about, _ in self._stored[len(self._layers) :][:most]:
            about["metadata"][layers.KEY]["stored"] = name
            with layers.no_collection():
                self._layers.append(viewer.add_labels(data, **{**about, **place, "visible": not self._layers}))

    def _show(self, found: tasks.LargeSegmented) -> list[Callable[[], None]]:
        def show() -> None:
            self._open(2)
            for layer in self._layers:
                layer.visible = layer is self._layers[-1]  # the objects, if there are any
                layer.refresh(extent=False)

        def tell() -> None:
            self._dock.result.setText(found.summary)
            self._dock.inform(f"Done: {found.path}")
            self.results.refresh()

        return [show, tell]
