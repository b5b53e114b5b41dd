"""``napari-microcnn synth``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeVar

import typer

from napari_microcnn.cli.options import AnyDevice, takes_settings
from napari_microcnn.cli.running import follow
from napari_microcnn.config import ImagingConfig, Settings, VoronoiConfig

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
    from napari_microcnn.data.pictures import make_pictures
    from napari_microcnn.synth import LOOKS

    if look == "list":
        typer.echo("\n".join(LOOKS))
        return
    if look is not None and look not in LOOKS:
        raise ValueError(f"There is no look {look!r}; the looks are: {', '.join(LOOKS)}.")
    if look is not None:
        structure, imaging = _on_top(LOOKS[look][0], structure), _on_top(LOOKS[look][1], imaging)
    follow(make_pictures(structure, imaging, seed, number, output), "Making pictures")
    typer.echo(f"{output}: {number} pictures of {structure.width} x {structure.height} pixels")


def _on_top(base: S, given: S) -> S:
    """Return the base settings with what the user gave laid on top."""
    return type(base)(**{**base.model_dump(), **given.model_dump(include=given.model_fields_set)})
