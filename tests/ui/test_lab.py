"""The Convolution lab, clicked through in a real viewer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from napari_microcnn.config import LabConfig
from napari_microcnn.explain.kernels import convolve, kernel, pool
from napari_microcnn.ui.lab import OWN, LabDock
from napari_microcnn.ui.lab_channels import LAYERS, STACK
from napari_microcnn.ui.lab_tasks import NETWORKS, anatomy
from napari_microcnn.ui.lab_texts import amount, number
from napari_microcnn.ui.lab_views import block_size

MAP, WINDOW = "discs feature map", "discs kernel window"


@pytest.fixture
def dock(viewer: Any, open_dock: Callable[[str], Any], discs: np.ndarray) -> LabDock:
    viewer.add_image(discs, name="discs", scale=(0.5, 0.5), units=("um", "um"), translate=(10, 20))
    return open_dock("Convolution lab")


def test_the_map_is_drawn_at_once_and_follows_every_knob(viewer: Any, dock: LabDock, discs: np.ndarray) -> None:
    dock.run_button.click()
    np.testing.assert_array_equal(viewer.layers[MAP].data, discs)
    dock.kernel.setCurrentText("sobel vertical")
    expected = convolve(discs[None], kernel("sobel vertical", 3)[None], LabConfig())
    np.testing.assert_array_equal(viewer.layers[MAP].data, expected)
    dock.form.widget("size").setCurrentText("5 x 5")
    dock.form.widget("relu").setChecked(True)
    dock.form.widget("padding").setCurrentText("valid")
    dock.form.widget("stride").setValue(2)
    dock.form.widget("pooling").setCurrentText("max")
    config = LabConfig(size="5 x 5", relu=True, padding="valid", stride=2, pooling="max")
    expected = pool(convolve(discs[None], kernel("sobel vertical", 5)[None], config), config)
    np.testing.assert_array_equal(viewer.layers[MAP].data, expected)
    assert "⌊(96 + 2 · 0 – 5) / 2⌋ + 1 = 46, pooled ⌊46 / 2⌋ = 23" in dock.sizes.text()
    assert [layer.name for layer in viewer.layers] == ["discs", MAP]


@pytest.mark.parametrize("pooling", ["none", "average"])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_the_map_lies_beside_the_image_at_its_scale(viewer: Any, dock: LabDock, pooling: str, padding: str) -> None:
    dot = np.zeros((96, 128), np.float32)
    dot[40:46, 60:66] = 1
    viewer.layers["discs"].data = dot
    for name, text in (("pooling", pooling), ("padding", padding)):
        dock.form.widget(name).setCurrentText(text)
    dock.form.widget("stride").setValue(3)
    dock.run_button.click()
    layer = viewer.layers[MAP]

    def centre(one: Any, pixels: np.ndarray) -> np.ndarray:
        return np.mean([one.data_to_world(place) for place in np.argwhere(pixels > 0)], axis=0)

    apart = centre(layer, layer.data) - centre(viewer.layers["discs"], dot)
    assert apart[0] == pytest.approx(0, abs=0.5 * 3 * 2)
    assert apart[1] == pytest.approx(133 * 0.5, abs=0.5 * 3 * 2)
    assert [str(unit) for unit in layer.units] == ["micrometer", "micrometer"]


def test_an_identity_is_exactly_beside_the_image(viewer: Any, dock: LabDock) -> None:
    dock.form.widget("padding").setCurrentText("valid")
    dock.run_button.click()
    image, layer = viewer.layers["discs"], viewer.layers[MAP]
    np.testing.assert_allclose(
        np.subtract(layer.data_to_world((4, 7)), image.data_to_world((5, 8))), [0, 133 * 0.5], atol=1e-6
    )


def test_a_kernel_can_be_typed(viewer: Any, dock: LabDock, discs: np.ndarray, told: list[str]) -> None:
    dock.run_button.click()
    dock.table.item(0, 1).setText("-0,5")
    assert dock.kernel.currentText() == OWN
    weights = kernel("identity", 3)
    weights[0, 1] = -0.5
    np.testing.assert_array_equal(viewer.layers[MAP].data, convolve(discs[None], weights[None], LabConfig()))
    dock.form.widget("size").setCurrentText("5 x 5")
    np.testing.assert_array_equal(dock.table.weights, np.pad(weights, 1))
    dock.form.widget("size").setCurrentText("3 x 3")
    np.testing.assert_array_equal(dock.table.weights, weights)
    dock.table.item(2, 2).setText("one")
    assert told == ["'one' is no number; the weights of a kernel are numbers such as -1 or 0.25."]
    assert dock.table.item(2, 2).text() == "0"


def test_step_by_step_every_number_is_shown(viewer: Any, dock: LabDock, discs: np.ndarray) -> None:
    dock.kernel.setCurrentText("laplacian")
    dock.form.widget("bias").setValue(2)
    dock.form.widget("relu").setChecked(True)
    dock.step_button.click()
    dock.next_button.click()
    dock.next_button.click()
    layer = viewer.layers[MAP]
    assert np.isfinite(layer.data).sum() == 3
    full = convolve(discs[None], kernel("laplacian", 3)[None], LabConfig(bias=2, relu=True))
    np.testing.assert_array_equal(layer.data[0, :3], full[0, :3])
    (_, inside), (_, products) = dock.step_view._grids
    np.testing.assert_array_equal(inside, np.vstack([np.zeros(3), discs[:2, 1:4]]))
    total = number(float(products.sum() + 2))
    assert dock.sum_line.text().startswith(f"sum {number(float(products.sum()))} + bias 2 = {total}, ReLU: ")
    frame, cell = viewer.layers[WINDOW].data
    assert frame.min(axis=0).tolist() == [-1.5, 0.5]
    assert frame.max(axis=0).tolist() == [1.5, 3.5]
    assert cell.min(axis=0).tolist() == [-0.5, 1.5 + 133]
    dock.back_button.click()
    assert np.isfinite(layer.data).sum() == 2
    dock.run_button.click()
    assert np.isfinite(layer.data).all()
    assert WINDOW not in viewer.layers


def test_play_goes_on_by_itself_and_ends(qtbot: Any, viewer: Any, dock: LabDock) -> None:
    dock.step_button.click()
    dock._timer.setInterval(5)
    dock.position.setValue(dock.position.maximum() - 2)
    dock.play_button.click()
    qtbot.waitUntil(lambda: not dock._timer.isActive(), timeout=10_000)
    assert np.isfinite(viewer.layers[MAP].data).all()
    assert dock.play_button.text() == "Play"


def test_with_pooling_the_winner_is_shown(viewer: Any, dock: LabDock, discs: np.ndarray) -> None:
    dock.form.widget("pooling").setCurrentText("max")
    dock.step_button.click()
    dock.position.setValue(64 * 3 + 5)
    window = discs[6:8, 10:12]
    row, column = np.unravel_index(np.argmax(window), window.shape)
    assert dock.step_view._grids[0][1][1, 1] == window.max()
    assert dock.sum_line.text().endswith(f"max of 2 x 2: {window.max()}")
    frame, cell = viewer.layers[WINDOW].data
    assert frame.min(axis=0).tolist() == [6 + row - 1.5, 10 + column - 1.5]
    assert np.ptp(cell, axis=0).tolist() == [2, 2]


def test_a_click_puts_the_kernel_there(viewer: Any, dock: LabDock) -> None:
    class Click:
        position = viewer.layers["discs"].data_to_world((30, 50))

    viewer.window._qt_window.show()
    dock.parent().raise_()
    dock.step_button.click()
    dock._clicked(viewer, Click())
    assert divmod(dock.position.value(), 128) == (30, 50)
    Click.position = viewer.layers["discs"].data_to_world((300, 50))
    dock._clicked(viewer, Click())
    assert divmod(dock.position.value(), 128) == (30, 50)
    viewer.layers.remove("discs")
    assert WINDOW not in viewer.layers


def test_channels_have_kernels_of_their_own_and_are_summed(
    viewer: Any, open_dock: Callable[[str], Any], discs: np.ndarray
) -> None:
    colours = np.stack([discs, discs // 2, discs // 4], axis=-1)
    viewer.add_image(colours, name="discs", rgb=True)
    dock = open_dock("Convolution lab")
    dock.run_button.click()
    assert [dock.channel.itemText(index) for index in range(3)] == ["red", "green", "blue"]
    np.testing.assert_array_equal(viewer.layers[MAP].data, colours.sum(axis=-1, dtype=np.float32))
    dock.channel.setCurrentText("green")
    dock.table.item(1, 1).setText("-1")
    signs = np.array([1, -1, 1], np.float32)
    np.testing.assert_array_equal(viewer.layers[MAP].data, (colours * signs).sum(axis=-1))
    dock.step_button.click()
    dock.position.setValue(500)
    assert all(name in dock.sum_line.text() for name in ("red", "green -", "blue", "bias"))


def test_a_stack_is_convolved_plane_by_plane_and_a_large_image_in_view(
    viewer: Any, open_dock: Callable[[str], Any], discs: np.ndarray
) -> None:
    stack = viewer.add_image(np.stack([discs, 255 - discs]), name="discs")
    dock = open_dock("Convolution lab")
    viewer.dims.set_current_step(0, 1)
    dock.run_button.click()
    np.testing.assert_array_equal(viewer.layers[MAP].data, 255 - discs)
    viewer.dims.set_current_step(0, 0)
    np.testing.assert_array_equal(viewer.layers[MAP].data, discs)
    viewer.layers.remove(stack)
    viewer.add_image(np.zeros((3000, 2000), np.uint8), name="large")
    dock.image.layer = viewer.layers["large"]
    dock.run_button.click()
    assert max(viewer.layers["large feature map"].data.shape) <= 1024
    assert "part in view" in dock.status.text()


def test_a_hundred_channels_are_summed(viewer: Any, open_dock: Callable[[str], Any], discs: np.ndarray) -> None:
    cube = np.random.default_rng(0).integers(0, 255, (100, 40, 50)).astype(np.uint8)
    viewer.add_image(cube, name="discs")
    dock = open_dock("Convolution lab")
    dock.run_button.click()
    np.testing.assert_array_equal(viewer.layers[MAP].data, cube[viewer.dims.current_step[0]])
    dock.summed.setCurrentText(STACK)
    np.testing.assert_allclose(viewer.layers[MAP].data, cube.sum(axis=0, dtype=np.float32))
    dock.channel.setCurrentText("channel 42")
    dock.table.item(1, 1).setText("-1")
    expected = cube.sum(axis=0, dtype=np.float32) - 2 * cube[41].astype(np.float32)
    np.testing.assert_allclose(viewer.layers[MAP].data, expected)
    assert "100 channels" in dock.costs.text.text()
    dock.step_button.click()
    assert dock.sum_line.text().startswith("channel 42 -")
    assert "99 other channels" in dock.sum_line.text()
    viewer.add_image(np.zeros((50, 1500, 1500), np.uint8), name="large")
    dock.image.layer = viewer.layers["large"]
    dock.summed.setCurrentText(STACK)
    dock.run_button.click()
    assert viewer.layers["large feature map"].data.size <= 3 * 1024**2 / 50


def test_visible_layers_can_be_channels(viewer: Any, dock: LabDock, discs: np.ndarray) -> None:
    for name, factor in (("half", 2), ("quarter", 4)):
        viewer.add_image(discs // factor, name=name, scale=(0.5, 0.5), units=("um", "um"), translate=(10, 20))
    dock.image.layer = viewer.layers["discs"]
    viewer.layers["half"].visible = False
    dock.run_button.click()
    dock.summed.setCurrentText(LAYERS)
    np.testing.assert_array_equal(viewer.layers[MAP].data, discs + (discs // 4).astype(np.float32))
    assert [dock.channel.itemText(index) for index in range(2)] == ["discs", "quarter"]


def test_without_an_image_or_with_a_small_one_the_user_is_told(
    viewer: Any, open_dock: Callable[[str], Any], told: list[str]
) -> None:
    dock = open_dock("Convolution lab")
    dock.run_button.click()
    viewer.add_image(np.zeros((4, 4), np.float32), name="small")
    dock.form.widget("padding").setCurrentText("valid")
    dock.form.widget("size").setCurrentText("5 x 5")
    assert "Open an image first" in told[0]
    assert "A window of 5 pixels does not fit into 4 pixels" in told[-1]


def test_costs_are_those_of_the_open_image(viewer: Any, dock: LabDock) -> None:
    viewer.add_image(np.zeros((1024, 1024), np.uint8), name="large")
    dock.image.layer = viewer.layers["large"]
    text = dock.costs.text.text()
    assert "536,870,912 weights" in text
    assert "576 weights and 64 biases" in text
    assert "932,068 times the weights" in text
    dock.costs.neurons.setValue(1)
    assert "1,048,576 weights and 1 biases" in dock.costs.text.text()
    viewer.layers.clear()
    assert dock.costs.text.text() == "Open an image first."


def test_the_anatomy_of_a_network_is_drawn(qtbot: Any, viewer: Any, dock: LabDock) -> None:
    viewer.window._qt_window.show()
    dock.parent().raise_()
    dock.anatomy_section.set_open(True)
    qtbot.waitUntil(lambda: "parameters" in dock.anatomy.totals.text(), timeout=60_000)
    dock.anatomy.network.setCurrentText("lenet")
    qtbot.waitUntil(lambda: "96 x 96" in dock.anatomy.totals.text() and not dock.anatomy.busy, timeout=60_000)
    assert dock.anatomy.totals.text().endswith("of 1 x 96 x 96, as this network needs it.")
    assert [stage.shape for stage in dock.anatomy.view._stages[:2]] == [(6, 92, 92), (6, 46, 46)]
    assert dock.anatomy.view.grab().toImage().pixelColor(33, 24).name() == "#56b4e9"
    dock.anatomy.network.setCurrentText("alexnet")
    qtbot.waitUntil(lambda: not dock.anatomy.busy, timeout=60_000)
    assert "256 x 6 x 6" in " ".join(" x ".join(map(str, stage.shape)) for stage in dock.anatomy.view._stages)


def test_every_network_has_an_anatomy() -> None:
    for network in set(NETWORKS) - {"resnet34", "resnet101", "resnet152"}:  # as the others, and slower
        (finished,) = anatomy(network, (1, 70, 96), 2)
        stages = finished.result.stages
        assert sum(stage.parameters for stage in stages) == finished.result.parameters
        assert all("+ ReLU" not in stage.name and stage.kind != "batch normalisation" for stage in stages)


def test_what_is_too_small_for_a_network_is_told(viewer: Any, open_dock: Callable[[str], Any]) -> None:
    with pytest.raises(ValueError, match="needs images of at least 63 x 63 pixels"):
        list(anatomy("alexnet", (1, 40, 40), 2))


def test_numbers_and_blocks() -> None:
    assert [number(value) for value in (0.0, -1020.0, 0.0625, 1_234_567.0)] == ["0", "-1020", "0.0625", "1.2e+06"]
    assert [amount(value, "B") for value in (12, 2.5e3, 8.59e9)] == ["12 B", "2.5 kB", "8.59 GB"]
    assert block_size((1, 4096, 4096))[0] <= 66
    assert block_size((2048, 1, 1))[1] <= 36


def test_the_dock_leaves_the_mouse_and_no_worker_when_it_closes(viewer: Any, dock: LabDock) -> None:
    assert dock._clicked in viewer.mouse_drag_callbacks
    viewer.window.remove_dock_widget(dock)
    assert dock._clicked not in viewer.mouse_drag_callbacks


def test_the_lab_needs_no_torch() -> None:
    code = "import sys, napari_microcnn.ui.lab; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "False"
