"""``napari-microcnn train``."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import numpy as np
import typer

from napari_microcnn.cli.options import takes_settings
from napari_microcnn.cli.running import follow, say
from napari_microcnn.config import PALETTE, ClassInfo, SyntheticTrainConfig, TrainConfig
from napari_microcnn.events import ClassifierEpoch, EpochDone, Event, result_of, score_of
from napari_microcnn.io.atomic import make_folder
from napari_microcnn.io.pairs import pair_files

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_microcnn.data.annotations import Annotated as AnnotatedImage
    from napari_microcnn.events import Job
    from napari_microcnn.models import Classifier, Model
    from napari_microcnn.train.unfinished import Unfinished

AnyModel = TypeVar("AnyModel", "Model", "Classifier")


@takes_settings("settings", TrainConfig)
def train(
    images: Annotated[list[Path], typer.Option("--images", help="Micrographs: a folder, or a file; may be repeated.")],
    labels: Annotated[
        list[Path], typer.Option("--labels", help="Their label images: a folder with the same names, or a file.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model to write (.safetensors).")],
    settings: TrainConfig,
    names: Annotated[
        str | None, typer.Option(help="Names of the classes in the order of their numbers: pore,ligament")
    ] = None,
    validation_images: Annotated[
        list[Path] | None, typer.Option("--validation-images", help="Micrographs that only judge the model.")
    ] = None,
    validation_labels: Annotated[
        list[Path] | None, typer.Option("--validation-labels", help="Label images of --validation-images.")
    ] = None,
    resume: Annotated[Path | None, typer.Option("--resume", help="Go on training this model.")] = None,
) -> None:
    """Train a segmenter and save it; an interruption keeps the best model so far.

    Raises
    ------
    ValueError
        If images and labels do not fit together, or the model cannot be written.
    """
    if {"epochs", "minutes"} & settings.model_fields_set == {"epochs"}:  # a number of epochs replaces the time
        settings = TrainConfig(**{**settings.model_dump(exclude_unset=True), "minutes": None})
    check_output(output)
    data = read_pairs(images, labels)
    if validation_images or validation_labels:
        data += read_pairs(validation_images or [], validation_labels or [], validation=True)
    classes = classes_of(data, settings.dense, names.split(",") if names else [])

    from napari_microcnn.models import load_model
    from napari_microcnn.train.processes import check_agreed, group
    from napari_microcnn.train.segmenter import train_segmenter
    from napari_microcnn.train.unfinished import Unfinished, training_id

    before = load_model(resume) if resume else None
    training = training_id(
        "train", settings.model_dump(exclude={"device"}), classes, before and before.sha256, data=data
    )
    with group() as first:
        unfinished = Unfinished(output, training)
        check_agreed(unfinished.epoch)
        job = train_segmenter(data, classes, settings, resume=before, interrupted=unfinished.interrupted)
        if first:
            train_and_save(job, output, unfinished)
        else:
            result_of(job)


@takes_settings("settings", SyntheticTrainConfig)
def train_synthetic(
    output: Annotated[Path, typer.Option("--output", "-o", help="The model to write (.safetensors).")],
    settings: SyntheticTrainConfig,
    world: Annotated[
        Literal["grains", "particles", "textures"], typer.Option(help="What the micrographs show.")
    ] = "grains",
    start: Annotated[str, typer.Option(help="Shipped model or file whose training goes on; without: a new one.")] = "",
) -> None:
    """Train a model of grain boundaries, of nanoparticles or of many textures on synthetic micrographs and save it.

    Raises
    ------
    ValueError
        If the model cannot be written, or `start` is not a model of the same kind.
    """
    check_output(output)

    from napari_microcnn.models import load_model
    from napari_microcnn.train.particles import train_on_particles
    from napari_microcnn.train.processes import check_alone
    from napari_microcnn.train.synthetic import train_on_synthetic
    from napari_microcnn.train.textures import train_on_textures
    from napari_microcnn.train.unfinished import Unfinished, training_id

    check_alone()
    before = load_model(start) if start else None
    teach = {"grains": train_on_synthetic, "particles": train_on_particles, "textures": train_on_textures}[world]
    shaping = settings.model_dump(exclude={"device", "workers"})
    unfinished = Unfinished(output, training_id("train-synthetic", world, shaping, before and before.sha256))
    train_and_save(teach(settings, start=before, interrupted=unfinished.interrupted), output, unfinished)


def check_output(output: Path) -> None:
    """Make sure that a model can be written there, before any work is done.

    Raises
    ------
    ValueError
        If the name is a folder, has another ending, or its folder cannot be made.
    """
    if output.is_dir():
        raise ValueError(f"{output} is a folder; name the model file to write, like {output / 'model.safetensors'}.")
    if output.suffix not in ("", ".safetensors"):
        raise ValueError(f"{output} does not end in .safetensors, as models do; change the name.")
    make_folder(output.parent)


def train_and_save(
    job: Job[AnyModel],
    output: Path,
    unfinished: Unfinished | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> AnyModel:
    """Run a training and save its model; after an interruption save the best one that was reached.

    Parameters
    ----------
    job : Job
    output : Path
    unfinished : Unfinished, optional
        Keeps the best model so far while the training runs, so that a killed one can go on; `job` must go on from
        what it found.
    on_event : callable, optional
        Called with every event.
    """
    best = _Best(unfinished, on_event)
    try:
        model: AnyModel = follow(job, "Training", best.take)
    except KeyboardInterrupt:
        if best.model is not None:
            path = _save(best.marked(best.model), output)
            more = "; the same command goes on with the training" if unfinished and unfinished.path.is_file() else ""
            say(f"The best model so far (epoch {best.epoch}, {best.score}) is in {path}{more}.")
        else:
            say("No epoch was finished, so there is no model to keep.")
        raise
    path = _save(best.marked(model), output)
    if unfinished is not None:
        unfinished.remove()
    score = f", {best.score} on {_held_out(model)} (epoch {best.epoch})" if best.model is not None else ""
    typer.echo(f"{path}: {', '.join(entry.name for entry in model.classes)}{score}")
    return model


class _Best:
    """The best model so far, which is also kept in a file as long as the training is unfinished."""

    def __init__(self, unfinished: Unfinished | None, on_event: Callable[[Event], None] | None) -> None:
        self._unfinished, self._on_event, self._keeps = unfinished, on_event, unfinished is not None
        self.model: Model | Classifier | None = None
        self.epoch, self.score = 0, ""
        if unfinished is not None and unfinished.notice:
            say(unfinished.notice)
        if unfinished is not None and (before := unfinished.interrupted) is not None:
            self.model, self.epoch, self.score = before.model, before.reached.epoch, before.score

    def take(self, event: Event) -> None:
        """Take in what the training tells."""
        if isinstance(event, EpochDone | ClassifierEpoch) and event.model is not None:
            self.model, self.epoch, self.score = event.model, event.epoch, _score(event)
            self._keep(event)
        if self._on_event is not None:
            self._on_event(event)

    def _keep(self, event: EpochDone | ClassifierEpoch) -> None:
        if self._unfinished is None or not self._keeps or event.model is None or event.reached is None:
            return
        try:
            self._unfinished.save(event.model, event.reached, self.score)
        except ValueError as error:  # a full disk must not end a training that is going well
            say(f"The best model could not be saved: {error} Training goes on.")
            self._keeps = False

    def marked(self, model: Model | Classifier) -> Model | Classifier:
        """Return a model that tells of interruptions."""
        return model if self._unfinished is None else self._unfinished.marked(model)


def _held_out(model: Model | Classifier) -> str:
    from napari_microcnn.models import Model

    return "held-out annotation" if isinstance(model, Model) else "the images held out"


def _score(epoch: EpochDone | ClassifierEpoch) -> str:
    return f"IoU {score_of(epoch)}" if isinstance(epoch, EpochDone) else f"balanced accuracy {epoch.score:.3f}"


def _save(model: Model | Classifier, output: Path) -> Path:
    """Save a model under the name of its file; where that fails, for the training's sake, among the temporary files.

    Raises
    ------
    ValueError
        If the model is not where it should be; tells where it is.
    """
    from napari_microcnn.train.unfinished import save_any

    named = replace(model, name=output.stem)
    try:
        return save_any(named, output)
    except ValueError as error:
        rescued = save_any(named, Path(tempfile.mkdtemp(prefix="napari-microcnn-")) / output.name)
        raise ValueError(f"{error} The model is in {rescued} instead; move it to where you want it.") from error


def read_pairs(images: Sequence[Path], labels: Sequence[Path], *, validation: bool = False) -> list[AnnotatedImage]:
    """Read images with their label images: files in the order given, and what pairs by name in folders.

    Raises
    ------
    ValueError
        If a file cannot be read, or a label image does not fit its image.
    """
    from napari_microcnn.data.files import read_annotated

    if len(images) != len(labels):
        word = "validation-" if validation else ""
        raise ValueError(f"--{word}images is given {len(images)} and --{word}labels {len(labels)} times; give both.")
    found: list[tuple[Path, Path]] = []
    for one, other in zip(images, labels, strict=True):
        if one.is_file() and other.is_file():
            found.append((one, other))
            continue
        paired, report = pair_files(one, other)
        found += paired
        if report:
            say(report)
    return [read_annotated(one, other, validation=validation) for one, other in found]


def classes_of(data: Sequence[AnnotatedImage], dense: bool, names: Sequence[str]) -> list[ClassInfo]:
    """Return the classes that occur in the annotations, with names and colours.

    Raises
    ------
    ValueError
        If there are fewer than two classes, an id too large, or not one name per class.
    """
    values = sorted({int(value) for entry in data for value in np.unique(entry.annotation)})
    ids = [value for value in values if dense or value != 0]
    if ids and not 0 <= ids[0] <= ids[-1] <= 254:
        raise ValueError(f"Class ids go from 0 to 254, but the label images hold {ids[0]} to {ids[-1]}.")
    if len(ids) < 2:
        hint = "" if dense else "; 0 counts as not annotated, unless --dense is given"
        raise ValueError(f"At least two classes are needed, but the label images hold {ids or 'none'}{hint}.")
    if names and len(names) != len(ids):
        raise ValueError(f"--names gives {len(names)} names, but the label images hold {len(ids)} classes: {ids}.")
    texts = [name.strip() for name in names] or [f"class {value}" for value in ids]
    return [
        ClassInfo(id=value, name=text, colour=PALETTE[index % len(PALETTE)])
        for index, (value, text) in enumerate(zip(ids, texts, strict=True))
    ]
