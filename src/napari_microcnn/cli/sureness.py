"""``napari-microcnn measure sureness``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from napari_microcnn.cli.measure import PixelSize
from napari_microcnn.cli.options import takes_settings
from napari_microcnn.cli.running import follow
from napari_microcnn.config import SegmentConfig
from napari_microcnn.io.inputs import is_result, named_files
from napari_microcnn.micrograph import Calibration

if TYPE_CHECKING:
    from napari_microcnn.measure.objects import Table


@takes_settings("settings", SegmentConfig, without=("keep_probabilities", "keep_uncertainty", "orientations"))
def sureness(
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="Micrographs, or folders of them.")],
    model: Annotated[str, typer.Option("--model", help="Name of a shipped model, or a model file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The table to write (.csv).")],
    settings: SegmentConfig,
    draws: Annotated[int, typer.Option(min=2, max=1000, help="How often the model looks from another side.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws.")] = 0,
    pixel_size: PixelSize = None,
) -> None:
    """Segment micrographs again and again, and write how far apart the numbers are.

    Raises
    ------
    ValueError
        If a file cannot be read, is a stack, or nothing but results was named.
    """
    from napari_microcnn.batch import sureness_of_image
    from napari_microcnn.io.atomic import make_folder
    from napari_microcnn.io.provenance import command_line, describe_input, provenance
    from napari_microcnn.io.read import read_micrograph
    from napari_microcnn.io.scripts import options_of
    from napari_microcnn.io.write import write_json, write_table
    from napari_microcnn.models import load_model

    files = [path for path in named_files(inputs) if not is_result(path)]
    if not files:
        raise ValueError("All of these images are results of earlier segmentations; name the micrographs.")
    make_folder(output.parent)
    loaded, given = load_model(model), Calibration.parse(pixel_size) if pixel_size else None
    micrographs = [read_micrograph(path) for path in files]
    micrographs = [replace(one, calibration=given or one.calibration) for one in micrographs]
    tables: list[Table] = []
    for path, micrograph in zip(files, micrographs, strict=True):
        job = sureness_of_image(micrograph, loaded, settings, draws=draws, seed=seed)
        table: Table = follow(job, f"Looking at {path.name}")
        tables.append({"file": np.full(len(table["value"]), path.name, object), **table})
        typer.echo("\n".join(_sentences(table)))
    options = {"draws": draws, "seed": seed, "pixel_size": pixel_size}
    command = command_line("measure sureness", files, model=model, o=str(output), **options, **options_of(settings))
    about = {**settings.model_dump(), **options}
    told = provenance(micrograph=micrographs[0], model=loaded.info(), settings=about, command=command)
    told["inputs"] = [describe_input(micrograph) for micrograph in micrographs]
    write_table(output, {name: np.concatenate([table[name] for table in tables]) for name in tables[0]})
    write_json(output.with_suffix(".json"), told)
    typer.echo(str(output))


def _sentences(table: Table) -> list[str]:
    """Return a line for every number: its value, and mean and spread of the draws."""
    rows = zip(table["quantity"], table["value"], table["mean"], table["spread"], strict=True)
    return [f"{name} {value:.4g}; drawn {mean:.4g} +- {spread:.2g}" for name, value, mean, spread in rows]
