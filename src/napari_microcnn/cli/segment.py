"""``napari-microcnn segment``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from napari_microcnn.cli.batch import check_batch, write_batch
from napari_microcnn.cli.inputs import is_result, named_files
from napari_microcnn.cli.measure import PixelSize
from napari_microcnn.cli.options import one_line, takes_settings
from napari_microcnn.cli.running import follow, say
from napari_microcnn.config import SegmentConfig
from napari_microcnn.io.atomic import make_folder
from napari_microcnn.io.pairs import stem_of
from napari_microcnn.io.results import check_replaceable, is_done
from napari_microcnn.micrograph import Calibration

if TYPE_CHECKING:
    from napari_microcnn.micrograph import Micrograph
    from napari_microcnn.models import Model
    from napari_microcnn.predict.segment import Segmentation


@takes_settings("settings", SegmentConfig, without=("keep_probabilities", "keep_uncertainty"))
def segment_files(
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="Images, or folders of images.")],
    model: Annotated[str, typer.Option("--model", help="Name of a shipped model, or a model file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")],
    settings: SegmentConfig,
    probabilities: Annotated[bool, typer.Option("--probabilities", help="Write STEM_probabilities.tif too.")] = False,
    uncertainty: Annotated[
        bool, typer.Option("--uncertainty", help="Write STEM_uncertainty.tif too: where to annotate next.")
    ] = False,
    pixel_size: PixelSize = None,
    report: Annotated[bool, typer.Option("--report", help="Write STEM.html too: a page for a lab record.")] = False,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", help="Write this format too: png, imagej, coco, geojson or parquet; repeatable."),
    ] = None,
) -> None:
    """Segment images; a file that cannot be done is told and does not stop the others.

    Of several images, ``batch.csv``, ``batch.html`` and ``batch.json`` tell about all; what an earlier run did in the
    same way is not done again.

    Raises
    ------
    ValueError
        If nothing can be done, or after the last file if one of them failed.
    """
    named = named_files(inputs)
    files = [path for path in named if not is_result(path)]
    if not files:
        raise ValueError("All of these images are results of earlier segmentations; name the micrographs.")
    if len(files) < len(named):
        say(f"Left out, because they are results of an earlier run: {len(named) - len(files)} images.")

    from napari_microcnn.io.exchange import check_formats
    from napari_microcnn.models import load_model

    check_formats(formats or ())
    loaded = load_model(model)
    make_folder(output)
    if len(files) > 1:
        check_batch(output, files)
    settings = settings.model_copy(update={"keep_probabilities": probabilities, "keep_uncertainty": uncertainty})
    given = Calibration.parse(pixel_size) if pixel_size else None
    run = Run(output, model, loaded, settings, given, report, tuple(dict.fromkeys(formats or ())))
    failed: dict[Path, str] = {}
    for number, path in enumerate(files, 1):
        try:
            written = run.do(path, f"{number} of {len(files)}, {path.name}" if len(files) > 1 else path.name)
        except (ValueError, OSError) as error:
            failed[path] = f"{path.name}: {one_line(error)}" if path.name not in str(error) else one_line(error)
            if len(files) > 1:
                say(failed[path])
            continue
        typer.echo("\n".join(str(name) for name in written))
    if len(files) > 1:
        _tell_all(output, files, failed)
    if len(failed) < len(files) and loaded.objects is None and settings.objects is None:
        say("This model numbers no objects; with --objects CLASS their labels and their table are written too.")
    if failed:
        first = next(iter(failed.values()))
        raise ValueError(first if len(files) == 1 else f"{len(failed)} of {len(files)} files were not segmented.")


def _tell_all(folder: Path, files: list[Path], failed: dict[Path, str]) -> None:
    try:
        typer.echo("\n".join(str(name) for name in write_batch(folder, files, failed)))
    except (ValueError, OSError) as error:
        if not failed:
            raise
        say(one_line(error))


@dataclass(frozen=True)
class Run:
    """How files are segmented, one after the other.

    Attributes
    ----------
    folder : Path
        For the results.
    model : str
        As the command line names it.
    loaded : Model
    settings : SegmentConfig
    calibration : Calibration or None
        Instead of what the files say.
    report : bool
        Whether every file gets an HTML page.
    formats : tuple of str
        Further formats of the results.
    """

    folder: Path
    model: str
    loaded: Model
    settings: SegmentConfig
    calibration: Calibration | None = None
    report: bool = False
    formats: tuple[Any, ...] = ()

    @cached_property
    def made_by(self) -> dict[str, Any]:
        """What stands in the record of every file that this run does."""
        from napari_microcnn.io.provenance import versions

        return {"model": self.loaded.info(), "settings": self.settings.model_dump(), "versions": versions()}

    def do(self, path: Path, title: str) -> list[Path]:
        """Segment a file, unless that was done, and return what was written.

        Raises
        ------
        ValueError
            If the file cannot be read or segmented, or the results would replace somebody else's files.
        """
        from napari_microcnn.io.provenance import describe_input
        from napari_microcnn.io.read import read_micrograph

        check_replaceable(self.folder, stem_of(path))
        micrograph = read_micrograph(path)
        micrograph = replace(micrograph, calibration=self.calibration or micrograph.calibration)
        made_by = {"input": describe_input(micrograph), **self.made_by}
        if not self.formats and is_done(self.folder, stem_of(path), made_by, (".html",) if self.report else ()):
            say(f"{path.name}: done before, in the same way.")
            return []
        result = segment_micrograph(micrograph, self.loaded, self.settings, title)
        return write_segmentation(result, self.folder, path, self.model, report=self.report, also=self.formats)


def segment_micrograph(
    micrograph: Micrograph, model: Model, settings: SegmentConfig, title: str | None = None
) -> Segmentation:
    """Segment one micrograph and show how far it is."""
    from napari_microcnn.predict.segment import segment

    result: Segmentation = follow(segment(micrograph, model, settings), f"Segmenting {title or micrograph.name}")
    return result


def write_segmentation(
    result: Segmentation, folder: Path, source: Path, model: str, *, report: bool = False, also: tuple[Any, ...] = ()
) -> list[Path]:
    """Measure the objects of a segmentation and write class map, labels, table and provenance; returns the files.

    Parameters
    ----------
    result : Segmentation
    folder : Path
    source : Path
        The micrograph, as a command line names it.
    model : str
        The model, as a command line names it.
    report : bool
        Write an HTML page too.
    also : tuple of str
        Further formats, see `export_segmentation`.
    """
    from napari_microcnn.io.export import export_segmentation
    from napari_microcnn.io.page import sample_page
    from napari_microcnn.io.provenance import provenance
    from napari_microcnn.io.scripts import segment_command
    from napari_microcnn.measure.objects import measure_objects
    from napari_microcnn.measure.sample import sample_numbers
    from napari_microcnn.measure.segments import with_confidence
    from napari_microcnn.predict.gap import domain_gap

    micrograph = result.micrograph
    table = None
    # Objects that the databar cuts are cut by the border of the image.
    seen = np.s_[..., : max(one.field.bottom for one in result.overlays), :]
    if result.labels is not None:
        table = measure_objects(result.labels[seen], micrograph.calibration)
        if result.boundary is not None:
            table = with_confidence(table, result.labels[seen], result.boundary[seen])
    told: dict[str, Any] = provenance(
        micrograph=micrograph,
        model=result.model.info(),
        settings=result.config.model_dump(),
        command=segment_command(source, model, result.config, ".", result.precision, micrograph.calibration),
    )
    told["computed"] = result.computed
    gap = domain_gap(micrograph, result.model, result.config, result.magnification[len(result.magnification) // 2])
    told["domain_gap"] = {**gap.info(), "sentence": gap.sentence}
    told["results"], told["warnings"] = sample_numbers(
        classes=result.classes[seen],
        labels=None if result.labels is None else result.labels[seen],
        table=table,
        calibration=micrograph.calibration,
        class_names={entry.id: entry.name for entry in result.model.classes},
        grains=result.boundary is not None,
    )
    page = sample_page(micrograph, told, classes=result.classes, labels=result.labels, table=table) if report else None
    if gap.light != "green":
        say(f"{micrograph.name}: {gap.sentence}")
    return export_segmentation(
        folder,
        stem_of(micrograph.path) if micrograph.path else micrograph.name,
        classes=result.classes,
        labels=result.labels,
        probabilities=result.probabilities,
        uncertainty=result.uncertainty,
        table=table,
        calibration=micrograph.calibration,
        axes=micrograph.axes.removesuffix("C"),
        provenance=told,
        class_names=[entry.name for entry in result.model.classes],
        page=page,
        also=also,
    )
