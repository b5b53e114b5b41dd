"""The Explain dock: what a network sees, and whether that can be trusted."""

from __future__ import annotations

from functools import partial
from typing import Any

from napari.layers import Image
from napari.utils.theme import get_theme
from qtpy.QtCore import QSize
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QComboBox, QFormLayout, QTabWidget

from napari_microcnn.ui import explain_tasks as tasks
from napari_microcnn.ui import jobs, layers
from napari_microcnn.ui.base import Dock
from napari_microcnn.ui.choices import LayerChoice, ModelChoice
from napari_microcnn.ui.explain_tabs import FieldTab, HeatTab, MapsTab
from napari_microcnn.ui.heat import HEAT, INFLUENCE
from napari_microcnn.ui.models import ModelFile
from napari_microcnn.ui.picking import WhereChoice
from napari_microcnn.ui.pictures import icon
from napari_microcnn.ui.serve import Failure
from napari_microcnn.ui.sources import only_current_takes_room
from napari_microcnn.ui.text import quiet
from napari_microcnn.ui.trust import TrustTab

_ICON = 40


class ExplainDock(Dock):
    """Heatmaps, maps of layers, receptive fields and trust checks for classifiers and segmenters."""

    title = "Explain"

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer, "Explain")
        self.image = LayerChoice(self.viewer, Image, "Open an image first", without=(HEAT, INFLUENCE))
        self.model = ModelChoice(self.session, kind=None)
        self.card = quiet()
        self.target = QComboBox()
        self.where = WhereChoice(self.viewer, lambda: self.image.layer)
        self.layer = QComboBox()
        self.layer.setIconSize(QSize(_ICON, _ICON))
        self.layer.setMinimumContentsLength(12)
        self.layer.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.layer.setToolTip("Whose maps are looked at; the pictures show what they make of the image")
        self.rows: tuple[tasks.LayerRow, ...] = ()
        self._survey = jobs.LatestWins(self._show_layers, self._no_layers, "Looking through the layers")
        self._stale = True
        self._lay_out()
        self._connect()
        self._describe_model()

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Image", self.image)
        form.addRow("Model", self.model)
        form.addRow(self.card)
        form.addRow("Class", self.target)
        form.addRow("Where", self.where)
        form.addRow("Layer", self.layer)
        self.body.addLayout(form)
        self.heat, self.maps, self.field, self.trust = HeatTab(self), MapsTab(self), FieldTab(self), TrustTab(self)
        self.tabs = QTabWidget()
        for tab in (self.heat, self.maps, self.field, self.trust):
            self.tabs.addTab(tab, tab.name)
        self.body.addWidget(self.tabs)
        self.body.addStretch(1)
        only_current_takes_room(self.tabs)

    def _connect(self) -> None:
        self.image.layer_changed.connect(self._look_through)
        self.model.model_changed.connect(self._describe_model)
        self.model.failed.connect(self.refuse)
        self.tabs.currentChanged.connect(lambda _: self._turn())
        self.where.picked.connect(self._picked)
        self.viewer.events.theme.connect(self._follow_theme)
        self._follow_theme()

    def prepare(self) -> None:
        """Start what the open tab is about."""
        self.tabs.currentWidget().run()

    def question(self, *, whole: bool = False) -> tasks.Question:
        """Return what is asked for in the upper part of the dock.

        Parameters
        ----------
        whole : bool
            Whether it is about the whole image, whatever is chosen.

        Raises
        ------
        ValueError
            If something is not chosen yet, or does not fit together.
        """
        image, model = self.image.layer, self.model.model
        if image is None:
            raise ValueError("Open an image first: File > Open, or File > Open Sample > MicroCNN.")
        if model is None:
            raise ValueError("Choose a model first: train one in Annotate & train or Classify, or open a file.")
        source = layers.source_of(image)
        channels = 3 if image.rgb else 1
        if {channels, model.channels} != {1, 3} and channels != model.channels:
            raise ValueError(
                f"The model {model.name!r} takes images with {model.channels} channel(s), but {image.name!r} has "
                f"{channels}; choose another model or convert the image."
            )
        plane = layers.current_plane(self.viewer, image)
        where = None if whole else self.where.region(plane)
        config = self.heat.form.value().model_copy(update={"layer": self.layer.currentData()})
        return tasks.Question(source, plane, model.path, self.target.currentData(), where, config)

    @property
    def chosen_layer(self) -> str:
        """Name of the layer that is looked at.

        Raises
        ------
        ValueError
            If the layers are not known yet.
        """
        found = self.layer.currentData() or self.layer.itemData(0, 256)
        if not found:
            raise ValueError("Choose a layer in the list first.")
        return str(found)

    def abandon(self) -> None:
        """End whatever runs for this dock, and listen to no more clicks."""
        self.where.close_down()
        super().abandon()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Look through the layers now if the image or the model changed behind the scenes."""
        super().showEvent(event)
        if self._stale:
            self._look_through()

    def _describe_model(self) -> None:
        model: ModelFile | None = self.model.model
        self.card.setText(model.line if model else "Open a model file, or train one.")
        self.target.clear()
        for info in model.classes if model else ():
            self.target.addItem(info.name, info.id)
        self.target.setCurrentIndex(self.target.count() - 1)
        self._look_through()

    def _look_through(self) -> None:
        """Ask for the layers and what they make of the image, once the dock is in sight."""
        self.rows = ()
        self.layer.clear()
        self.layer.addItem("automatic", None)
        self._stale = not self.isVisible()
        if self._stale or self.image.layer is None or self.model.model is None:
            return
        try:
            self._survey.submit(partial(tasks.survey, self.question(whole=True)))
        except ValueError as error:
            self.say(str(error))

    def _show_layers(self, found: tasks.Surveyed) -> None:
        self.rows = found.rows
        self.layer.setItemText(0, f"automatic: {found.default}" if found.default else "automatic")
        self.layer.setItemData(0, found.default, 256)
        for row in found.rows:
            self.layer.addItem(icon(row.picture, _ICON), row.name, row.name)
            told = f"{row.kind}, maps of {' × '.join(map(str, row.shape))}"
            self.layer.setItemData(self.layer.count() - 1, told, 3)  # the tooltip
        self.layer.view().setMinimumWidth(300)
        self.field.show_rows(found)

    def _no_layers(self, failure: Failure) -> None:
        self.say(failure.message)

    def _picked(self) -> None:
        if self.tabs.currentWidget() is self.field and self.job is None:
            self.attempt(self.field.run)

    def _turn(self) -> None:
        self.run_button.setText(self.tabs.currentWidget().verb)
        self.where.listen(self.tabs.currentWidget() is self.field)
        only_current_takes_room(self.tabs)

    def _follow_theme(self, event: object = None) -> None:  # noqa: ARG002 - napari hands over its event
        theme = get_theme(self.viewer.theme)
        self.trust.curves.follow_theme(theme.background.as_hex(), theme.text.as_hex())
