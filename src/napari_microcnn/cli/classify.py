"""``napari-microcnn classify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from napari_microcnn.cli.options import takes_settings
from napari_microcnn.cli.running import follow, say
from napari_microcnn.cli.train import check_output, train_and_save
from napari_microcnn.config import ClassifierTrainConfig, ClassifyConfig
from napari_microcnn.events import BatchDone, ClassifierEpoch, Event
from napari_microcnn.io.atomic import make_folder
from napari_microcnn.io.errors import printable, reason
from napari_microcnn.io.inputs import named_files
from napari_microcnn.io.pairs import stem_of

if TYPE_CHECKING:
    from napari_microcnn.data.collections import Collection
    from napari_microcnn.data.scores import Predictions
    from napari_microcnn.models import Classifier
    from napari_microcnn.predict.classify import Classification

app = typer.Typer(rich_markup_mode=None)

Sources = Annotated[
    list[Path],
    typer.Argument(
        metavar="SOURCE...",
        help="A folder with a folder of images per class (folders inside these are micrographs), or a CSV table with "
        "the columns file, class and, where known, micrograph.",
    ),
]
ModelFile = Annotated[Path, typer.Option("--model", help="The classifier.")]
Folder = Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")]


@app.command("train", help="Train a classifier on labelled images.")
@takes_settings("settings", ClassifierTrainConfig)
def train(
    sources: Sources,
    output: Annotated[Path, typer.Option("--output", "-o", help="The classifier to write (.safetensors).")],
    settings: ClassifierTrainConfig,
    folds: Annotated[
        int | None, typer.Option(help="Cross-validate with so many folds first; each takes a whole training.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Folder for curves, confusion matrix, scores and held-out predictions.")
    ] = None,
) -> None:
    """Train a classifier and save it; an interruption keeps the best one so far.

    Raises
    ------
    ValueError
        If the images do not allow a training, or the classifier cannot be written.
    """
    if {"epochs", "minutes"} & settings.model_fields_set == {"epochs"}:  # a number of epochs replaces the time
        settings = ClassifierTrainConfig(**{**settings.model_dump(exclude_unset=True), "minutes": None})
    check_output(output)
    if report is not None:
        make_folder(report)
    collection = gathered(sources)
    say(collection.describe() + ".")

    from napari_microcnn.train.classifier import train_classifier
    from napari_microcnn.train.cross_validation import CrossValidation, cross_validate
    from napari_microcnn.train.processes import check_alone
    from napari_microcnn.train.unfinished import Unfinished, training_id

    check_alone()
    crossed: CrossValidation | None = None
    if folds is not None:
        crossed = follow(cross_validate(collection, settings, folds), "Cross-validation")
        typer.echo(f"{folds} folds: {crossed}")
    told = _Told()
    shaping = settings.model_dump(exclude={"device"})
    training = training_id("classify train", shaping, collection.classes, data=collection.images)
    unfinished = Unfinished(output, training)
    job = train_classifier(collection, settings, interrupted=unfinished.interrupted)
    model = train_and_save(job, output, unfinished, told.take)
    judged = crossed.predictions if crossed is not None else told.predictions
    if report is not None and judged is None:
        say("No epoch after the interruption was better, so there are no new predictions to report.")
    if report is not None and judged is not None:
        about: dict[str, Any] = {"model": model.info(), "judged_on": "the images held out"}
        if crossed is not None:
            about |= {"judged_on": "all images, by folds", "folds": list(crossed.folds)}
        typer.echo("\n".join(str(path) for path in _write(report, judged, collection, about, told.curves())))


class _Told:
    """What a training told: its curves, and the predictions of its best epoch."""

    def __init__(self) -> None:
        self.predictions: Predictions | None = None
        self._loss: tuple[list[float], list[float]] = ([], [])
        self._held: tuple[list[float], list[float], list[float]] = ([], [], [])

    def take(self, event: Event) -> None:
        """Remember what belongs into the report."""
        if isinstance(event, BatchDone):
            self._loss[0].append(event.epoch - 1 + event.batch / event.batches)
            self._loss[1].append(event.loss)
        elif isinstance(event, ClassifierEpoch) and not event.settling:
            for values, value in zip(self._held, (event.epoch, event.validation_loss, event.score), strict=True):
                values.append(value)
            self.predictions = event.predictions if event.best else self.predictions

    def curves(self) -> dict[str, dict[str, Any]]:
        """Return the learning curves for a picture."""
        epochs, loss, score = self._held
        return {
            "loss": {"training": self._loss, "held out": (epochs, loss)},
            "balanced accuracy": {"held out": (epochs, score)},
        }


@app.command("predict", help="Give images a class, and with --tiles also a map of classes over each.")
@takes_settings("settings", ClassifyConfig)
def predict(
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="Images, or folders of images.")],
    model: ModelFile,
    output: Folder,
    settings: ClassifyConfig,
) -> None:
    """Classify images; a file that cannot be done is told and does not stop the others.

    Raises
    ------
    ValueError
        If nothing can be done, or after the last file if one of them failed.
    """
    files = named_files(inputs)

    from napari_microcnn.io.read import read_micrograph
    from napari_microcnn.io.report import prediction_columns, write_report
    from napari_microcnn.models import load_classifier
    from napari_microcnn.predict.classify import classify

    loaded = load_classifier(model)
    make_folder(output)
    done: list[Classification] = []
    failed: list[str] = []
    for path in files:
        try:
            found: Classification = follow(
                classify(read_micrograph(path), loaded, settings), f"Classifying {path.name}"
            )
            _write_maps(output, found, stem_of(path))
        except (ValueError, OSError) as error:
            failed.append(reason(path, error))
            say(failed[-1])
            continue
        done.append(found)
        for row in found.rows():
            typer.echo(printable(f"{row['image']}: {row['class']} ({row['probability']:.2f})"))
    if not done:
        raise ValueError(failed[0] if len(files) == 1 else f"None of the {len(files)} files could be classified.")
    names = [row["image"] for found in done for row in found.rows()]
    shares = np.array([one.probabilities for found in done for one in found.planes])
    columns = prediction_columns(names, [info.name for info in loaded.classes], shares)
    about = {"model": loaded.info(), "settings": settings.model_dump(), "computed": done[-1].computed}
    typer.echo(printable("\n".join(str(path) for path in write_report(output, table=columns, about=about))))
    if failed:
        raise ValueError(f"{len(failed)} of {len(files)} files were not classified.")


def _write_maps(folder: Path, found: Classification, stem: str) -> None:
    from napari_microcnn.io.write import write_image
    from napari_microcnn.micrograph import Calibration

    for one in found.planes:
        if one.tiles is None:
            continue
        size = found.micrograph.calibration
        if size is not None:
            step = (size.pixel_size[0] * one.tiles.step[0], size.pixel_size[1] * one.tiles.step[1])
            size = Calibration(step, size.unit, size.source)
        name = "_".join([stem, *(str(index) for index in one.plane), "tiles"])
        write_image(folder / f"{name}.tif", one.tiles.classes, "YX", size, name=name)


@app.command("evaluate", help="Judge a classifier by labelled images that it has not learnt.")
@takes_settings("settings", ClassifyConfig, without=("tiles", "overlap"))
def evaluate(sources: Sources, model: ModelFile, output: Folder, settings: ClassifyConfig) -> None:
    """Classify labelled images and write confusion matrix, scores and predictions.

    Raises
    ------
    ValueError
        If the images cannot be read, or are of classes that the classifier does not know.
    """
    collection = gathered(sources)

    from napari_microcnn.models import load_classifier
    from napari_microcnn.predict.judging import evaluate as judge

    loaded: Classifier = load_classifier(model)
    predictions: Predictions = follow(judge(collection, loaded, settings), "Classifying")
    about = {"model": loaded.info(), "settings": settings.model_dump()}
    paths = _write(output, predictions, collection, about, None, [info.name for info in loaded.classes])
    for name, score in predictions.scores().items():
        typer.echo(f"{name} {score}")
    typer.echo("\n".join(str(path) for path in paths))


def gathered(sources: list[Path]) -> Collection:
    """Return the labelled images of folders and tables together, and tell what was left out."""
    from napari_microcnn.data.collections import joined
    from napari_microcnn.data.gathering import collect

    return joined([collect(source) for source in sources])


def _write(
    folder: Path,
    predictions: Predictions,
    collection: Collection,
    about: dict[str, Any],
    curves: dict[str, dict[str, Any]] | None,
    names: list[str] | None = None,
) -> list[Path]:
    from napari_microcnn.io.report import prediction_columns, write_report

    names = names or [info.name for info in collection.classes]
    columns = prediction_columns(
        predictions.names,
        names,
        predictions.probabilities,
        [names[index] for index in predictions.truth],
        predictions.micrographs,
    )
    scores = {name: [one.value, one.low, one.high] for name, one in predictions.scores().items()}
    return write_report(
        folder,
        table=columns,
        about={"scores_with_95_percent_interval": scores, **about},
        confusion=predictions.confusion,
        names=names,
        curves=curves,
    )
