"""``napari-microcnn measure``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from napari_microcnn.cli.measuring import Array, Columns, Measured, measure_files, numbered
from napari_microcnn.cli.options import AnyDevice, takes_settings
from napari_microcnn.cli.twins import twin_masks
from napari_microcnn.config import GrainSizeConfig
from napari_microcnn.micrograph import Calibration

app = typer.Typer(rich_markup_mode=None)

Inputs = Annotated[list[Path], typer.Argument(metavar="INPUT...", help="Label images, or folders of them.")]
Output = Annotated[
    Path,
    typer.Option("--output", "-o", help="The table to write (.csv); the numbers of every image stand beside it."),
]
PixelSize = Annotated[
    str | None, typer.Option("--pixel-size", help="Like '0.25 um'; without it, what the files say.")
]  # fmt: skip
Parts = Annotated[
    int | None,
    typer.Option(min=1, max=100, help="Parts along every side of an image that the intervals come from."),
]
TwinBoundaries = Annotated[
    Path | None,
    typer.Option(
        help="Twins are no grains: a mask of their boundaries, or a folder of masks, across which grains join."
    ),
]
Twins = Annotated[
    Path | None, typer.Option(help="Twins are grains of their own: a mask of their areas, or a folder of masks.")
]
Sureness = Annotated[
    bool, typer.Option("--sureness", help="Also say how every number moves when outlines shift by a pixel.")
]


@app.command("grains", help="Grain size number G (ASTM E112, ISO 643) with intervals, and a table of all grains.")
@takes_settings("config", GrainSizeConfig)
def grains(
    inputs: Inputs,
    output: Output,
    config: GrainSizeConfig,
    pixel_size: PixelSize = None,
    boundary: Annotated[
        int | None, typer.Option(help="The input is a class map, and this is the class of the boundaries.")
    ] = None,
    twin_boundaries: TwinBoundaries = None,
    twins: Twins = None,
    sureness: Sureness = False,
    device: AnyDevice = "auto",
) -> None:
    """Measure grains: numbered ones, or those enclosed by boundaries.

    Raises
    ------
    ValueError
        If it is asked how sure grains are that leave no boundary to be moved, or if masks of twins are missing.
    """
    from napari_microcnn.measure import GrainSize, grain_size
    from napari_microcnn.measure.sureness import sureness_of_outlines

    if sureness and boundary is None:
        raise ValueError("Numbered grains meet without a boundary that could move; give a class map and --boundary.")

    marked = twin_masks(twin_boundaries, twins, boundary)
    if sureness and marked is not None:
        raise ValueError(
            "How sure grains are is told with twins as they were found; leave --sureness or the twins out."
        )

    def enclosed(masks: list[Array], calibration: Calibration | None) -> GrainSize:
        return grain_size([numbered(mask == 0) for mask in masks], calibration, config)

    def measured(planes: list[Array], calibration: Calibration | None) -> Measured:
        masks = [(plane == boundary).astype(np.uint8) for plane in planes]
        numbers = boundary is None or marked is not None
        size = grain_size(planes, calibration, config) if numbers else enclosed(masks, calibration)
        sure = sureness_of_outlines(lambda moved: enclosed(moved, calibration).summary(), masks) if sureness else None
        return Measured([field.table for field in size.fields], size.summary(), size.warnings, sure)

    given = {"twin_boundaries": twin_boundaries, "twins": twins}
    told = {name: None if path is None else str(path) for name, path in given.items()}
    options = {"boundary": boundary, **told, **config.model_dump(exclude_defaults=True), "sureness": sureness}
    role = "labels" if boundary is None else "classes"
    measure_files("grains", role, inputs, output, pixel_size, measured, options, marked)


@app.command("particles", help="Number, sizes, shapes and places of particles or pores, with intervals.")
def particles(
    inputs: Inputs,
    output: Output,
    pixel_size: PixelSize = None,
    class_id: Annotated[
        int | None, typer.Option("--class", help="The input is a class map, and this is the class of the particles.")
    ] = None,
    parts: Parts = None,
    sureness: Sureness = False,
    device: AnyDevice = "auto",
) -> None:
    """Measure particles: numbered ones, or the connected regions of a class."""
    from napari_microcnn.measure import particle_statistics
    from napari_microcnn.measure.sureness import sureness_of_outlines

    def measured(planes: list[Array], calibration: Calibration | None) -> Measured:
        labels = planes if class_id is None else [numbered(plane == class_id) for plane in planes]
        found = particle_statistics(labels, calibration, parts)
        sure = sureness_of_outlines(
            lambda moved: particle_statistics(moved, calibration, parts).summary(), labels
        ) if sureness else None  # fmt: skip
        return Measured(found.tables, found.summary(), sureness=sure)

    options = {"class": class_id, "parts": parts, "sureness": sureness}
    measure_files(
        "particles", "labels" if class_id is None else "classes", inputs, output, pixel_size, measured, options
    )


@app.command("phases", help="Area fraction, interface, chords and connectivity of every class, with intervals.")
def phases(
    inputs: Inputs,
    output: Output,
    pixel_size: PixelSize = None,
    thickness: Annotated[
        bool, typer.Option("--thickness", help="Also the local thickness, which takes some seconds.")
    ] = False,
    tortuosity: Annotated[
        bool, typer.Option("--tortuosity", help="Also how much longer the ways through a phase are than straight ones.")
    ] = False,
    parts: Parts = None,
    sureness: Sureness = False,
    device: AnyDevice = "auto",
) -> None:
    """Measure the phases of class maps."""
    from napari_microcnn.measure import phase_statistics
    from napari_microcnn.measure.sureness import sureness_of_outlines

    def summary(planes: list[Array], calibration: Calibration | None) -> dict[int, dict[str, float]]:
        found = phase_statistics(planes, calibration, thickness=thickness, tortuosity=tortuosity, parts=parts)
        return {key: phase.summary() for key, phase in found.items()}

    def measured(planes: list[Array], calibration: Calibration | None) -> Measured:
        found = summary(planes, calibration)
        names = next(iter(found.values()))
        columns = {"class": np.array(list(found)), **{n: np.array([one[n] for one in found.values()]) for n in names}}
        told = {f"class_{key}_{name}": value for key, one in found.items() for name, value in one.items()}
        sure: Columns = {"class": np.empty(0, int)}
        for key in found if sureness else ():
            masks = [(plane == key).astype(np.uint8) for plane in planes]
            rows = sureness_of_outlines(lambda moved: summary(moved, calibration).get(1, {}), masks)
            rows = {"class": np.full(len(rows["value"]), key), **rows}
            sure = {name: np.concatenate([sure.get(name, rows[name][:0]), rows[name]]) for name in rows}
        return Measured([columns], told, sureness=sure if sureness else None)

    options = {"thickness": thickness, "tortuosity": tortuosity, "parts": parts, "sureness": sureness}
    measure_files("phases", "classes", inputs, output, pixel_size, measured, options)
