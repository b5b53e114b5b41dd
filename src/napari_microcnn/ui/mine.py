"""Models from synthetic pictures, in the Synthesize dock: "make it look like mine", and "train your own"."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_microcnn.config import SyntheticTrainConfig
from napari_microcnn.config.adapting import AdaptConfig
from napari_microcnn.events import BatchDone, EpochDone, Event, Job, Progress
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.ui import layers, mine_tasks
from napari_microcnn.ui.choices import LayerChoice, ModelChoice
from napari_microcnn.ui.forms import Folded, SettingsForm
from napari_microcnn.ui.pairing import OnDisk
from napari_microcnn.ui.text import Sentence, quiet

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_microcnn.ui.base import Dock
    from napari_microcnn.ui.polycrystal import Polycrystal
    from napari_microcnn.ui.session import Session


class MineSection(QWidget):
    """Which image to look like, and which model to adapt.

    Attributes
    ----------
    look_wanted, model_wanted : Signal()
        The look should be measured; the model should be adapted.
    """

    look_wanted = Signal()
    model_wanted = Signal()

    def __init__(self, viewer: ViewerModel, session: Session) -> None:
        super().__init__()
        self.image = LayerChoice(viewer, Image, "Open an image first", without=("image", "steel", "Ising", "like mine"))
        self.model = ModelChoice(session, follow=False)
        self.form = SettingsForm(AdaptConfig, ("pictures",))
        self.look_button = QPushButton("Take over its look")
        self.look_button.setToolTip("Set the generator to the look of this image, and show both side by side.")
        self.adapt_button = QPushButton("Adapt the model")
        self.adapt_button.setToolTip("Train the model on pictures like this image; it is kept only if it is better.")
        self.result = Sentence()
        form = QFormLayout()
        form.addRow("Image", self.image)
        form.addRow("Model", self.model)
        row = QHBoxLayout()
        row.addWidget(self.look_button)
        row.addWidget(self.adapt_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addWidget(self.form)
        layout.addLayout(row)
        layout.addWidget(self.result)
        self.look_button.clicked.connect(self.look_wanted)
        self.adapt_button.clicked.connect(self.model_wanted)


class OwnSection(QWidget):
    """A training from nothing but synthetic polycrystals.

    Attributes
    ----------
    wanted : Signal()
        The training should begin.
    """

    wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.form = SettingsForm(
            SyntheticTrainConfig, ("steps", "batch", "patch", "width", "depth", "learning_rate", "seed")
        )
        self.button = QPushButton("Train a model")
        self.button.setToolTip("Train a model of grain boundaries; it is offered in every dock.")
        self.result = Sentence()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(quiet("Polycrystals of all looks, made while it learns: steps × batch pictures."))
        layout.addWidget(self.form)
        layout.addWidget(self.button)
        layout.addWidget(self.result)
        self.button.clicked.connect(self.wanted)


class ModelsOfMine:
    """What the two sections do in their dock.

    Parameters
    ----------
    dock : Dock
        Runs their jobs.
    page : Polycrystal
        Its generator takes over the look.
    seed : callable
        Returns the seed of the picture to be made.

    Attributes
    ----------
    mine : MineSection
    own : OwnSection
    folds : tuple of Folded
        Both, folded.
    """

    def __init__(self, dock: Dock, page: Polycrystal, seed: Callable[[], int]) -> None:
        self._dock, self._page, self._seed = dock, page, seed
        self.mine, self.own = MineSection(dock.viewer, dock.session), OwnSection()
        self.folds = (Folded("Make it look like mine", self.mine), Folded("Train your own", self.own))
        self.mine.look_wanted.connect(lambda: dock.attempt(self.take_look))
        self.mine.model_wanted.connect(lambda: dock.attempt(self.adapt))
        self.own.wanted.connect(lambda: dock.attempt(self.train))

    def take_look(self) -> None:
        """Set the generator to the look of the chosen image.

        Raises
        ------
        ValueError
            If there is no image or no model, or another job is running here.
        """
        source, model = self._chosen()
        self.mine.result.setText("")
        job = partial(mine_tasks.measure_mine, source, model, self._seed())
        self._start(job, "Measuring the look", self._show_look, "Stopped; the settings are as they were.")

    def adapt(self) -> None:
        """Adapt the chosen model to the chosen image; see `take_look` for errors."""
        source, model = self._chosen()
        self.mine.result.setText("")
        target = self._dock.session.new_model_file(f"{model.stem} like {source.name}")
        job = partial(mine_tasks.adapt_to_mine, source, model, self.mine.form.value(), target)
        show = partial(self._show_model, self.mine)
        self._start(job, "Adapting the model", show, "Stopped; the model is as it was.")

    def train(self) -> None:
        """Train a model on synthetic polycrystals of all looks.

        Raises
        ------
        ValueError
            If another job is running here, or models cannot be kept.
        """
        self._check_free()
        self.own.result.setText("")
        target = self._dock.session.new_model_file("my grain boundaries")
        job = partial(mine_tasks.train_own, self.own.form.value(), target)
        show = partial(self._show_model, self.own)
        self._start(job, "Training a model", show, f"Stopped; if an epoch was finished, its model is {target}.")

    def _check_free(self) -> None:
        if self._dock.job is not None:
            raise ValueError("A job of this dock is running; start the next one when it has ended.")

    def _chosen(self) -> tuple[Micrograph | OnDisk, Path]:
        """Return a micrograph or its file, and the model's file."""
        self._check_free()
        image, model = self.mine.image.layer, self.mine.model.model
        if image is None:
            raise ValueError("Open an image first: File > Open, or File > Open Sample > MicroCNN.")
        if model is None or model.objects is None or model.objects.kind != "grains":
            raise ValueError("Choose a model of grain boundaries, such as the one that comes with the package.")
        return layers.source_of(image), model.path

    def _start(self, job: Callable[[], Job[Any]], name: str, show: Callable[[Any], None], stopped: str) -> None:
        self._dock.start(job, name, on_finished=show, on_event=self._follow, on_stopped=lambda: self._dock.say(stopped))

    def _follow(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._dock.advance(event.done, event.total)
        elif isinstance(event, BatchDone):
            share = (event.batch / event.batches) if event.batches else 0
            left = event.seconds_left
            self._dock.advance(share if left is None else 1, 1 if left is None else 1 + left / 10, left)
            self._dock.say(f"Epoch {event.epoch}, loss {event.loss:.3f}")
        elif isinstance(event, EpochDone):
            self._dock.say(f"Epoch {event.epoch}: mean IoU {event.iou:.3f} on pictures held out")

    def _show_look(self, found: mine_tasks.Mine) -> None:
        page, side = self._page, self._page.size.currentData()
        scaled = max(2, round(found.structure.grains * side**2 / (found.structure.height * found.structure.width)))
        structure = found.structure.model_copy(update={"grains": scaled})
        page.structure.set_value(structure)
        page.more.set_value(structure)
        page.imaging.set_value(found.imaging)
        layers.put_image(self._dock.viewer, "like mine", found.pair, source="synthetic", about={})
        self._dock.viewer.reset_view()  # the pair is twice as wide as what was in sight
        look = found.imaging
        lines = "no lines" if look.lines == "none" else f"{look.lines} lines of contrast {look.line_contrast:.2f}"
        self.mine.result.setText(
            f"{lines}, grey steps {look.grain_contrast:.2f}, texture {look.texture:.2f}, noise "
            f"{max(look.readout_noise, look.shot_noise):.2f}, blur {look.blur:.1f} px, at {found.magnification:g} times"
        )
        self._dock.inform("Your image is on the left, a synthetic one on the right; the settings follow it.")

    def _show_model(self, section: MineSection | OwnSection, learnt: mine_tasks.Learnt) -> None:
        section.result.setText(learnt.sentence)
        if learnt.model is not None:
            self._dock.session.add(learnt.model)
            self._dock.inform(f"{learnt.model.name} is offered in all docks. {learnt.model.line}")
        else:
            self._dock.inform("The self-check found no gain, so the model stays as it was.")
