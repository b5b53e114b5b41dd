from typing import Any

import pytest

from napari_microcnn.config import ImagingConfig, SegmentConfig, TrainConfig, VoronoiConfig
from napari_microcnn.ui.forms import Folded, SettingsForm


@pytest.mark.parametrize("kind", [TrainConfig, SegmentConfig, VoronoiConfig, ImagingConfig])
@pytest.mark.parametrize("sliders", [False, True])
def test_a_form_starts_with_the_defaults(qtbot: Any, kind: Any, sliders: bool) -> None:
    form = SettingsForm(kind, tuple(kind.model_fields), sliders=sliders)
    qtbot.addWidget(form)
    for name, value in kind().model_dump().items():
        assert getattr(form.value(), name) == pytest.approx(value), name


def test_bounds_and_tooltips_come_from_the_settings(qtbot: Any) -> None:
    form = SettingsForm(TrainConfig, ("patch", "batch"))
    qtbot.addWidget(form)
    patch = form.widget("patch")
    assert (patch.minimum(), patch.maximum()) == (16, 1024)
    assert "training patch" in patch.toolTip()


def test_an_optional_number_is_none_at_its_lower_end(qtbot: Any) -> None:
    form = SettingsForm(SegmentConfig, ("magnification", "tile", "objects"))
    qtbot.addWidget(form)
    assert form.value() == SegmentConfig()
    assert form.widget("tile").text() == "auto"
    form.set_value(SegmentConfig(magnification=0.5, tile=256, objects=0))
    assert form.value() == SegmentConfig(magnification=0.5, tile=256, objects=0)


def test_settings_without_widget_are_kept(qtbot: Any) -> None:
    form = SettingsForm(TrainConfig, ("minutes",), start=TrainConfig(seed=7))
    qtbot.addWidget(form)
    form.widget("minutes").setValue(2.5)
    assert form.value() == TrainConfig(seed=7, minutes=2.5)


def test_changes_are_told(qtbot: Any) -> None:
    form = SettingsForm(VoronoiConfig, ("regularity",), sliders=True)
    qtbot.addWidget(form)
    with qtbot.waitSignal(form.changed):
        form.widget("regularity").setValue(0.9)
    assert form.value().regularity == pytest.approx(0.9)


def test_a_section_opens_and_closes(qtbot: Any) -> None:
    form = SettingsForm(TrainConfig, ("seed",))
    section = Folded("Advanced", form)
    qtbot.addWidget(section)
    section.show()
    assert not form.isVisible()
    section._button.click()
    assert form.isVisible()
