"""Measuring files one after the other, and writing what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import typer

from napari_microcnn.cli.running import say
from napari_microcnn.io.atomic import make_folder
from napari_microcnn.io.inputs import is_result, named_files
from napari_microcnn.io.pairs import SUFFIXES, stem_of
from napari_microcnn.micrograph import Calibration, Micrograph

Array: TypeAlias = "np.ndarray[Any, Any]"
Columns: TypeAlias = dict[str, Array]


class Measured(NamedTuple):
    """What was found in some fields: a table for each, the numbers, and what a standard objects to."""

    tables: list[Columns]
    summary: dict[str, float]
    warnings: Sequence[str] = ()
    sureness: Columns | None = None


Measure: TypeAlias = Callable[[list[Array], Calibration | None], Measured]


def measure_files(
    kind: str,
    role: str,
    inputs: Sequence[Path],
    output: Path,
    pixel_size: str | None,
    measured: Measure,
    options: Mapping[str, Any],
    prepared: Callable[[Path, Array], Array] | None = None,
) -> None:
    """Measure all files, each for itself and all together, write the results, and print a line for each.

    Beside the table ``FILE.csv`` stands ``FILE_summary.csv``, a row of numbers for every file and one for all, and
    ``FILE_summary.json``, which says how they were made; ``FILE_sureness.csv`` if that was asked for. Of folders that
    `segment` wrote to, only the maps of a role are measured: ``"labels"`` or ``"classes"``.

    `prepared` makes of a file's name and its labels what is measured.

    Raises
    ------
    ValueError
        If a file cannot be read or measured, or a table cannot be written.
    """
    from napari_microcnn.io.provenance import command_line

    given = Calibration.parse(pixel_size) if pixel_size else None
    files = _measured_files(inputs, role)
    if output.suffix.lower() in SUFFIXES:
        raise ValueError(f"{output} is the name of an image; the table needs one that ends in .csv.")
    make_folder(output.parent)
    found: dict[str, Measured] = {}
    micrographs: list[Micrograph] = []
    planes: list[Array] = []
    for path in files:
        micrograph, labels = _read(path)
        labels = labels if prepared is None else prepared(path, labels)
        own = [labels[index] for index in np.ndindex(labels.shape[:-2])]
        found[path.name] = measured(own, given or micrograph.calibration)
        micrographs.append(micrograph)
        planes += own
        if (given or micrograph.calibration) is None:
            say(f"{path.name}: the pixel size is not known, so lengths are in pixels; --pixel-size sets it.")
    table = dict(_joined([_named(name, one) for name, one in found.items()]))
    sizes = {None if m.calibration is None else (m.calibration.pixel_size, m.calibration.unit) for m in micrographs}
    if len(files) > 1 and (given is not None or len(sizes) == 1):
        found["all"] = measured(planes, given or micrographs[0].calibration)
    command = command_line(f"measure {kind}", files, **options, pixel_size=pixel_size, o=str(output))
    _write(output, table, found, micrographs, {**options, "pixel_size": pixel_size}, command)


def _read(path: Path) -> tuple[Micrograph, Array]:
    """Return what a file says about its pixels, and its labels; HDF5 and NumPy files say nothing of pixel sizes."""
    from napari_microcnn.io.foreign_masks import UNCALIBRATED, read_foreign_labels
    from napari_microcnn.io.read import read_micrograph

    labels = read_foreign_labels(path)
    if path.suffix.lower() not in UNCALIBRATED:
        return read_micrograph(path), labels
    return Micrograph(labels, "ZYX"[-labels.ndim :], None, stem_of(path), path), labels


def _measured_files(inputs: Sequence[Path], role: str) -> list[Path]:
    """Return the files that were named, and of folders that `segment` wrote to only the maps of the wanted role."""
    wanted: list[Path] = []
    for path in inputs:
        files = named_files([path])
        results = [file for file in files if is_result(file) and stem_of(file).endswith(f"_{role}")]
        wanted += results if path.is_dir() and results else files
    return named_files(wanted)


def _named(name: str, one: Measured) -> Columns:
    """Return the tables of a file as one, with the name of the file, and the plane if there are several."""
    counts = [len(next(iter(table.values()))) for table in one.tables]
    columns = {key: np.concatenate([table[key] for table in one.tables]) for key in one.tables[0]}
    plane = {"plane": np.repeat(np.arange(len(counts)), counts)} if len(counts) > 1 else {}
    return {"file": np.full(sum(counts), name, dtype=object), **plane, **columns}


def _write(
    output: Path,
    table: Columns,
    found: Mapping[str, Measured],
    micrographs: Sequence[Micrograph],
    settings: Mapping[str, Any],
    command: str,
) -> None:
    """Write tables and provenance, and print what was found."""
    from napari_microcnn.io.provenance import describe_input, provenance
    from napari_microcnn.io.write import write_json, write_table

    told = provenance(micrograph=micrographs[0], model=None, settings=settings, command=command)
    told["inputs"] = [describe_input(micrograph) for micrograph in micrographs]
    told["results"] = {name: {**one.summary, "warnings": list(one.warnings)} for name, one in found.items()}
    last = found.get("all", next(iter(found.values())))
    names = list(dict.fromkeys(key for one in found.values() for key in one.summary))
    rows: dict[str, Array] = {"file": np.array(list(found), object)}
    rows |= {key: np.array([one.summary.get(key, np.nan) for one in found.values()], float) for key in names}
    beside = output.with_name(f"{output.stem}_summary.csv")
    write_table(output, table)
    write_table(beside, rows)
    write_json(beside.with_suffix(".json"), told)
    for name, one in found.items():
        typer.echo(f"{name}: {_sentence(one.summary)}")
    for warning in last.warnings:
        say(warning)
    if last.sureness is not None:
        sure = write_table(output.with_name(f"{output.stem}_sureness.csv"), last.sureness)
        typer.echo(str(sure))
    typer.echo(f"{output}\n{beside}")


def _sentence(summary: Mapping[str, float]) -> str:
    """Return numbers with their intervals in brackets."""
    ends = {f"{key}_{end}" for key in summary for end in ("low", "high")}
    parts = []
    for key, value in summary.items():
        if key in ends or np.isnan(value):
            continue
        low, high = summary.get(f"{key}_low", np.nan), summary.get(f"{key}_high", np.nan)
        parts.append(f"{key} {value:.4g}" + (f" ({low:.4g} to {high:.4g})" if np.isfinite(high - low) else ""))
    return ", ".join(parts)


def _joined(tables: Sequence[Columns]) -> Iterator[tuple[str, Array]]:
    """Put tables below each other.

    Raises
    ------
    ValueError
        If they do not have the same columns: files with different units in one table.
    """
    if len({tuple(table) for table in tables}) > 1:
        raise ValueError("The files have pixel sizes in different units; give one with --pixel-size, or do them apart.")
    for name in tables[0]:
        yield name, np.concatenate([table[name] for table in tables])


def numbered(mask: Array) -> Array:
    """Number the connected regions of a mask, (Y, X)."""
    from scipy import ndimage

    return np.asarray(ndimage.label(mask)[0], np.int32)
