"""``napari-microcnn segment``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_microcnn.cli.measure import PixelSize
from napari_microcnn.cli.options import takes_settings
from napari_microcnn.cli.running import follow, say
from napari_microcnn.config import SegmentConfig
from napari_microcnn.events import Event, FileDone
from napari_microcnn.io.errors import printable
from napari_microcnn.io.inputs import is_result, named_files
from napari_microcnn.micrograph import Calibration

if TYPE_CHECKING:
    from napari_microcnn.batch import Batch
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
    pdf: Annotated[bool, typer.Option("--pdf", help="Write the same page as STEM.pdf.")] = False,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format", help="Write this format too: png, imagej, coco, geojson, parquet, ome-zarr; repeatable."
        ),
    ] = None,
    large: Annotated[
        bool,
        typer.Option("--large", help="Write STEM.ome.zarr block by block, as for images larger than the memory."),
    ] = False,
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

    from napari_microcnn.batch import segment_files as segment_all
    from napari_microcnn.models import load_model

    loaded = load_model(model)
    settings = settings.model_copy(update={"keep_probabilities": probabilities, "keep_uncertainty": uncertainty})
    given = Calibration.parse(pixel_size) if pixel_size else None
    pages = [kind for kind, wanted in (("html", report), ("pdf", pdf)) if wanted]
    job = segment_all(
        files,
        output,
        loaded,
        settings,
        called=model,
        calibration=given,
        pages=pages,
        formats=formats or (),
        large=large,
    )
    title = f"Segmenting {files[0].name if len(files) == 1 else f'{len(files)} files'}"
    batch: Batch = follow(job, title, on_event=partial(_tell, many=len(files) > 1))
    if batch.about_all:
        typer.echo(printable("\n".join(str(name) for name in batch.about_all)))
    if batch.written and loaded.objects is None and settings.objects is None:
        say("This model numbers no objects; with --objects CLASS their labels and their table are written too.")
    if batch.failed:
        first = next(iter(batch.failed.values()))
        raise ValueError(first if len(files) == 1 else f"{len(batch.failed)} of {len(files)} files were not segmented.")


def _tell(event: Event, many: bool) -> None:
    """Print what was written for a file, or why nothing was."""
    if not isinstance(event, FileDone):
        return
    if event.failure is not None and many:
        say(event.failure)
    if event.written:
        typer.echo(printable("\n".join(str(name) for name in event.written)))


def segment_micrograph(
    micrograph: Micrograph, model: Model, settings: SegmentConfig, title: str | None = None
) -> Segmentation:
    """Segment one micrograph and show how far it is."""
    from napari_microcnn.predict.segment import segment

    result: Segmentation = follow(segment(micrograph, model, settings), f"Segmenting {title or micrograph.name}")
    return result
