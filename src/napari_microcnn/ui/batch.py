"""A whole folder in the Segment dock: one table, one page, and it goes on where it was stopped."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QCheckBox, QFormLayout, QHBoxLayout, QPushButton, QWidget

from napari_microcnn.config import SegmentConfig
from napari_microcnn.events import Event, FileDone, Progress
from napari_microcnn.ui import tasks
from napari_microcnn.ui.choices import FolderChoice
from napari_microcnn.ui.models import ModelFile
from napari_microcnn.ui.text import Sentence, quiet

if TYPE_CHECKING:
    from napari_microcnn.batch import Batch
    from napari_microcnn.ui.base import Dock

_HINT = "Model, objects and settings are those above. What was done before in the same way is not done again."
_LISTED = 5


class BatchSection(QWidget):
    """Segments and measures the images of a folder.

    Parameters
    ----------
    dock : Dock
        Runs the job.
    chosen : callable
        Returns model and settings; raises ValueError where none is chosen.
    """

    def __init__(self, dock: Dock, chosen: Callable[[], tuple[ModelFile, SegmentConfig]]) -> None:
        super().__init__()
        self._dock, self._chosen = dock, chosen
        self.images, self.results = FolderChoice("images"), FolderChoice("results")
        self.pages = {"html": QCheckBox("HTML"), "pdf": QCheckBox("PDF")}
        for box in self.pages.values():
            box.setToolTip("A page with overlay, numbers, model and provenance, made for a lab record")
        self.button, self.open_button = QPushButton("Segment the folder"), QPushButton("Open the overview")
        self.open_button.setEnabled(False)
        self.told = Sentence()
        self._page: Path | None = None
        self._failed: list[str] = []
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow(quiet(_HINT))
        form.addRow("Images", self.images)
        form.addRow("Results", self.results)
        reports = QHBoxLayout()
        for box in self.pages.values():
            reports.addWidget(box)
        reports.addStretch(1)
        form.addRow("Page of each", reports)
        buttons = QHBoxLayout()
        buttons.addWidget(self.button)
        buttons.addWidget(self.open_button)
        form.addRow(buttons)
        form.addRow(self.told)
        self.button.clicked.connect(partial(dock.attempt, self.run))
        self.open_button.clicked.connect(lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._page))))

    def run(self) -> None:
        """Start.

        Raises
        ------
        ValueError
            If the dock is busy, there is no such folder, or no model.
        """
        if self._dock.job is not None:
            raise ValueError("Something is running already; wait for it, or stop it first.")
        model, config = self._chosen()
        images, results = self.images.folder, self.results.folder
        if not images.is_dir():
            raise ValueError(f"There is no folder {images}; choose the one that holds the images.")
        self.told.setText("")
        self._failed = []
        pages = tuple(kind for kind, box in self.pages.items() if box.isChecked())
        self._dock.start(
            partial(tasks.segment_folder, images, results, model.path, model.reference, config, pages),
            f"Segmenting {images.name}",
            on_finished=self._show,
            on_event=self._follow,
            on_stopped=lambda: self._dock.say("Stopped. What was done is kept, and the next run goes on from there."),
            on_update=self._list_failed,
        )

    def _follow(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._dock.advance(event.done, event.total)
            self._dock.say(event.message)
        elif isinstance(event, FileDone):
            self._dock.advance(event.number, event.total)
            if event.failure is not None:
                self._failed.append(event.failure)

    def _list_failed(self) -> None:
        more = f"\n… and {len(self._failed) - _LISTED} more" if len(self._failed) > _LISTED else ""
        self.told.setText("\n".join(self._failed[:_LISTED]) + more)

    def _show(self, batch: Batch) -> None:
        self._failed = list(batch.failed.values())
        self._list_failed()
        self._page = next((path for path in batch.about_all if path.suffix == ".html"), self.results.folder)
        self.open_button.setEnabled(True)
        self.results.refresh()
        before = sum(not files for files in batch.written.values())
        done = f"{len(batch.written)} of {len(batch.written) + len(batch.failed)} images are done"
        self._dock.inform(f"{done}{f', {before} of them before' if before else ''}: {self.results.folder}")
