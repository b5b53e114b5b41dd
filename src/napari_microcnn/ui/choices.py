"""Menus that follow the viewer: which layer, which model; and where to write."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Generic, TypeVar

from napari.components import ViewerModel
from napari.layers import Layer
from qtpy.QtCore import QUrl, Signal
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QSizePolicy, QWidget

from napari_microcnn.ui.layers import KEY
from napari_microcnn.ui.models import ModelFile, models_folder, read_model_file
from napari_microcnn.ui.session import Session

AnyLayer = TypeVar("AnyLayer", bound=Layer)
_OPEN = "Open file …"
_AIDS = ("uncertainty", "region", "selection", "heat", "influence")
"""Roles of layers that only show something: nobody works on them."""


class _Menu(QComboBox):
    """A combo box that may become narrower than its longest entry."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)


class LayerChoice(_Menu, Generic[AnyLayer]):
    """A layer of one kind; follows the layer list, and newest layers are offered first.

    Parameters
    ----------
    viewer : ViewerModel
    kind : type of Layer
    none_text : str
        What it says when there is none.
    without : collection of str
        Roles of layers that are not offered.

    Attributes
    ----------
    layer_changed : Signal()
        Emitted when another layer is chosen, by the user or because the old one is gone.
    """

    layer_changed = Signal()

    def __init__(
        self, viewer: ViewerModel, kind: type[AnyLayer], none_text: str, without: Collection[str] = ()
    ) -> None:
        super().__init__()
        self._without = (*without, *_AIDS)
        self._viewer = viewer
        self._kind = kind
        self._none_text = none_text
        self._shown: AnyLayer | None = None
        events = viewer.layers.events
        for signal in (events.inserted, events.removed, events.reordered, events.renamed):
            signal.connect(self.refresh)
        self.currentIndexChanged.connect(self._chosen)
        self.refresh()

    @property
    def layer(self) -> AnyLayer | None:
        """The chosen layer; None when there is none to choose."""
        layers = self._layers()
        index = self.currentIndex()
        return layers[index] if 0 <= index < len(layers) and self.isEnabled() else None

    @layer.setter
    def layer(self, layer: AnyLayer) -> None:
        self.refresh()  # napari calls the newest listener first: this menu may not have heard of the layer yet
        self.setCurrentIndex(self._layers().index(layer))

    def refresh(self, event: object = None) -> None:  # noqa: ARG002 - napari hands over its event
        """Offer the layers that are there now and keep the choice where possible."""
        layers = self._layers()
        self.blockSignals(True)
        self.clear()
        self.addItems([layer.name for layer in layers] or [self._none_text])
        self.setEnabled(bool(layers))
        if self._shown in layers:
            self.setCurrentIndex(layers.index(self._shown))
        self.blockSignals(False)
        self._chosen()

    def _layers(self) -> list[AnyLayer]:
        return [
            layer
            for layer in reversed(self._viewer.layers)
            if isinstance(layer, self._kind) and layer.metadata.get(KEY, {}).get("role") not in self._without
        ]

    def _chosen(self) -> None:
        if self.layer is not self._shown:
            self._shown = self.layer
            self.layer_changed.emit()


class ModelChoice(_Menu):
    """A model: trained here, opened from a file, or shipped.

    Parameters
    ----------
    session : Session
    scratch : str or None
        Text of an entry that stands for no model, if there should be one.
    follow : bool
        Whether a model that is new is chosen at once.
    kind : {"segmenter", "classifier"} or None
        Which models are offered; None: both.
    """

    model_changed = Signal()
    failed = Signal(str)

    def __init__(
        self, session: Session, *, scratch: str | None = None, follow: bool = True, kind: str | None = "segmenter"
    ) -> None:
        super().__init__()
        self._session = session
        self._kind = kind
        self._scratch = scratch
        self._models: list[ModelFile | None] = []
        self._follow = follow
        self._before = 0
        session.models_changed.connect(self._added)
        self.activated.connect(self._activated)
        self._fill(None)

    @property
    def model(self) -> ModelFile | None:
        """The chosen model; None for none."""
        index = self.currentIndex()
        return self._models[index] if 0 <= index < len(self._models) else None

    def choose(self, path: str | Path) -> None:
        """Choose the model of this file or name."""
        for index, model in enumerate(self._models):
            if model is not None and str(path) in (str(model.path), model.name):
                self._select(index)

    def open_file(self, path: str | Path) -> None:
        """Offer a model file in all docks and choose it here; emits `failed` when it is none."""
        try:
            model = read_model_file(path)
        except ValueError as error:
            self.failed.emit(str(error))
            return
        if self._kind not in (None, model.kind):
            self.failed.emit(f"{model.name!r} is a {model.kind}; open a {self._kind} here.")
            return
        self._session.add(model)
        self.choose(model.path)

    def _fill(self, keep: ModelFile | None) -> None:
        models = [model for model in self._session.models if self._kind in (None, model.kind)]
        self._models = [*models, None] if self._scratch else [*models]
        self.blockSignals(True)
        self.clear()
        for model in models:
            self.addItem(model.name)
            self.setItemData(self.count() - 1, str(model.path), 3)  # the tooltip
        if self._scratch:
            self.addItem(self._scratch)
        if not self._models:
            self._models = [None]
            self.addItem("no model yet")
        self.insertSeparator(self.count())
        self.addItem(_OPEN)
        self.blockSignals(False)
        self._select(next((i for i, model in enumerate(self._models) if model == keep), 0))

    def _select(self, index: int) -> None:
        self.setCurrentIndex(index)
        self._before = index
        self.model_changed.emit()

    def _added(self, model: ModelFile) -> None:
        if self._kind in (None, model.kind):
            self._fill(model if self._follow else self.model)

    def _activated(self, index: int) -> None:
        if self.itemText(index) != _OPEN:
            self._select(index)
            return
        self.setCurrentIndex(self._before)
        path, _ = QFileDialog.getOpenFileName(self, "Open a model", str(models_folder()), "Models (*.safetensors)")
        if path:
            self.open_file(path)


class FolderChoice(QWidget):
    """A folder for results: typed, or chosen in a dialog, with a button that opens it.

    Parameters
    ----------
    name : str
        Folder in the user's documents or home that is proposed.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.text = QLineEdit(str(Path.home() / "napari-microcnn" / name))
        browse = QPushButton("…")
        browse.setFixedWidth(28)
        browse.setToolTip("Choose a folder")
        browse.clicked.connect(self._browse)
        self.open_button = QPushButton("Open")
        self.open_button.setToolTip("Show the folder in the file manager")
        self.open_button.clicked.connect(lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.folder))))
        self.open_button.setEnabled(self.folder.is_dir())
        self.text.textChanged.connect(lambda _: self.open_button.setEnabled(self.folder.is_dir()))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.text, 1)
        row.addWidget(browse)
        row.addWidget(self.open_button)

    @property
    def folder(self) -> Path:
        """The folder; it need not exist."""
        return Path(self.text.text()).expanduser()

    @folder.setter
    def folder(self, folder: Path) -> None:
        self.text.setText(str(folder))

    def refresh(self) -> None:
        """See whether the folder exists by now."""
        self.open_button.setEnabled(self.folder.is_dir())

    def _browse(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder for the results", str(self.folder.parent))
        if folder:
            self.folder = Path(folder)
