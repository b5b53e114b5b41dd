"""What the docks of one viewer share: the models that were trained or opened."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

from napari.components import ViewerModel
from qtpy.QtCore import QObject, Signal

from napari_microcnn.ui.models import ModelFile, shipped_model_files

_sessions: dict[int, Session] = {}


class Session(QObject):
    """Models at hand in one viewer.

    Attributes
    ----------
    folder : Path
        For models that nobody has saved yet; removed with the session.
    models_changed : Signal(object)
        Emitted with the model that came last.
    """

    models_changed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._added: dict[Path, ModelFile] = {}
        self.folder = Path(tempfile.mkdtemp(prefix="napari-microcnn-"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    @property
    def models(self) -> list[ModelFile]:
        """Models in the order of a menu: trained or opened ones first, the last one on top, then shipped ones."""
        return [*reversed(self._added.values()), *shipped_model_files()]

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
