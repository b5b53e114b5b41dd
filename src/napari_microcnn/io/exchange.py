"""Results in the formats of other programs, beside the OME-TIFF files: PNG, outlines of objects, Parquet, OME-Zarr."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from napari_microcnn.io.errors import WriteError
from napari_microcnn.io.outlines import outlines_as
from napari_microcnn.io.provenance import describe_calibration
from napari_microcnn.io.write import write_image_to
from napari_microcnn.micrograph import Calibration, Micrograph, Pixels

OtherFormat = Literal["png", "imagej", "coco", "geojson", "parquet", "ome-zarr"]
"""Masks as PNG, outlines for ImageJ, as COCO or GeoJSON, the table as Parquet, image with masks as OME-Zarr."""

Columns: TypeAlias = "Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]"

OUTLINES = {"imagej": "_rois.zip", "coco": "_coco.json", "geojson": ".geojson"}
"""Endings of the names of outlines, after ``STEM``."""
ENDINGS: dict[str, str] = {"png": "_classes.png", "parquet": ".parquet", "ome-zarr": ".ome.zarr", **OUTLINES}
"""Ending of one file of every format, after ``STEM``."""
_EXTRAS = {"imagej": "roifile", "parquet": "pyarrow"}


def check_formats(formats: Collection[str]) -> None:
    """Make sure, before any work is done, that these formats are known and can be written here.

    Raises
    ------
    WriteError
        If not; one sentence.
    """
    for one in formats:
        if one not in get_args(OtherFormat):
            raise WriteError(f"Results are also written as {', '.join(get_args(OtherFormat))}, not as {one!r}.")
        if one in _EXTRAS and find_spec(_EXTRAS[one]) is None:
            raise WriteError(f"The format {one!r} needs an extra: pip install 'napari-microcnn[{one}]'.")


def check_dimensions(formats: Collection[str], dimensions: int) -> None:
    """Make sure that outlines are wanted of one plane only.

    Raises
    ------
    WriteError
        If not; one sentence.
    """
    wanted = [one for one in OUTLINES if one in formats]
    if wanted and dimensions != 2:
        raise WriteError(
            f"Outlines ({', '.join(wanted)}) are written of one plane, not of a stack; leave this format out."
        )


def other_writers(
    stem: str,
    formats: Collection[OtherFormat],
    *,
    classes: Pixels | None,
    labels: Pixels | None,
    table: Columns | None,
    calibration: Calibration | None,
    axes: str,
    micrograph: Micrograph | None = None,
    about: Mapping[str, Any] | None = None,
) -> dict[str, Callable[[Path], object]]:
    """Return what writes each file of these formats, by its name.

    Raises
    ------
    WriteError
        If a format is unknown or its package is not installed, if outlines of a stack are wanted, or OME-Zarr without
        the image.
    """
    check_formats(formats)
    writers: dict[str, Callable[[Path], object]] = {}
    for name, mask in (("classes", classes), ("labels", labels)):
        if "png" in formats and mask is not None:
            writers[f"{stem}_{name}.png"] = partial(
                write_image_to, pixels=mask, axes=axes, calibration=calibration, format="png"
            )
    for kind, ending in OUTLINES.items():
        if kind in formats and labels is not None:
            check_dimensions(formats, labels.ndim)
            writers[f"{stem}{ending}"] = partial(_outlines, kind, labels, calibration, stem)
    if "parquet" in formats and table is not None:
        writers[f"{stem}.parquet"] = partial(write_parquet_to, columns=table, calibration=calibration)
    masks = {name: mask for name, mask in (("classes", classes), ("labels", labels)) if mask is not None}
    if "ome-zarr" in formats and masks:
        if micrograph is None:
            raise WriteError("Masks in an OME-Zarr stand beside their image; name the image.")
        image = replace(micrograph, calibration=calibration)
        writers[f"{stem}{ENDINGS['ome-zarr']}"] = partial(_labelled, micrograph=image, masks=masks, about=about)
    return writers


def write_parquet_to(file: Path, columns: Columns, calibration: Calibration | None = None) -> None:
    """Write a table as Parquet, with the pixel size as JSON in the metadata of its schema."""
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table({name: np.asarray(values) for name, values in columns.items()})
    about = json.dumps({"pixel_size": describe_calibration(calibration)})
    parquet.write_table(table.replace_schema_metadata({"napari-microcnn": about}), file)


def _outlines(kind: str, labels: Pixels, calibration: Calibration | None, stem: str, file: Path) -> None:
    file.write_bytes(outlines_as(kind, np.asarray(labels), calibration, f"{stem}_labels.tif"))


def _labelled(file: Path, micrograph: Micrograph, masks: Mapping[str, Pixels], about: Mapping[str, Any] | None) -> None:
    from napari_microcnn.io.labelled import write_labelled_to
    from napari_microcnn.io.ome_zarr import OURS

    write_labelled_to(file, micrograph, masks, {OURS: dict(about or {})})
