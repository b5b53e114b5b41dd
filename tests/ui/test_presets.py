"""The choice of a preset."""

from collections.abc import Callable
from typing import Any

from napari_microcnn.config import PRESETS
from napari_microcnn.ui.annotate import AnnotateDock


def test_every_preset_explains_itself_in_one_line(open_dock: Callable[[str], Any]) -> None:
    dock: AnnotateDock = open_dock("Annotate & train")
    assert dock.preset.menu.count() == len(PRESETS)
    for preset, line in PRESETS.items():
        dock.preset.set_value(preset)
        assert dock.preset.line.text() == line
        assert dock.settings().preset == preset
        assert dock.preset.focus.isVisibleTo(dock) == (preset != "phases")


def test_the_class_follows_the_list_of_classes(open_dock: Callable[[str], Any]) -> None:
    dock: AnnotateDock = open_dock("Annotate & train")
    dock.preset.set_value("boundaries")
    assert dock.settings().focus is None
    assert "class 2" in dock.preset.focus.currentText()
    dock.classes.rename(0, "grain boundary")
    assert "grain boundary" in dock.preset.focus.currentText()
    dock.preset.set_value("boundaries", 2)
    dock.classes.rename(0, "border")
    assert dock.settings().focus == 2
    dock.preset.set_value("phases")
    assert dock.settings().focus is None


def test_a_class_that_is_added_is_not_what_the_preset_is_about(open_dock: Callable[[str], Any]) -> None:
    dock: AnnotateDock = open_dock("Annotate & train")
    dock.preset.set_value("thin")
    dock.classes.add()
    assert dock.preset.focus.currentText() == "class 2"
    assert dock.settings().focus == 2
