"""The choice of a preset: what is to be found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QComboBox, QFormLayout, QWidget

from napari_microcnn.config import PRESETS, Preset, focus_of
from napari_microcnn.ui.text import quiet

if TYPE_CHECKING:
    from napari_microcnn.ui.annotate import AnnotateDock

_TITLES: dict[Preset, str] = {
    "phases": "Phases",
    "particles": "Particles",
    "boundaries": "Grain boundaries",
    "thin": "Pores and cracks (thin)",
    "defects": "Defects (rare)",
}


class PresetChoice(QWidget):
    """A menu of presets with a line that explains the chosen one, and the class that it is about.

    Parameters
    ----------
    dock : AnnotateDock
        Its list of classes is offered.
    """

    def __init__(self, dock: AnnotateDock) -> None:
        super().__init__()
        self._classes = dock.classes
        self._found: int | None = None
        self.menu = QComboBox()
        for preset, title in _TITLES.items():
            self.menu.addItem(title, preset)
        self.menu.setToolTip("What is to be found; decides how it is learnt and what the model numbers")
        self.line = quiet()
        self.focus = QComboBox()
        self.focus.setToolTip("The class that the preset is about")
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.addRow("Preset", self.menu)
        self._form.addRow(self.line)
        self._form.addRow("Class", self.focus)
        self.menu.currentIndexChanged.connect(self._change_preset)
        self._classes.changed.connect(self._show)
        self._show()

    @property
    def preset(self) -> Preset:
        """The chosen preset."""
        return self.menu.currentData()

    def set_value(self, preset: Preset, focus: int | None = None) -> None:
        """Choose a preset and the class that it is about; None: by its name."""
        self.menu.setCurrentIndex(self.menu.findData(preset))
        self.focus.setCurrentIndex(max(0, self.focus.findData(focus)))

    def value(self) -> dict[str, Any]:
        """Return the settings `preset` and `focus` of a training."""
        return {"preset": self.preset, "focus": self.focus.currentData() if self.preset != "phases" else None}

    def _change_preset(self) -> None:
        self._found = None
        self._show()

    def _show(self) -> None:
        self.line.setText(PRESETS[self.preset])
        chosen, classes = self.focus.currentData(), self._classes.classes
        found = focus_of(self.preset, classes)
        kept = focus_of(self.preset, classes, before=self._found)
        if chosen is None and kept is not found and kept is not None:  # a class was added: no reason to be about that
            chosen = kept.id
        self._found = kept.id if kept else None
        self.focus.clear()
        self.focus.addItem(f"by its name: {found.name}" if found else "", None)
        for info in classes:
            self.focus.addItem(info.name, info.id)
        self.focus.setCurrentIndex(max(0, self.focus.findData(chosen)) if chosen is not None else 0)
        self._form.setRowVisible(self.focus, found is not None)
