"""What the docks of one viewer share: the models that were trained or opened, and where they are kept."""

from __future__ import annotations

import re
import weakref
from pathlib import Path
from typing import Any

from napari.components import ViewerModel
from qtpy.QtCore import QObject, Signal

from napari_microcnn.ui.models import (
    MODELS_VARIABLE,
    ModelFile,
    kept_model_files,
    models_folder,
    shipped_model_files,
)

_LONGEST_NAME = 60
_sessions: dict[int, Session] = {}


class Session(QObject):
    """Models at hand in one viewer.

    Attributes
    ----------
    models_changed : Signal(object)
        Emitted with the model that came last.
    """

    models_changed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._added: dict[Path, ModelFile] = {}

    @property
    def models(self) -> list[ModelFile]:
        """Models in the order of a menu: trained or opened ones, the last one on top; shipped ones; earlier ones."""
        earlier = [model for model in kept_model_files() if model.path not in self._added]
        return [*reversed(self._added.values()), *shipped_model_files(), *earlier]

    def new_model_file(self, title: str) -> Path:
        """Return a file that does not exist yet, in the folder where trained models are kept.

        Raises
        ------
        ValueError
            If there can be no such folder.
        """
        folder = models_folder()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(
                f"Models are kept in {folder}, which cannot be made ({error.strerror}); name another folder in the "
                f"environment variable {MODELS_VARIABLE}."
            ) from error
        words = re.sub(r"[^\w()+-]+", " ", title).split()  # what every file system takes
        stem = " ".join(words)[:_LONGEST_NAME] or "model"
        number = 1
        while (path := folder / f"{stem} {number}.safetensors").exists():
            number += 1
        return path

    def add(self, model: ModelFile) -> None:
        """Offer a model in every dock."""
        self._added.pop(model.path, None)
        self._added[model.path] = model
        self.models_changed.emit(model)


def unwrapped(viewer: Any) -> ViewerModel:
    """Return the viewer itself: napari gives docks a proxy, whose layers are not identical to the real ones."""
    return getattr(viewer, "__wrapped__", viewer)


def session_of(viewer: ViewerModel) -> Session:
    """Return the session of a viewer, made at the first call."""
    key = id(viewer)
    if key not in _sessions:
        _sessions[key] = Session()
        weakref.finalize(viewer, _sessions.pop, key, None)
    return _sessions[key]
