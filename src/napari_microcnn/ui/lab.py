"""The Convolution lab: convolution and pooling on the open image, live and step by step."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
from napari.layers import Image
from qtpy.QtCore import QSignalBlocker, Qt, QTimer
from qtpy.QtWidgets import QComboBox, QFormLayout, QHBoxLayout, QPushButton, QSlider, QWidget

from napari_microcnn.config import KernelName, LabConfig
from napari_microcnn.explain.kernels import convolve, kernel, pool, step, winner
from napari_microcnn.ui import layers
from napari_microcnn.ui.base import Dock
from napari_microcnn.ui.choices import LayerChoice
from napari_microcnn.ui.forms import Folded, SettingsForm
from napari_microcnn.ui.lab_channels import STACK, ChannelsChoice, plane_of
from napari_microcnn.ui.lab_map import MAP, MapLayers, Plane, limits_of
from napari_microcnn.ui.lab_sections import AnatomySection, CostSection
from napari_microcnn.ui.lab_texts import size_lines, sum_line
from napari_microcnn.ui.lab_views import KernelTable, StepView
from napari_microcnn.ui.text import Sentence, quiet

OWN = "own numbers"
_PACE = 250
"""Milliseconds from one step to the next while it plays."""


class LabDock(Dock):
    """Turn the knobs of a convolution and see what comes out."""

    title = "Convolution lab"
    needs_torch = False

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer, "Convolve all at once")
        self.image = LayerChoice(self.viewer, Image, "No image is open", without=(MAP,))
        self.kernel = QComboBox()
        self.kernel.addItems([*get_args(KernelName), OWN])
        self.channel = QComboBox()
        self.channel.setToolTip("Every channel has its own kernel: whose weights and numbers are shown")
        self.summed = ChannelsChoice()
        self.table = KernelTable()
        self.form = SettingsForm(LabConfig, ("size", "stride", "padding", "bias", "relu", "pooling", "window"))
        self.form.layout().labelForField(self.form.widget("relu")).setText("ReLU")
        self.sizes = quiet()
        self.step_button = QPushButton("Step by step")
        self.step_button.setCheckable(True)
        self.back_button, self.play_button, self.next_button = (QPushButton(text) for text in ("◂", "Play", "▸"))
        self.position = QSlider(Qt.Orientation.Horizontal)
        self.step_view = StepView()
        self.sum_line = Sentence()
        self.costs = CostSection()
        self.anatomy = AnatomySection()
        self._maps = MapLayers(self.viewer)
        self._weights = np.zeros((1, 3, 3), np.float32)
        self._plane: Plane | None = None
        self._map = self._pooled = np.zeros((0, 0), np.float32)
        self._timer = QTimer(self)
        self._timer.setInterval(_PACE)
        self.stop_button.hide()
        self._lay_out()
        self._choose_kernel(draw=False)
        self._connect()
        self._image_changed()

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.addRow("Image", self.image)
        form.addRow("Kernel", self.kernel)
        form.addRow("Sum over", self.summed)
        form.addRow("Channel", self.channel)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._top = form
        self.body.addLayout(form)
        self.body.addWidget(self.table)
        self.body.addWidget(self.form)
        self.body.addWidget(self.sizes)
        row = QHBoxLayout()
        row.addWidget(self.step_button, 3)
        for button in (self.back_button, self.play_button, self.next_button):
            row.addWidget(button, 1)
        self.body.addLayout(row)
        self._steps_shown: tuple[QWidget, ...] = (self.position, self.step_view, self.sum_line)
        for widget in self._steps_shown:
            self.body.addWidget(widget)
        self.costs_section = Folded("MLP against convolution", self.costs)
        self.body.addWidget(self.costs_section)
        self.anatomy_section = Folded("Anatomy of a network", self.anatomy)
        self.body.addWidget(self.anatomy_section)
        self.body.addStretch(1)

    def _connect(self) -> None:
        self.image.layer_changed.connect(self._image_changed)
        self.kernel.currentTextChanged.connect(lambda _: self._choose_kernel())
        self.summed.currentIndexChanged.connect(lambda _: self._draw())
        self.channel.currentIndexChanged.connect(lambda _: self._show_channel())
        self.table.typed.connect(self._typed)
        self.table.refused.connect(self.refuse)
        self.form.changed.connect(self._draw)
        self.step_button.toggled.connect(lambda _: self._stepping_changed())
        self.back_button.clicked.connect(lambda: self.position.setValue(self.position.value() - 1))
        self.next_button.clicked.connect(lambda: self.position.setValue(self.position.value() + 1))
        self.play_button.clicked.connect(self._play)
        self._timer.timeout.connect(self._advance)
        self.position.valueChanged.connect(lambda _: self.attempt(self._show_step))
        self.anatomy.failed.connect(self.fail)
        self.viewer.mouse_drag_callbacks.append(self._clicked)
        self.viewer.dims.events.current_step.connect(self._plane_changed)

    # The feature map

    def prepare(self) -> None:
        """Draw the feature map at once."""
        self.step_button.setChecked(False)
        self.draw()

    def draw(self) -> None:
        """Convolve the image and show the map, all of it or step by step.

        Raises
        ------
        ValueError
            If no image is open, or the kernel does not fit into it.
        """
        layer = self.image.layer
        if layer is None:
            raise ValueError("Open an image first; the kernel needs something to look at.")
        layers.micrograph_of(layer)  # refuses what is no image for us
        self._offer()
        self._plane = plane_of(self.viewer, layer, self.summed.currentText())
        config = self.form.value()
        self._fit_channels(self._plane.names)
        self._fit_size(config.side)
        self._map = convolve(self._plane.pixels, self._weights, config)
        self._pooled = pool(self._map, config)
        self.sizes.setText(size_lines(self._plane.pixels.shape, config))
        with QSignalBlocker(self.position):
            self.position.setRange(0, self._pooled.size - 1)
        self._show_step() if self.stepping else self._show_map(self._pooled)
        self.say("" if self._plane.whole else "The image is large: this is the part in view.")

    def _draw(self) -> None:
        self.attempt(self.draw)

    def _show_map(self, values: np.ndarray) -> None:
        self._maps.show(self.image.layer, self._plane, values, self.form.value(), limits_of(self._pooled))

    # The kernel

    def _choose_kernel(self, draw: bool = True) -> None:
        """Take the kernel of this name for every channel; own numbers stay as they are."""
        name = self.kernel.currentText()
        if name != OWN:
            one = kernel(name, self.form.value().side)
            self._weights = np.repeat(one[None], len(self._weights), axis=0)
        self._show_weights()
        if draw:
            self._draw()

    def _fit_size(self, side: int) -> None:
        """Have kernels of this size: own numbers stay in their middle."""
        before = self._weights.shape[1]
        if before == side:
            return
        if self.kernel.currentText() == OWN:
            grow = (side - before) // 2
            margins = ((0, 0), (grow, grow), (grow, grow))
            self._weights = np.pad(self._weights, margins) if grow > 0 else self._weights[:, -grow:grow, -grow:grow]
        else:
            self._weights = np.repeat(kernel(self.kernel.currentText(), side)[None], len(self._weights), axis=0)
        self._show_weights()

    def _typed(self) -> None:
        self._weights[self._shown_channel] = self.table.weights
        with QSignalBlocker(self.kernel):
            self.kernel.setCurrentText(OWN)
        self._draw()

    @property
    def _shown_channel(self) -> int:
        return max(0, self.channel.currentIndex())

    def _show_weights(self) -> None:
        self.table.weights = self._weights[min(self._shown_channel, len(self._weights) - 1)]

    def _show_channel(self) -> None:
        self._show_weights()
        if self.stepping and self._plane is not None:
            self.attempt(self._show_step)

    def _fit_channels(self, names: tuple[str, ...]) -> None:
        """Have a kernel for every channel: new ones like the first."""
        self._top.setRowVisible(self.channel, len(names) > 1)
        self.costs.shape = self.anatomy.shape = (len(names), *layers.shape_of(self.image.layer)[-2:])
        if names == tuple(self.channel.itemText(index) for index in range(self.channel.count())):
            return
        if len(self._weights) != len(names):
            self._weights = np.repeat(self._weights[:1], len(names), axis=0)
        with QSignalBlocker(self.channel):
            self.channel.clear()
            self.channel.addItems(names)
        self._show_weights()

    # Step by step

    @property
    def stepping(self) -> bool:
        """Whether the map is made position by position."""
        return self.step_button.isChecked()

    def _stepping_changed(self) -> None:
        self._show_steps_widgets()
        if not self.stepping:
            self._timer.stop()
            self.play_button.setText("Play")
            self._maps.unmark()
        if self.image.layer is not None:
            self._draw()

    def _show_steps_widgets(self) -> None:
        for widget in (*self._steps_shown, self.back_button, self.play_button, self.next_button):
            widget.setVisible(self.stepping)

    def _play(self) -> None:
        playing = self._timer.isActive()
        self._timer.stop() if playing else self._timer.start()
        self.play_button.setText("Play" if playing else "Pause")

    def _advance(self) -> None:
        if self.position.value() >= self.position.maximum():
            self._play()
        self.position.setValue(self.position.value() + 1)

    def _show_step(self) -> None:
        """Show the numbers at the position, and the map up to there."""
        if not self.stepping or self._plane is None or self.image.layer not in self.viewer.layers:
            return
        config = self.form.value()
        result = divmod(self.position.value(), self._pooled.shape[1])
        row, column = winner(self._map, config, *result)
        one = step(self._plane.pixels, self._weights, config, row, column)
        self.step_view.show_step(one, self._shown_channel)
        names, shown = self._plane.names, self._shown_channel
        self.sum_line.setText(sum_line(one, names, shown, config, float(self._pooled[result])))
        until_here = self._pooled.copy()
        until_here.ravel()[self.position.value() + 1 :] = np.nan
        self._show_map(until_here)
        self._maps.mark(self.image.layer, self._plane, config, (one.row, one.column), result)

    def _clicked(self, viewer: Any, event: Any) -> None:  # noqa: ARG002 - napari hands over its viewer
        """Put the kernel where the user clicks in the image."""
        layer = self.image.layer
        if not self.stepping or self._plane is None or layer is None or not self.isVisible():
            return
        config = self.form.value()
        jump = config.stride * (1 if config.pooling == "none" else config.window)
        at = np.subtract(layer.world_to_data(event.position)[-2:], self._plane.origin)
        inside = np.all(at > -0.5) and np.all(at < np.array(self._plane.pixels.shape[1:]) - 0.5)
        if inside:
            row, column = np.clip(np.round(at / jump).astype(int), 0, np.array(self._pooled.shape) - 1)
            self.position.setValue(int(row * self._pooled.shape[1] + column))

    # The image

    def _image_changed(self) -> None:
        layer = self.image.layer
        self._plane = None
        self.step_button.setChecked(False)
        self._show_steps_widgets()
        self._offer()
        self._top.setRowVisible(self.channel, bool(layer is not None and layer.rgb))
        shape = None if layer is None else (3 if layer.rgb else 1, *layers.shape_of(layer)[-2:])
        self.costs.shape = self.anatomy.shape = shape
        if layer is not None and self._maps.shown(layer) is not None:
            self._draw()

    def _offer(self) -> None:
        """Offer what can be summed over."""
        self.summed.offer(self.viewer, self.image.layer)
        self._top.setRowVisible(self.summed, self.summed.count() > 1)

    def _plane_changed(self, event: object = None) -> None:  # noqa: ARG002 - napari hands over its event
        """Follow the slider of a stack."""
        layer = self.image.layer
        fixed = 3 if self.summed.currentText() == STACK else 2  # dimensions that the sliders do not move through
        if layer is not None and len(layers.shape_of(layer)) > fixed and self._maps.shown(layer) is not None:
            self._draw()

    def abandon(self) -> None:
        """End whatever runs for this dock."""
        super().abandon()
        self.viewer.dims.events.current_step.disconnect(self._plane_changed)
        self._timer.stop()
        self.anatomy.abandon()
        if self._clicked in self.viewer.mouse_drag_callbacks:
            self.viewer.mouse_drag_callbacks.remove(self._clicked)
