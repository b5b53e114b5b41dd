"""The pixel size set by hand, in a real window."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from napari_microcnn.micrograph import Calibration
from napari_microcnn.ui import layers
from napari_microcnn.ui.scale import ScaleSection

IMAGE = np.random.default_rng(0).integers(0, 255, (50, 60), dtype=np.uint8)


@pytest.fixture
def window(make_napari_viewer):
    viewer = make_napari_viewer()
    image = viewer.add_image(IMAGE, name="a")
    refused: list[str] = []
    section = ScaleSection(viewer, lambda: image, refused.append)
    yield SimpleNamespace(viewer=viewer, image=image, section=section, refused=refused)
    section.close()


def click(window, row: float, column: float) -> None:
    position = window.image.data_to_world((row, column))
    for callback in list(window.viewer.mouse_drag_callbacks):
        callback(window.viewer, SimpleNamespace(position=position))


def test_typing_sets_the_image_and_what_lies_on_it(window) -> None:
    result = window.viewer.add_labels(
        np.zeros((10, 12), np.uint8), scale=(5, 5), translate=(2, 2), metadata={layers.KEY: {"source": "a"}}
    )
    strokes = window.viewer.add_labels(np.zeros((50, 60), np.uint8), name="strokes")
    other = window.viewer.add_image(IMAGE, name="b")
    window.section.size.setText("0.25 um")
    window.section.size.returnPressed.emit()
    known = layers.calibration_of(window.image)
    assert known == Calibration((0.25, 0.25), "µm", "set by the user")
    assert tuple(result.scale) == (1.25, 1.25)
    assert tuple(result.translate) == (0.5, 0.5)
    assert tuple(strokes.scale) == (0.25, 0.25)
    assert {str(unit) for layer in (window.image, result, strokes) for unit in layer.units} == {"micrometer"}
    assert layers.calibration_of(other) is None
    assert layers.micrograph_of(window.image).calibration == known


def test_two_clicks_on_the_scale_bar(window) -> None:
    section = window.section
    click(window, 1, 1)
    assert section.ends == []
    section.click_button.setChecked(True)
    click(window, 40, 10)
    click(window, 40, 50)
    assert section.length() == 40
    assert not section.click_button.isChecked()
    section.bar.setText("10 µm")
    section.bar.returnPressed.emit()
    known = layers.calibration_of(window.image)
    assert known is not None
    assert known.pixel_size == (0.25, 0.25)
    assert known.source == "set by the user, scale bar of 10 µm"
    # Again, now that a pixel is no unit of the window: the same clicks must give the same length.
    section.click_button.setChecked(True)
    click(window, 40, 10)
    click(window, 40, 30)
    assert section.length() == pytest.approx(20)
    assert len([layer for layer in window.viewer.layers if "scale bar" in layer.name]) == 1


def test_several_images_at_once_but_never_over_a_file(window) -> None:
    other = window.viewer.add_image(IMAGE, name="b")
    sem = Calibration((2.0, 2.0), "nm", "Zeiss SEM tag 34118")
    told = window.viewer.add_image(
        IMAGE, name="c", metadata={layers.KEY: {"calibration": sem}}, **layers.calibrated(sem)
    )
    window.section.everywhere.setChecked(True)
    window.section.size.setText("5nm")
    window.section.size.returnPressed.emit()
    assert [layers.calibration_of(layer).pixel_size for layer in (window.image, other, told)] == [
        (5.0, 5.0), (5.0, 5.0), (2.0, 2.0)
    ]  # fmt: skip
    assert "2 images" in window.section.told.text()


def test_it_stops_listening_when_it_is_hidden(window) -> None:
    window.section.show()
    before = len(window.viewer.mouse_drag_callbacks)
    window.section.click_button.setChecked(True)
    assert len(window.viewer.mouse_drag_callbacks) == before + 1
    window.section.hide()
    assert len(window.viewer.mouse_drag_callbacks) == before
    assert not window.section.click_button.isChecked()


@pytest.mark.parametrize(
    ("field", "text", "says"), [("size", "big", "not a pixel size"), ("size", "-1 µm", "positive"),
                                ("bar", "10 µm", "click both ends")]
)  # fmt: skip
def test_what_is_wrong_is_told(window, field: str, text: str, says: str) -> None:
    getattr(window.section, field).setText(text)
    getattr(window.section, field).returnPressed.emit()
    assert says in window.refused[0]
    assert layers.calibration_of(window.image) is None


def test_a_stack(window) -> None:
    stack = window.viewer.add_image(np.stack([IMAGE] * 3), name="stack")
    section = ScaleSection(window.viewer, lambda: stack, window.refused.append)
    section.size.setText("2 nm")
    section.size.returnPressed.emit()
    assert tuple(stack.scale) == (1.0, 2.0, 2.0)
    assert layers.calibration_of(stack) == Calibration((2.0, 2.0), "nm", "set by the user")
    section.close()
