"""The materials of the Synthesize dock: each a page with its settings, its picture, and how it is written."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QVBoxLayout, QWidget

from napari_microcnn.config import IsingConfig, SteelConfig, SteelKind
from napari_microcnn.events import Job
from napari_microcnn.ui import layers, material_tasks
from napari_microcnn.ui.forms import Folded, SettingsForm
from napari_microcnn.ui.scripting import Drawing

SOURCE = "synthetic"
_STEEL_SIZES = (128, 256, 512)


class Material(QWidget):
    """A page of settings.

    Parameters
    ----------
    viewer : ViewerModel

    Attributes
    ----------
    changed : Signal()
        The picture should follow, if there is one.
    chosen : Signal()
        Another picture is wanted.
    """

    changed = Signal()
    chosen = Signal()
    role = "image"
    """Role of its image layer."""
    what = "pictures with their labels and grains"
    """What is written."""
    picture_type: type = object
    """What its drawing job ends with."""

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self.viewer = viewer
        self.page = QVBoxLayout(self)
        self.page.setContentsMargins(0, 0, 0, 0)
        self.top = QFormLayout()
        self.page.addLayout(self.top)

    @property
    def image(self) -> Image | None:
        """The layer with its picture."""
        return layers.find(self.viewer, self.role, SOURCE, Image)

    @property
    def busy(self) -> bool:
        """Whether a part of the picture is still to be shown."""
        return False

    def drawing(self, seed: int) -> Callable[[], Job[Any]]:
        """Return the job that makes a picture."""
        raise NotImplementedError

    def show_picture(self, picture: Any) -> str:
        """Show a picture in its layers and return a sentence on it."""
        raise NotImplementedError

    def writing(self, seed: int, count: int, folder: Path) -> Callable[[], Job[Path]]:
        """Return the job that writes pictures."""
        raise NotImplementedError

    def made(self, seed: int, count: int) -> Drawing:
        """Return what a script repeats."""
        raise NotImplementedError

    def _put(self, image: Any, about: dict[str, Any] | None = None) -> bool:
        """Show an image; returns whether its layer is new."""
        before = self.image
        if before is not None and before.data.ndim != image.ndim:
            self.viewer.layers.remove(before)
            before = None
        moved = before is None or before.data.shape != image.shape
        layers.put_image(self.viewer, self.role, image, source=SOURCE, about=about or {})
        if moved:
            self.viewer.reset_view()
        return before is None


class Steel(Material):
    """Textures of four steels."""

    role = "steel"
    what = "pictures, in a folder for each kind of steel,"
    picture_type = np.ndarray

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__(viewer)
        self.kind = QComboBox()
        self.kind.addItems(list(get_args(SteelKind)))
        self.kind.setToolTip("Which one is drawn; pictures are written of all kinds in turn.")
        self.size = sizes_menu(_STEEL_SIZES, 1)
        fields = tuple(name for name in SteelConfig.model_fields if name not in ("height", "width"))
        self.form = SettingsForm(SteelConfig, fields, sliders=True)
        self.top.addRow("Kind", self.kind)
        self.top.addRow("Size", self.size)
        self.page.addWidget(Folded("Texture", self.form, opened=True))
        self.kind.currentTextChanged.connect(lambda _: self.chosen.emit())
        self.size.currentIndexChanged.connect(lambda _: self.changed.emit())
        self.form.changed.connect(self.changed)

    def settings(self) -> SteelConfig:
        """Return the settings as shown."""
        side = self.size.currentData()
        return SteelConfig(**{**self.form.value().model_dump(), "height": side, "width": side})

    def drawing(self, seed: int) -> Callable[[], Job[Any]]:
        """Return the job that makes a picture of the chosen kind."""
        return partial(material_tasks.draw_steel, self.settings(), self.kind.currentText(), seed)

    def writing(self, seed: int, count: int, folder: Path) -> Callable[[], Job[Path]]:
        """Return the job that writes pictures of all kinds."""
        return partial(material_tasks.write_steels, self.settings(), seed, count, folder)

    def made(self, seed: int, count: int) -> Drawing:
        """Return what a script repeats."""
        return Drawing(self.settings(), None, seed, count)

    def show_picture(self, picture: Any) -> str:
        """Show the image."""
        self._put(picture)
        return f"{self.kind.currentText().capitalize()}, {picture.shape[1]} × {picture.shape[0]} pixels"


class Lattice(Material):
    """Configurations of the Ising model, a plane per temperature."""

    role = "Ising"
    what = "configurations, in the folders below and above,"
    picture_type = material_tasks.Lattices

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__(viewer)
        self.form = SettingsForm(IsingConfig, tuple(IsingConfig.model_fields))
        self.page.addWidget(self.form)
        self.form.changed.connect(self.changed)
        self.lattices: material_tasks.Lattices | None = None

    def settings(self) -> IsingConfig:
        """Return the settings as shown."""
        return self.form.value()

    def drawing(self, seed: int) -> Callable[[], Job[Any]]:
        """Return the job that draws a configuration at every temperature."""
        return partial(material_tasks.draw_lattices, self.settings(), seed)

    def writing(self, seed: int, count: int, folder: Path) -> Callable[[], Job[Path]]:
        """Return the job that writes configurations."""
        return partial(material_tasks.write_lattices, self.settings(), seed, count, folder)

    def made(self, seed: int, count: int) -> Drawing:
        """Return what a script repeats."""
        return Drawing(self.settings(), None, seed, count)

    def show_picture(self, picture: material_tasks.Lattices) -> str:
        """Show the configurations as a stack."""
        self.lattices = picture
        self._put(picture.images, {"plane_classes": list(picture.phases)})
        return self.sentence()

    def sentence(self) -> str:
        """Return what is known of the plane that the window shows."""
        shown, image = self.lattices, self.image
        if shown is None or image is None:
            return ""
        plane = min(layers.current_plane(self.viewer, image)[0], len(shown.temperatures) - 1)
        return (
            f"T = {shown.temperatures[plane]:.3f} · energy {shown.energies[plane]:.3f} "
            f"(Onsager {shown.exact_energies[plane]:.3f}) · |m| {abs(shown.magnetisations[plane]):.3f} "
            f"(Yang {shown.exact_magnetisations[plane]:.3f})"
        )


def sizes_menu(sides: tuple[int, ...], chosen: int) -> QComboBox:
    """Return a menu of square sizes."""
    menu = QComboBox()
    for side in sides:
        menu.addItem(f"{side} × {side}", side)
    menu.setCurrentIndex(chosen)
    return menu
