"""A button that saves the trained model as a file of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QPushButton

from napari_microcnn.ui.base import Dock
from napari_microcnn.ui.models import ModelFile


class SaveButton(QPushButton):
    """Copies the model of a dock to where the user wants it.

    Parameters
    ----------
    dock : Dock
        Tells how it went.
    model : callable
        Returns the model; None while there is none.
    """

    def __init__(self, dock: Dock, model: Callable[[], ModelFile | None]) -> None:
        super().__init__("Save …")
        self._dock, self._model = dock, model
        self.setToolTip("Save the model as a file of its own")
        self.clicked.connect(self._ask)

    def save(self, path: Path) -> None:
        """Write the model to this file."""
        self._dock.attempt(partial(self._save, path))

    def _save(self, path: Path) -> None:
        from napari_microcnn.io.atomic import replacing

        model = self._model()
        if model is None:
            raise ValueError("There is no model to save yet; train one first.")
        path = path if path.suffix else path.with_suffix(".safetensors")
        with replacing(path) as temporary:
            temporary.write_bytes(model.path.read_bytes())
        self._dock.inform(f"Saved the model as {path}.")

    def _ask(self) -> None:
        model = self._model()
        if model is not None:
            proposed = str(Path.home() / f"{model.name}.safetensors")
            path, _ = QFileDialog.getSaveFileName(self, "Save the model", proposed, "Models (*.safetensors)")
            if path:
                self.save(Path(path))
