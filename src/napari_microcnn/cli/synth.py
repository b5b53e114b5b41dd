"""``napari-microcnn synth``."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from napari_microcnn.cli.options import AnyDevice, takes_settings
from napari_microcnn.cli.running import follow
from napari_microcnn.config import ImagingConfig, IsingConfig, NanoparticlesConfig, Settings, SteelConfig, VoronoiConfig

S = TypeVar("S", bound=Settings)

app = typer.Typer(rich_markup_mode=None)

Number = Annotated[int, typer.Option("--number", "-n", min=1, help="How many pictures.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the first picture; the next ones count on.")]
ClassFolders = Annotated[Path, typer.Option("--output", "-o", help="Folder for a folder per class and a table.")]


@app.command("voronoi", help="Polycrystals: images, grains, and dense labels of the boundaries to train on.")
@takes_settings("imaging", ImagingConfig)
@takes_settings("structure", VoronoiConfig)
def voronoi(
    structure: VoronoiConfig,
    imaging: ImagingConfig,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for images/, labels/ and grains/.")],
    number: Number = 1,
    seed: Seed = 0,
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
    _check_look(look, LOOKS)
    if look is not None:
        structure, imaging = _on_top(LOOKS[look][0], structure), _on_top(LOOKS[look][1], imaging)
    follow(make_pictures(structure, imaging, seed, number, output), "Making pictures")
    typer.echo(f"{output}: {number} pictures of {structure.width} x {structure.height} pixels")


@app.command("nanoparticles", help="Nanoparticles: images, dense labels to train on, and the number of every particle.")
@takes_settings("config", NanoparticlesConfig)
def nanoparticles(
    config: NanoparticlesConfig,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for images/, labels/ and particles/.")],
    number: Number = 1,
    seed: Seed = 0,
    look: Annotated[str | None, typer.Option(help="Start from a named look; see --look list.")] = None,
    device: AnyDevice = "auto",
) -> None:
    """Make synthetic pictures of nanoparticles with exact labels.

    ``labels/`` holds 0 = background and 1 = particle, fit for ``train --dense``; ``particles/`` the
    number of every particle; ``synth.json`` all that is needed to make the pictures again.

    Raises
    ------
    ValueError
        If there is no such look, or the folder cannot be written.
    """
    from napari_microcnn.data.pictures import make_nanoparticles
    from napari_microcnn.synth import PARTICLE_LOOKS

    if look == "list":
        typer.echo("\n".join(PARTICLE_LOOKS))
        return
    _check_look(look, PARTICLE_LOOKS)
    if look is not None:
        config = _on_top(PARTICLE_LOOKS[look], config)
    follow(make_nanoparticles(config, seed, number, output), "Making pictures")
    typer.echo(f"{output}: {number} pictures of {config.width} x {config.height} pixels")


@app.command("ising", help="Configurations of the Ising model, below and above the critical temperature.")
@takes_settings("config", IsingConfig)
def ising(
    config: IsingConfig, output: ClassFolders, number: Number = 1, seed: Seed = 0, device: AnyDevice = "auto"
) -> None:
    """Draw configurations by the algorithm of Swendsen and Wang, to train ``classify`` on.

    ``below/`` and ``above/`` hold the pictures; ``ising.csv`` temperature, energy and magnetisation.

    Raises
    ------
    ValueError
        If the temperatures are in the wrong order, or the folder cannot be written.
    """
    from napari_microcnn.data.pictures import make_ising

    follow(make_ising(config, seed, number, output), "Drawing configurations")
    typer.echo(f"{output}: {number} configurations of {config.side} x {config.side} spins")


@app.command("steel", help="Textures of martensite, bainite, ferrite and pearlite, in a folder for each.")
@takes_settings("config", SteelConfig)
def steel(
    config: SteelConfig,
    output: ClassFolders,
    number: Number = 4,
    seed: Seed = 0,
    kinds: Annotated[str | None, typer.Option(help="Only these, with commas: martensite,bainite.")] = None,
    device: AnyDevice = "auto",
) -> None:
    """Make textures of steels in turn, to train ``classify`` on.

    Raises
    ------
    ValueError
        If there is no such kind, or the folder cannot be written.
    """
    from napari_microcnn.data.pictures import make_steel
    from napari_microcnn.synth import STEEL_KINDS

    wanted = [word.strip() for word in kinds.split(",")] if kinds else list(STEEL_KINDS)
    unknown = sorted(set(wanted) - set(STEEL_KINDS))
    if unknown:
        raise ValueError(f"There is no steel {unknown[0]!r}; the kinds are: {', '.join(STEEL_KINDS)}.")
    chosen = [kind for kind in STEEL_KINDS if kind in wanted]
    follow(make_steel(config, seed, number, output, chosen), "Making pictures")
    typer.echo(f"{output}: {number} pictures of {config.width} x {config.height} pixels")


def _check_look(look: str | None, known: Collection[str]) -> None:
    if look is not None and look not in known:
        raise ValueError(f"There is no look {look!r}; the looks are: {', '.join(known)}.")


def _on_top(base: S, given: S) -> S:
    """Return the base settings with what the user gave laid on top."""
    return type(base)(**{**base.model_dump(), **given.model_dump(include=given.model_fields_set)})
