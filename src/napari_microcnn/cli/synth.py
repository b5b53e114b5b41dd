"""``napari-microcnn synth``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np
import typer

from napari_microcnn.cli.options import AnyDevice, takes_settings
from napari_microcnn.cli.running import follow
from napari_microcnn.config import ImagingConfig, Settings, VoronoiConfig
from napari_microcnn.events import Finished, Job, Progress
from napari_microcnn.io.atomic import make_folder

S = TypeVar("S", bound=Settings)

app = typer.Typer(rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Keep `voronoi` a word of its own: other microstructures will stand beside it."""


@app.command("voronoi", help="Polycrystals: images, grains, and dense labels of the boundaries to train on.")
@takes_settings("imaging", ImagingConfig)
@takes_settings("structure", VoronoiConfig)
def voronoi(
    structure: VoronoiConfig,
    imaging: ImagingConfig,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for images/, labels/ and grains/.")],
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="How many pictures.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first picture; the next ones count on.")] = 0,
    look: Annotated[str | None, typer.Option(help="Start from a named look; see --look list.")] = None,
    device: AnyDevice = "auto",
) -> None:
    """Make synthetic polycrystals with exact labels.

    ``labels/`` holds 0 = grain and 1 = boundary, fit for ``train --dense``; ``grains/`` the
    number of every grain; ``synth.json`` all that is needed to make the pictures again.

    Raises
    ------
    ValueError
        If there is no such look, or the folder cannot be written.
    """
    from napari_microcnn.synth import LOOKS

    if look == "list":
        typer.echo("\n".join(LOOKS))
        return
    if look is not None and look not in LOOKS:
        raise ValueError(f"There is no look {look!r}; the looks are: {', '.join(LOOKS)}.")
    if look is not None:
        structure, imaging = _on_top(LOOKS[look][0], structure), _on_top(LOOKS[look][1], imaging)
    for name in ("images", "labels", "grains"):
        make_folder(output / name)
    count: int = follow(_make(structure, imaging, seed, number, output), "Making pictures")
    typer.echo(f"{output}: {count} pictures of {structure.width} x {structure.height} pixels")


def _on_top(base: S, given: S) -> S:
    """Return the base settings with what the user gave laid on top."""
    return type(base)(**{**base.model_dump(), **given.model_dump(include=given.model_fields_set)})


def _make(structure: VoronoiConfig, imaging: ImagingConfig, seed: int, number: int, output: Path) -> Job[int]:
    """Write the pictures one by one, each complete; ends with how many there are."""
    from napari_microcnn.io.write import write_image, write_json
    from napari_microcnn.synth import polycrystal

    told = {"structure": structure.model_dump(), "imaging": imaging.model_dump(), "first_seed": seed, "number": number}
    write_json(output / "synth.json", told)
    for index in range(number):
        made = polycrystal(structure, imaging, seed + index)
        name = f"voronoi_{seed + index:06d}.tif"
        write_image(output / "grains" / name, made.structure.grains)
        write_image(output / "labels" / name, made.structure.boundaries.astype(np.uint8))
        write_image(output / "images" / name, made.image)
        yield Progress(index + 1, number, f"{index + 1} of {number}")
    yield Finished(number)
