"""``napari-microcnn measure``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import numpy as np
import typer

from napari_microcnn.cli.inputs import named_files
from napari_microcnn.cli.options import AnyDevice
from napari_microcnn.cli.running import say
from napari_microcnn.io.atomic import make_folder
from napari_microcnn.io.pairs import SUFFIXES
from napari_microcnn.micrograph import Calibration

app = typer.Typer(rich_markup_mode=None)

Array: TypeAlias = "np.ndarray[Any, Any]"
Columns: TypeAlias = dict[str, Array]
Measured: TypeAlias = tuple[Columns, dict[str, float | int]]

Inputs = Annotated[list[Path], typer.Argument(metavar="INPUT...", help="Label images, or folders of them.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="The table to write (.csv).")]
PixelSize = Annotated[
    str | None, typer.Option("--pixel-size", help="Like '0.25 um'; without it, what the files say.")
]  # fmt: skip


@app.command("grains", help="Area and diameter of every grain, and the mean lineal intercept of every image.")
def grains(
    inputs: Inputs,
    output: Output,
    pixel_size: PixelSize = None,
    boundary: Annotated[
        int | None, typer.Option(help="The input is a class map, and this is the class of the boundaries.")
    ] = None,
    device: AnyDevice = "auto",
) -> None:
    """Measure grains: numbered ones, or those enclosed by boundaries."""
    from napari_microcnn.measure import mean_intercept, measure_objects, summarise
    from napari_microcnn.measure.units import length_unit

    def measured(values: Array, calibration: Calibration | None) -> Measured:
        labels = values if boundary is None else _numbered(values != boundary)
        table = measure_objects(labels, calibration)
        planes = labels.reshape(-1, *labels.shape[-2:])
        density = sum(1 / mean_intercept(plane, calibration) for plane in planes)  # 0 in a single grain
        intercept = len(planes) / density if density else float("inf")
        name = f"mean_intercept_{length_unit(calibration)}"
        return table, {name: intercept, **summarise(table=table, calibration=calibration)}

    _measure(inputs, output, pixel_size, measured)


@app.command("particles", help="Area, diameter and place of every particle or pore.")
def particles(
    inputs: Inputs,
    output: Output,
    pixel_size: PixelSize = None,
    class_id: Annotated[
        int | None, typer.Option("--class", help="The input is a class map, and this is the class of the particles.")
    ] = None,
    device: AnyDevice = "auto",
) -> None:
    """Measure particles: numbered ones, or the connected regions of a class."""
    from napari_microcnn.measure import measure_objects, summarise

    def measured(values: Array, calibration: Calibration | None) -> Measured:
        labels = values if class_id is None else _numbered(values == class_id)
        table = measure_objects(labels, calibration)
        fraction = {"area_fraction": float(np.mean(labels > 0))}
        return table, {**fraction, **summarise(table=table, calibration=calibration)}

    _measure(inputs, output, pixel_size, measured)


@app.command("phases", help="Area fraction of every class of a class map.")
def phases(inputs: Inputs, output: Output, pixel_size: PixelSize = None, device: AnyDevice = "auto") -> None:
    """Measure area fractions."""
    from napari_microcnn.measure import area_fractions

    def measured(values: Array, calibration: Calibration | None) -> Measured:
        found = area_fractions(values)
        columns = {"class": np.array(list(found)), "area_fraction": np.array(list(found.values()))}
        return columns, {f"area_fraction_{key}": value for key, value in found.items()}

    _measure(inputs, output, pixel_size, measured)


def _measure(
    inputs: Sequence[Path],
    output: Path,
    pixel_size: str | None,
    measured: Callable[[Array, Calibration | None], Measured],
) -> None:
    """Measure all files, write one table of them, and print a line for each.

    Raises
    ------
    ValueError
        If a file cannot be read or measured, or the table cannot be written.
    """
    from napari_microcnn.io.read import read_labels, read_micrograph
    from napari_microcnn.io.write import write_table

    given = Calibration.parse(pixel_size) if pixel_size else None
    files = named_files(inputs)
    if output.suffix.lower() in SUFFIXES:
        raise ValueError(f"{output} is the name of an image; the table needs one that ends in .csv.")
    make_folder(output.parent)
    tables: list[Columns] = []
    lines: list[str] = []
    for path in files:
        calibration = given or read_micrograph(path).calibration
        columns, summary = measured(read_labels(path), calibration)
        count = len(next(iter(columns.values())))
        tables.append({"file": np.full(count, path.name, dtype=object), **columns})
        lines.append(f"{path.name}: " + ", ".join(f"{key} {value:.4g}" for key, value in summary.items()))
        if calibration is None:
            say(f"{path.name}: the pixel size is not known, so lengths are in pixels; --pixel-size sets it.")
    write_table(output, dict(_joined(tables)))
    typer.echo("\n".join([*lines, str(output)]))


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


def _numbered(mask: Array) -> Array:
    """Number the connected regions of a mask, plane by plane."""
    from scipy import ndimage

    result = np.empty(mask.shape, np.int32)
    for index in np.ndindex(mask.shape[:-2]):
        result[index] = ndimage.label(mask[index])[0]
    return result
