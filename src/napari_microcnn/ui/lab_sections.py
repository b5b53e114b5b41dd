"""Sections of the Convolution lab on whole networks: what they cost, and what they are made of."""

from __future__ import annotations

from functools import partial
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QComboBox, QFormLayout, QScrollArea, QSpinBox, QVBoxLayout, QWidget

from napari_microcnn.explain.costs import Cost, convolution_cost, dense_cost
from napari_microcnn.ui import jobs
from napari_microcnn.ui.lab_tasks import NETWORKS, Anatomy, anatomy
from napari_microcnn.ui.lab_texts import amount
from napari_microcnn.ui.lab_views import AnatomyView
from napari_microcnn.ui.scroll import VerticalScroll
from napari_microcnn.ui.text import Sentence, quiet

Shape = tuple[int, int, int]
_NO_IMAGE = "Open an image first."


class CostSection(QWidget):
    """Weights and memory of one dense layer and of one convolution, for the image that is open."""

    def __init__(self) -> None:
        super().__init__()
        self._shape: Shape | None = None
        self.neurons, self.filters = QSpinBox(), QSpinBox()
        self.neurons.setRange(1, 65_536)
        self.neurons.setValue(512)
        self.filters.setRange(1, 4096)
        self.filters.setValue(64)
        self.text = Sentence(_NO_IMAGE)
        form = QFormLayout()
        form.addRow("Neurons of the hidden layer", self.neurons)
        form.addRow("Filters of 3 x 3", self.filters)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addWidget(self.text)
        for spin in (self.neurons, self.filters):
            spin.valueChanged.connect(lambda _: self._tell())

    @property
    def shape(self) -> Shape | None:
        """Channels, height and width of the image; None without one."""
        return self._shape

    @shape.setter
    def shape(self, shape: Shape | None) -> None:
        self._shape = shape
        self._tell()

    def _tell(self) -> None:
        if self._shape is None:
            self.text.setText(_NO_IMAGE)
            return
        dense = dense_cost(*self._shape, self.neurons.value())
        convolution = convolution_cost(*self._shape, self.filters.value())
        channels, height, width = self._shape
        self.text.setText(
            f"Image: {height} x {width} pixels, {channels} channel{'s' if channels > 1 else ''}\n"
            f"{_costs('MLP', dense)}\n{_costs('Convolution', convolution)}\n"
            f"The MLP has {dense.weights / convolution.weights:,.0f} times the weights."
        )


def _costs(name: str, cost: Cost) -> str:
    return (
        f"{name}: {cost.weights:,} weights and {cost.biases:,} biases ({amount(4 * cost.parameters, 'B')}), "
        f"{amount(cost.training, 'B')} to train on one image"
    )


class AnatomySection(QWidget):
    """The layers of a network as a diagram, for the image that is open.

    Attributes
    ----------
    failed : Signal(object)
        Emitted with a `Failure` when the network does not take the image.
    """

    failed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._shape: Shape | None = None
        self._wanted: tuple[Any, ...] | None = None
        self.network = QComboBox()
        self.network.addItems(NETWORKS)
        self.network.setCurrentText("conv-pool")
        self.classes = QSpinBox()
        self.classes.setRange(2, 1000)
        self.totals = quiet(_NO_IMAGE)
        self.view = AnatomyView()
        scroll = VerticalScroll()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setWidget(self.view)
        scroll.setFixedHeight(330)
        form = QFormLayout()
        form.addRow("Network", self.network)
        form.addRow("Classes", self.classes)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addWidget(self.totals)
        layout.addWidget(scroll)
        self._job = jobs.LatestWins(self._show, self.failed.emit, "Anatomy of a network")
        self.network.currentTextChanged.connect(lambda _: self._reckon())
        self.classes.valueChanged.connect(lambda _: self._reckon())

    @property
    def shape(self) -> Shape | None:
        """Channels, height and width of the image; None without one."""
        return self._shape

    @shape.setter
    def shape(self, shape: Shape | None) -> None:
        self._shape = shape
        self._reckon()

    @property
    def busy(self) -> bool:
        """Whether a network is being reckoned."""
        return self._job.busy

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Reckon only when somebody looks: it takes a worker."""
        super().showEvent(event)
        self._reckon()

    def abandon(self) -> None:
        """End what runs."""
        self._job.abandon()

    def _reckon(self) -> None:
        if self._shape is None:
            self._wanted = None
            self.totals.setText(_NO_IMAGE)
            self.view.show_stages(())
            return
        wanted = (self.network.currentText(), self._shape, self.classes.value())
        if self.isVisible() and wanted != self._wanted:
            self._wanted = wanted
            self._job.submit(partial(anatomy, *wanted))

    def _show(self, found: Anatomy) -> None:
        channels, height, width = found.shape
        given = "" if found.shape == self._shape else ", as this network needs it"
        self.totals.setText(
            f"{found.parameters:,} parameters ({amount(found.weights, 'B')}); results of all layers "
            f"{amount(found.activations, 'B')}; {amount(found.training, 'B')} to train on one image of "
            f"{channels} x {height} x {width}{given}."
        )
        self.view.show_stages(found.stages)
