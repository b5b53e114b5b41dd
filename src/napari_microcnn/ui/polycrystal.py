"""Polycrystals in the Synthesize dock."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from napari.components import ViewerModel
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QComboBox

from napari_microcnn.config import ImagingConfig, VoronoiConfig
from napari_microcnn.events import Job
from napari_microcnn.ui import layers, tasks
from napari_microcnn.ui.forms import Folded, SettingsForm
from napari_microcnn.ui.materials import SOURCE, Material, sizes_menu
from napari_microcnn.ui.scripting import Drawing

_STRUCTURE = ("grains", "regularity", "size_spread", "thickness", "curvature", "elongation", "direction")
_MORE_STRUCTURE = ("roughness", "merging", "lamellae", "twins", "subgrains", "fine_grains", "drift")
_SIZES = (256, 512, 1024, 2048)
_LOOK_SIZE = 256
"""Side of the pictures for which the looks say how many grains there are."""
_LINES = {1: "#ffd92f", 0: "transparent", None: "transparent"}
_REST = 250
"""Milliseconds after which sliders are taken to rest."""


class Polycrystal(Material):
    """Grains with their boundaries and triple points."""

    picture_type = tasks.Picture

    def __init__(self, viewer: ViewerModel) -> None:
        from napari_microcnn.synth import LOOKS

        super().__init__(viewer)
        self._looks = LOOKS
        self._picture: tasks.Picture | None = None
        self._labels_timer = QTimer(self)
        self._labels_timer.setSingleShot(True)
        self._labels_timer.timeout.connect(self._show_labels)
        self.look = QComboBox()
        self.look.addItems(list(LOOKS))
        self.size = sizes_menu(_SIZES, 1)
        self._side = self.size.currentData()
        self.structure = SettingsForm(VoronoiConfig, _STRUCTURE, sliders=True)
        self.more = SettingsForm(VoronoiConfig, _MORE_STRUCTURE, sliders=True)
        self.imaging = SettingsForm(ImagingConfig, tuple(ImagingConfig.model_fields), sliders=True)
        self.top.addRow("Look", self.look)
        self.top.addRow("Size", self.size)
        self.page.addWidget(Folded("Grains", self.structure, opened=True))
        self.page.addWidget(Folded("Irregularities", self.more))
        self.page.addWidget(Folded("Imaging", self.imaging))
        self._choose_look()
        self.look.currentTextChanged.connect(self._choose_look)
        self.look.currentTextChanged.connect(self.chosen)
        self.size.currentIndexChanged.connect(lambda _: self._resize())
        for form in (self.structure, self.more, self.imaging):
            form.changed.connect(self.changed)

    def settings(self) -> tuple[VoronoiConfig, ImagingConfig]:
        """Return structure and imaging as shown."""
        shown = self.structure.value().model_dump(include=set(_STRUCTURE))
        more = self.more.value().model_dump(include=set(_MORE_STRUCTURE))
        return VoronoiConfig(height=self._side, width=self._side, **shown, **more), self.imaging.value()

    @property
    def busy(self) -> bool:
        """Whether the labels are on their way."""
        return self._labels_timer.isActive()

    def drawing(self, seed: int) -> Callable[[], Job[Any]]:
        """Return the job that makes a picture with its labels."""
        return partial(tasks.synthesise, *self.settings(), seed)

    def writing(self, seed: int, count: int, folder: Path) -> Callable[[], Job[Path]]:
        """Return the job that writes training pictures."""
        return partial(tasks.make_pictures, *self.settings(), seed, count, folder)

    def made(self, seed: int, count: int) -> Drawing:
        """Return what a script repeats."""
        structure, imaging = self.settings()
        return Drawing(structure, imaging, seed, count)

    def show_picture(self, picture: tasks.Picture) -> str:
        """Show the image at once and its labels when the sliders rest: four layers take four times as long."""
        new = self._put(picture.image)
        self._picture = picture
        self._labels_timer.start(0 if new else _REST)
        return f"{picture.count} grains, {len(picture.triple_points)} triple points"

    def _choose_look(self, text: str = "") -> None:  # noqa: ARG002 - the menu hands over its text
        structure, imaging = self._looks[self.look.currentText()]
        grains = max(2, round(structure.grains * (self._side / _LOOK_SIZE) ** 2))
        structure = structure.model_copy(update={"grains": grains})
        self.structure.set_value(structure)
        self.more.set_value(structure)
        self.imaging.set_value(imaging)

    def _resize(self) -> None:
        """Change the size and keep the size of the grains."""
        before, self._side = self._side, self.size.currentData()
        structure = self.structure.value()
        grains = max(2, round(structure.grains * (self._side / before) ** 2))
        self.structure.set_value(structure.model_copy(update={"grains": grains}))
        self.changed.emit()

    def _show_labels(self) -> None:
        picture, image = self._picture, self.image
        if picture is None or image is None:
            return
        put = partial(layers.put_labels, self.viewer, like=image, source=SOURCE, about={})
        put("grains", picture.grains, opacity=0.4, visible=False)
        put("boundaries", picture.boundaries, colormap=layers.colours(_LINES), visible=False)
        layers.put_points(
            self.viewer,
            "triple points",
            picture.triple_points,
            image,
            source=SOURCE,
            size=max(3, self._side // 85),
            face_color="transparent",
            border_color="#56b4e9",
            border_width=0.2,
            visible=False,
        )
