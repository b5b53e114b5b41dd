"""Python lines and command lines that repeat what was done."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from napari_microcnn.config import (
    ClassifierTrainConfig,
    ClassInfo,
    ImagingConfig,
    IsingConfig,
    NanoparticlesConfig,
    SegmentConfig,
    Settings,
    SteelConfig,
    TrainConfig,
    VoronoiConfig,
)
from napari_microcnn.io.pairs import stem_of
from napari_microcnn.io.provenance import command_line
from napari_microcnn.micrograph import BY_HAND, Calibration

_WISHES = ("keep_probabilities", "keep_uncertainty")
"""What the command line says in other words."""


@dataclass(frozen=True)
class Script:
    """The same run twice.

    Attributes
    ----------
    python : str
        A whole Python program.
    command : str
        A command line.
    """

    python: str
    command: str

    @property
    def text(self) -> str:
        """The Python program with the command line in a comment."""
        return f"# On a command line:\n# {self.command}\n\n{self.python}"


@dataclass(frozen=True)
class TrainingFiles:
    """An image, its label image, and whether it only judges the model."""

    image: Path
    labels: Path
    validation: bool = False


def options_of(config: Settings) -> dict[str, Any]:
    """Return the settings that differ from the defaults as options for `command_line`.

    Examples
    --------
    >>> options_of(TrainConfig(epochs=3, minutes=None, augment=False))
    {'minutes': 'none', 'epochs': 3, 'no_augment': True}
    """
    found: dict[str, Any] = {}
    for name, value in config.model_dump(exclude_defaults=True).items():
        if isinstance(value, bool):
            found[name if value else f"no_{name}"] = True
        else:
            found[name] = "none" if value is None else value
    if isinstance(config, TrainConfig) and config.epochs is not None and config.minutes is not None:
        found["minutes"] = config.minutes  # epochs alone would mean no limit of time
    return found


def segment_command(
    source: Path | str,
    model: str,
    config: SegmentConfig,
    folder: Path | str,
    precision: str | None = None,
    calibration: Calibration | None = None,
    formats: Collection[str] = (),
) -> str:
    """Return the command line that segments an image in the same way, on computers with other defaults too.

    Parameters
    ----------
    source : Path or str
        The micrograph, as a command line names it.
    model : str
        Name of a shipped model, or a model file.
    config : SegmentConfig
    folder : Path or str
        For the results.
    precision : str, optional
        What ``"auto"`` meant.
    calibration : Calibration, optional
        Of the micrograph; repeated where it was set by hand.
    formats : collection of str
        Further formats of the results.
    """
    options: dict[str, Any] = {name: value for name, value in options_of(config).items() if name not in _WISHES}
    if precision is not None:
        options["precision"] = precision
    if calibration is not None and calibration.source.startswith(BY_HAND):
        options["pixel_size"] = f"{calibration.pixel_size[1]:.12g} {calibration.unit}"
    options["format"] = list(formats)
    wishes = {name.removeprefix("keep_"): bool(getattr(config, name)) for name in _WISHES}
    return command_line("segment", [source], model=model, o=folder, **options, **wishes)


def segment_script(
    source: Path, model: str, config: SegmentConfig, folder: Path, precision: str | None = None
) -> Script:
    """Return how to segment an image file and write class map, objects and table.

    Parameters
    ----------
    source, model, config, folder, precision
        As for `segment_command`.
    """
    if precision is not None:
        config = SegmentConfig(**{**config.model_dump(), "precision": precision})
    command = segment_command(source, model, config, folder, precision)
    python = f"""{_head("from napari_microcnn.io.provenance import provenance")}

