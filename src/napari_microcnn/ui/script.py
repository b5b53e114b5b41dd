"""What a dock did, as Python lines and as a command line, on the clipboard."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtGui import QFontDatabase
from qtpy.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_microcnn.events import Event, Progress
from napari_microcnn.ui.models import models_folder
from napari_microcnn.ui.scripting import Drawing, Lesson, Reading, Schooling, write_script
from napari_microcnn.ui.text import heading, quiet

if TYPE_CHECKING:
    from napari_microcnn.io.scripts import Script
    from napari_microcnn.ui.base import Dock

Done = Lesson | Reading | Schooling | Drawing


class ScriptButton(QPushButton):
    """Copies what a dock did as a script, and shows it.

    Parameters
    ----------
    dock : Dock
        Writes the files that the script needs.
    done : callable
        Returns what was done last, or None; may raise `ValueError` with a sentence.
    """

    def __init__(self, dock: Dock, done: Callable[[], Done | None]) -> None:
        super().__init__("Script …")
        self._dock, self._done = dock, done
        self.dialog: ScriptDialog | None = None
        self.setToolTip("Copy as script: Python lines and a command line that repeat exactly what was done")
        self.clicked.connect(lambda: dock.attempt(self.write))

    def write(self, folder: Path | None = None) -> None:
        """Write the script and its files, into a new folder where none is given.

        Raises
        ------
        ValueError
            If nothing was done yet, or something is being done.
        """
        done = self._done()
        if done is None:
            raise ValueError("Nothing was done here yet that a script could repeat.")
        if self._dock.job is not None:
            raise ValueError("A job of this dock is running; copy the script when it has ended.")
        folder = folder or _new_folder(self._dock.title)

        def follow(event: Event) -> None:
            if isinstance(event, Progress):
                self._dock.advance(event.done, event.total)

        self._dock.start(
            partial(write_script, done, folder),
            "Writing the script",
            on_finished=partial(self._show, folder),
            on_event=follow,
            on_stopped=lambda: self._dock.say("Stopped; the script was not written."),
        )

    def _show(self, folder: Path, script: Script) -> None:
        QApplication.clipboard().setText(script.text)
        self._dock.say(f"The script is on the clipboard, and with its files in {folder}.")
        self.dialog = ScriptDialog(self._dock, script, folder)
        self.dialog.elsewhere.connect(lambda chosen: self._dock.attempt(partial(self.write, chosen)))
        self.dialog.open()


class ScriptDialog(QDialog):
    """Shows a script that is on the clipboard.

    Attributes
    ----------
    folder : Path
        Where the script and its files are.
    elsewhere : Signal(Path)
        Emitted with the folder where the user wants the script and its files.
    """

    elsewhere = Signal(object)

    def __init__(self, parent: QWidget, script: Script, folder: Path) -> None:
        super().__init__(parent)
        self.setWindowTitle("Script")
        self.folder = folder
        self.python, self.command = _shown(script.python), _shown(script.command)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        for text, content in (("Copy the command", script.command), ("Copy all", script.text)):
            button = buttons.addButton(text, QDialogButtonBox.ButtonRole.ActionRole)
            button.clicked.connect(lambda *_, content=content: QApplication.clipboard().setText(content))
        other = buttons.addButton("Save elsewhere …", QDialogButtonBox.ButtonRole.ActionRole)
        other.clicked.connect(self._choose)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(heading("Python"))
        layout.addWidget(self.python, 3)
        layout.addWidget(heading("Command line"))
        layout.addWidget(self.command, 1)
        layout.addWidget(quiet(f"All of it is on the clipboard. The files that it needs are in {folder}."))
        layout.addWidget(buttons)
        self.resize(720, 520)

    def _choose(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder for the script and its files", str(Path.home()))
        if folder:
            self.accept()
            self.elsewhere.emit(Path(folder))


def _shown(text: str) -> QPlainTextEdit:
    box = QPlainTextEdit(text)
    box.setReadOnly(True)
    box.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
    return box


def _new_folder(title: str) -> Path:
    """Return a folder that does not exist yet, beside the folder where models are kept."""
    name = title.split(maxsplit=1)[0].lower()
    number = 1
    while (folder := models_folder().parent / "scripts" / f"{name} {number}").exists():
        number += 1
    return folder
