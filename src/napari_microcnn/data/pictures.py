"""Synthetic pictures as files: polycrystals and particles with exact labels, lattices and steels by class."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_microcnn.config import (
    ImagingConfig,
    IsingConfig,
    NanoparticlesConfig,
    SteelConfig,
    SteelKind,
    VoronoiConfig,
)
from napari_microcnn.events import Finished, Job, Progress
from napari_microcnn.io.atomic import make_folder
from napari_microcnn.io.write import write_image, write_json, write_table
from napari_microcnn.synth import STEEL_KINDS, ising, nanoparticles, polycrystal, steel

Picture = tuple[str, np.ndarray[Any, Any], dict[str, Any]]
"""Class, image, and what else is known about it."""

Truth = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]
"""Image, mask of what is looked for, and numbers of the objects."""


def make_pictures(
    structure: VoronoiConfig, imaging: ImagingConfig, seed: int, number: int, folder: str | os.PathLike[str]
) -> Job[Path]:
    """Write synthetic polycrystals one by one, each complete.

    Parameters
    ----------
    structure, imaging : VoronoiConfig, ImagingConfig
    seed : int
        Of the first picture; the next ones count on.
    number : int
        How many.
    folder : str or path-like
        Gets ``images/``, ``labels/`` (0 = grain, 1 = boundary), ``grains/`` (the number of every
        grain) and ``synth.json``, which holds all that is needed to make the pictures again.

    Yields
    ------
    Progress, Finished
        ``Finished`` holds the folder.

    Raises
    ------
    ValueError
        If the folder cannot be written.
    """

    def make(seed: int) -> Truth:
        made = polycrystal(structure, imaging, seed)
        return made.image, made.structure.boundaries, made.structure.grains

    told = {"structure": structure.model_dump(), "imaging": imaging.model_dump(), "first_seed": seed, "number": number}
    yield from _make_labelled("voronoi", "grains", make, told, seed, number, Path(folder))


def make_nanoparticles(
    config: NanoparticlesConfig, seed: int, number: int, folder: str | os.PathLike[str]
) -> Job[Path]:
    """Write synthetic pictures of nanoparticles one by one, each complete.

    Parameters
    ----------
    config : NanoparticlesConfig
    seed : int
        Of the first picture; the next ones count on.
    number : int
        How many.
    folder : str or path-like
        Gets ``images/``, ``labels/`` (0 = background, 1 = particle), ``particles/`` (the number of every
        particle) and ``synth.json``, which holds all that is needed to make the pictures again.

    Yields
    ------
    Progress, Finished
        ``Finished`` holds the folder.

    Raises
    ------
    ValueError
        If the folder cannot be written.
    """

    def make(seed: int) -> Truth:
        made = nanoparticles(config, seed)
        return made.image, made.mask, made.labels

    told = {"nanoparticles": config.model_dump(), "first_seed": seed, "number": number}
    yield from _make_labelled("nanoparticles", "particles", make, told, seed, number, Path(folder))


def make_ising(config: IsingConfig, seed: int, number: int, folder: str | os.PathLike[str]) -> Job[Path]:
    """Write configurations of the Ising model, in the folders ``below`` and ``above`` the critical temperature.

    Parameters
    ----------
    config : IsingConfig
    seed : int
        Of the first configuration; the next ones count on, and go through the temperatures in turn.
    number : int
        How many.
    folder : str or path-like
        Gets the pictures (255 = up, 0 = down), ``ising.csv`` with temperature, energy and magnetisation per
        spin, and ``synth.json``.

    Yields
    ------
    Progress, Finished
        ``Finished`` holds the folder.

    Raises
    ------
    ValueError
        If the folder cannot be written.
    """

    def make(index: int) -> Picture:
        made = ising(config, seed + index)
        known = {"temperature": made.temperature, "energy": made.energy, "magnetisation": made.magnetisation}
        return made.phase, made.image, known

    told = {"ising": config.model_dump(), "first_seed": seed, "number": number}
    yield from _make_classes("ising", make, told, seed, number, Path(folder))


def make_steel(
    config: SteelConfig,
    seed: int,
    number: int,
    folder: str | os.PathLike[str],
    kinds: Sequence[SteelKind] = STEEL_KINDS,
) -> Job[Path]:
    """Write textures of steels, in a folder for each kind.

    Parameters
    ----------
    config : SteelConfig
    seed : int
        Of the first picture; the next ones count on, and go through the kinds in turn.
    number : int
        How many, of all kinds together.
    folder : str or path-like
        Gets the pictures, ``steel.csv`` and ``synth.json``.
    kinds : sequence of str

    Yields
    ------
    Progress, Finished
        ``Finished`` holds the folder.

    Raises
    ------
    ValueError
        If the folder cannot be written.
    """

    def make(index: int) -> Picture:
        made = steel(config, kinds[index % len(kinds)], seed + index)
        return made.kind, made.image, {"seed": made.seed}

    told = {"steel": config.model_dump(), "kinds": list(kinds), "first_seed": seed, "number": number}
    yield from _make_classes("steel", make, told, seed, number, Path(folder))


def _make_labelled(
    name: str, objects: str, make: Callable[[int], Truth], told: dict[str, Any], seed: int, number: int, folder: Path
) -> Job[Path]:
    """Write pictures with their masks and numbered objects into three folders."""
    for kind in ("images", "labels", objects):
        make_folder(folder / kind)
    write_json(folder / "synth.json", told)
    for index in range(number):
        image, mask, numbers = make(seed + index)
        file = f"{name}_{seed + index:06d}.tif"
        write_image(folder / objects / file, numbers)
        write_image(folder / "labels" / file, mask.astype(np.uint8))
        write_image(folder / "images" / file, image)
        yield Progress(index + 1, number, f"{index + 1} of {number}")
    yield Finished(folder)


def _make_classes(
    name: str, make: Callable[[int], Picture], told: dict[str, Any], seed: int, number: int, folder: Path
) -> Job[Path]:
    """Write pictures into a folder per class; the table lists those that are there, also after a stop."""
    make_folder(folder)
    write_json(folder / "synth.json", told)
    rows: list[dict[str, Any]] = []
    try:
        for index in range(number):
            kind, image, known = make(index)
            file = f"{kind}/{name}_{seed + index:06d}.tif"
            make_folder(folder / kind)
            write_image(folder / file, image)
            rows.append({"file": file, "class": kind, "micrograph": Path(file).stem, **known})
            yield Progress(index + 1, number, f"{index + 1} of {number}")
    finally:
        if rows:
            write_table(folder / f"{name}.csv", {column: [row[column] for row in rows] for column in rows[0]})
    yield Finished(folder)