micrograph = mc.read_micrograph({_path(source)})
config = {_call("mc.SegmentConfig", config)}
found = mc.result_of(mc.segment(micrograph, {_path(model)}, config))
table = None if found.labels is None else mc.measure_objects(found.labels, micrograph.calibration)
told = provenance(
    micrograph=micrograph, model=found.model.info(), settings=found.config.model_dump(), command={command!r}
)
mc.export_segmentation(
    {_path(folder)},
    {stem_of(source)!r},
    classes=found.classes,
    labels=found.labels,
    table=table,
    calibration=micrograph.calibration,
    axes=micrograph.axes.removesuffix("C"),
    provenance={{**told, "computed": found.computed}},
    micrograph=micrograph,
)
"""
    return Script(python, command)


def train_script(
    data: Sequence[TrainingFiles],
    classes: Sequence[ClassInfo],
    config: TrainConfig,
    output: Path,
    resume: Path | None = None,
    *,
    live: bool = False,
) -> Script:
    """Return how to train a model from files and save it.

    Parameters
    ----------
    data : sequence of TrainingFiles
    classes : sequence of ClassInfo
        Sorted by their ids, as the command line finds them.
    config : TrainConfig
    output : Path
        The model to write.
    resume : Path, optional
        The model that the training went on with.
    live : bool
        Whether the annotation changed while it was learnt, which a script cannot repeat.
    """
    marks = {True: ", validation=True", False: ""}
    lines = [f"    mc.read_annotated({_path(one.image)}, {_path(one.labels)}{marks[one.validation]})," for one in data]
    remark = "" if config.epochs else "# Limited by time: the number of steps depends on the computer.\n"
    remark += "# The annotation changed during this training; here it is as in the end.\n" if live else ""
    resumed = f", resume=mc.load_model({_path(resume)})" if resume else ""
    python = "\n".join(
        [
            f"{_head()}\n",
            "data = [",
            *lines,
            "]",
            "classes = [",
            *(f"    mc.ClassInfo(id={one.id}, name={one.name!r}, colour={one.colour!r})," for one in classes),
            "]",
            f"{remark}config = {_call('mc.TrainConfig', config)}",
            f"model = mc.result_of(mc.train_segmenter(data, classes, config{resumed}))",
            f"mc.save_model(model, {_path(output)})\n",
        ]
    )
    return Script(python, _train_command(data, classes, config, output, resume))


def _train_command(
    data: Sequence[TrainingFiles], classes: Sequence[ClassInfo], config: TrainConfig, output: Path, resume: Path | None
) -> str:
    taught = [one for one in data if not one.validation]
    judging = [one for one in data if one.validation]
    names = None if any("," in one.name for one in classes) else ",".join(one.name for one in classes)
    return command_line(
        "train",
        images=[one.image for one in taught],
        labels=[one.labels for one in taught],
        validation_images=[one.image for one in judging],
        validation_labels=[one.labels for one in judging],
        names=names,
        resume=resume,
        **options_of(config),
        o=output,
    )


def classifier_script(source: Path, config: ClassifierTrainConfig, output: Path) -> Script:
    """Return how to train a classifier from labelled images and save it.

    Parameters
    ----------
    source : Path
        A folder with a folder per class, or a table, see `napari_microcnn.collect`.
    config : ClassifierTrainConfig
    output : Path
        The classifier to write.
    """
    remark = "" if config.epochs else "# Limited by time: the number of steps depends on the computer.\n"
    python = f"""{_head()}

collection = mc.collect({_path(source)})
{remark}config = {_call("mc.ClassifierTrainConfig", config)}
classifier = mc.result_of(mc.train_classifier(collection, config))
mc.save_classifier(classifier, {_path(output)})
"""
    return Script(python, command_line("classify train", [source], **options_of(config), o=output))


def synth_script(
    structure: VoronoiConfig | NanoparticlesConfig | IsingConfig | SteelConfig,
    imaging: ImagingConfig | None,
    seed: int,
    number: int,
    folder: Path,
) -> Script:
    """Return how to make synthetic pictures with their labels.

    Parameters
    ----------
    structure : VoronoiConfig, NanoparticlesConfig, IsingConfig or SteelConfig
    imaging : ImagingConfig or None
        Of a polycrystal.
    seed, number, folder
        As for `napari_microcnn.make_pictures`.
    """
    given: list[Settings] = [structure]
    given += [] if imaging is None else [imaging]
    names: dict[type[Settings], str] = {
        VoronoiConfig: "voronoi", NanoparticlesConfig: "nanoparticles", IsingConfig: "ising", SteelConfig: "steel"
    }  # fmt: skip
    name = names[type(structure)]
    maker = "make_pictures" if name == "voronoi" else f"make_{name}"
    words = ("structure", "imaging")[: len(given)]
    kinds = ", ".join(sorted(type(one).__name__ for one in given))
    made = "\n".join(f"{word} = {_call(type(one).__name__, one)}" for word, one in zip(words, given, strict=True))
    python = f"""{_head(f"from napari_microcnn.config import {kinds}")}

{made}
mc.result_of(mc.{maker}({", ".join(words)}, {seed}, {number}, {_path(folder)}))
"""
    options = {key: value for one in given for key, value in options_of(one).items()}
    return Script(python, command_line(f"synth {name}", number=number, seed=seed, **options, o=folder))


def _head(more: str = "") -> str:
    lines = [f"# Made with napari-microcnn {version('napari-microcnn')}", "import napari_microcnn as mc"]
    return "\n".join([*lines, more] if more else lines)


def _call(name: str, config: Settings) -> str:
    """Return Python that makes these settings."""
    given = config.model_dump(exclude_defaults=True)
    if not given:
        return f"{name}()"
    return "\n".join([f"{name}(", *(f"    {key}={value!r}," for key, value in given.items()), ")"])


def _path(path: Path | str) -> str:
    """Return a path as Python writes it: forward slashes work everywhere."""
    return repr(path.as_posix() if isinstance(path, Path) else path)
