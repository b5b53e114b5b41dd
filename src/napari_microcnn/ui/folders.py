"""Folders of images and label images as something to train on."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QCheckBox, QDialog, QDialogButtonBox, QFormLayout, QWidget

from napari_microcnn.config import PALETTE, ClassInfo
from napari_microcnn.events import Event, Progress
from napari_microcnn.ui.choices import FolderChoice
from napari_microcnn.ui.pairing import FolderPairs, pair_folders
from napari_microcnn.ui.text import quiet

if TYPE_CHECKING:
    from napari_microcnn.ui.annotate import AnnotateDock

_HINT = "An image and its label image have the same name; steel_mask.png belongs to steel.tif, too."


class FoldersDialog(QDialog):
    """Asks for a folder of images and one of label images."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Add folders")
        self.images, self.labels = FolderChoice("images"), FolderChoice("labels")
        self.dense = QCheckBox("Every pixel is annotated, and 0 is a class")
        self.validation = QCheckBox("For validation: judge the model, never train it")
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        form = QFormLayout(self)
        form.addRow("Images", self.images)
        form.addRow("Label images", self.labels)
        form.addRow("", quiet(_HINT))
        form.addRow("", self.dense)
        form.addRow("", self.validation)
        form.addRow(buttons)
        self.setMinimumWidth(480)


def ask_for_folders(dock: AnnotateDock) -> None:
    """Let the user choose two folders and add what pairs in them."""
    dialog = FoldersDialog(dock)
    dialog.accepted.connect(
        lambda: add_folders(
            dock,
            dialog.images.folder,
            dialog.labels.folder,
            dense=dialog.dense.isChecked(),
            validation=dialog.validation.isChecked(),
        )
    )
    dialog.open()


def add_folders(
    dock: AnnotateDock, images: Path, labels: Path, *, dense: bool = False, validation: bool = False
) -> None:
    """Pair two folders beside the window, list the pairs and take over their classes; nothing is opened.

    Parameters
    ----------
    dock : AnnotateDock
    images, labels : Path
    dense : bool
        Whether 0 is a class.
    validation : bool
        Whether the images only judge the model.
    """
    if dock.job is not None:
        dock.refuse("A job of this dock is running; add the folders when it has ended.")
        return

    def follow(event: Event) -> None:
        if isinstance(event, Progress):
            dock.advance(event.done, event.total)

    dock.start(
        partial(pair_folders, images, labels, validation),
        f"Looking into {images.name}",
        on_finished=partial(_take, dock, dense),
        on_event=follow,
        on_stopped=lambda: dock.say("Stopped; no pair was added."),
    )


def _take(dock: AnnotateDock, dense: bool, found: FolderPairs) -> None:
    kinds = set(found.ids)
    dense = dense or (0 in kinds and len(kinds) == 2)  # black and white: one stroke class alone teaches nothing
    if dense:
        dock.advanced.set_value(dock.advanced.value().model_copy(update={"dense": True}))
    first = not dock.pairs.pairs and not dock.pairs.files
    dock.pairs.add_files(found.pairs)
    wanted = kinds if dense else kinds - {0}
    known = () if first else dock.classes.classes
    ids = {info.id for info in known}
    new = [_class_of(number, index) for index, number in enumerate(sorted(wanted - ids), start=len(known))]
    if new:
        dock.classes.set_classes(sorted((*known, *new), key=lambda info: info.id))
    count = len(found.pairs)
    told = f"Added {count} {'pair' if count == 1 else 'pairs'} of files with the classes {sorted(wanted)}."
    dock.inform(f"{told} {found.report}".strip())


def _class_of(number: int, index: int) -> ClassInfo:
    return ClassInfo(id=number, name=f"class {number}", colour=PALETTE[index % len(PALETTE)])
