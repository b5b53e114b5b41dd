"""Nanoparticles in the Synthesize dock."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from napari.components import ViewerModel
from qtpy.QtWidgets import QComboBox

from napari_microcnn.config import NanoparticlesConfig
from napari_microcnn.events import Job
from napari_microcnn.ui import layers, material_tasks
from napari_microcnn.ui.forms import Folded, SettingsForm
from napari_microcnn.ui.materials import SOURCE, Material, sizes_menu
from napari_microcnn.ui.scripting import Drawing

_PARTICLES = ("shape", "diameter", "size_spread", "coverage", "arrangement", "overlap")
_MORE = ("small_share", "small_ratio", "elongation")
_CONTRAST = (
    "imaging", "contrast", "contrast_spread", "fringes", "fringe_spacing", "carbon", "first_zero", "thickness", "holes"
)  # fmt: skip
_RECORDING = (
    "dose", "blur", "noise_scale", "scan_noise", "illumination", "inverted", "gamma", "scale_bar", "databar"
)  # fmt: skip
_SIZES = (256, 512, 1024, 2048)


class Nanoparticles(Material):
    """Particles on a support, seen by an electron microscope."""

    role = "nanoparticles"
    what = "pictures with their labels and particles"
    picture_type = material_tasks.ParticlePicture

    def __init__(self, viewer: ViewerModel) -> None:
        from napari_microcnn.synth import PARTICLE_LOOKS

        super().__init__(viewer)
        self._looks = PARTICLE_LOOKS
        self.look = QComboBox()
        self.look.addItems(list(PARTICLE_LOOKS))
        self.size = sizes_menu(_SIZES, 1)
        self.top.addRow("Look", self.look)
        self.top.addRow("Size", self.size)
        self.forms = {
            title: SettingsForm(NanoparticlesConfig, fields, sliders=True)
            for title, fields in (
                ("Particles", _PARTICLES), ("Sizes and lengths", _MORE), ("Contrast", _CONTRAST),
                ("Recording", _RECORDING),
            )
        }  # fmt: skip
        for title, form in self.forms.items():
            self.page.addWidget(Folded(title, form, opened=title == "Particles"))
            form.changed.connect(self.changed)
        self._choose_look()
        self.look.currentTextChanged.connect(self._choose_look)
        self.look.currentTextChanged.connect(self.chosen)
        self.size.currentIndexChanged.connect(lambda _: self.changed.emit())

    def settings(self) -> NanoparticlesConfig:
        """Return the settings as shown."""
        side = self.size.currentData()
        shown: dict[str, Any] = {"height": side, "width": side}
        for form, fields in zip(self.forms.values(), (_PARTICLES, _MORE, _CONTRAST, _RECORDING), strict=True):
            shown |= form.value().model_dump(include=set(fields))
        return NanoparticlesConfig(**shown)

    def drawing(self, seed: int) -> Callable[[], Job[Any]]:
        """Return the job that makes a picture with its labels."""
        return partial(material_tasks.draw_particles, self.settings(), seed)

    def writing(self, seed: int, count: int, folder: Path) -> Callable[[], Job[Path]]:
        """Return the job that writes training pictures."""
        return partial(material_tasks.write_particles, self.settings(), seed, count, folder)

    def made(self, seed: int, count: int) -> Drawing:
        """Return what a script repeats."""
        return Drawing(self.settings(), None, seed, count)

    def show_picture(self, picture: material_tasks.ParticlePicture) -> str:
        """Show the image and the number of every particle."""
        self._put(picture.image)
        image = self.image
        if image is not None:
            layers.put_labels(
                self.viewer,
                "particles",
                picture.labels,
                like=image,
                source=SOURCE,
                about={},
                opacity=0.4,
                visible=False,
            )
        return f"{picture.count} particles, which cover {picture.coverage:.1%} of the image"

    def _choose_look(self, text: str = "") -> None:  # noqa: ARG002 - the menu hands over its text
        for form in self.forms.values():
            form.set_value(self._looks[self.look.currentText()])
