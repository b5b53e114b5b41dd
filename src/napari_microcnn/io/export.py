"""Take a segmentation home: masks, table and provenance of one image, all or nothing."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np

from napari_microcnn.io.atomic import make_folder, replacing_all, telling
from napari_microcnn.io.errors import WriteError
from napari_microcnn.io.exchange import OtherFormat, other_writers
from napari_microcnn.io.provenance import describe_calibration, file_sha256
from napari_microcnn.io.write import Format, write_image_to, write_json_to, write_table_to
from napari_microcnn.micrograph import Calibration, Micrograph, Pixels

_LOG = logging.getLogger(__name__)
_ENDINGS: dict[Format, str] = {"ome-tiff": ".tif", "tiff": ".tif", "png": ".png"}


def export_segmentation(
    folder: str | os.PathLike[str],
    stem: str,
    *,
    classes: Pixels | None = None,
    labels: Pixels | None = None,
    probabilities: Pixels | None = None,
    uncertainty: Pixels | None = None,
    table: Mapping[str, Sequence[Any] | np.ndarray[Any, Any]] | None = None,
    calibration: Calibration | None = None,
    axes: str = "YX",
    format: Format = "ome-tiff",  # noqa: A002 - the word users and the command line use
    provenance: Mapping[str, Any],
    class_names: Sequence[str] | None = None,
    page: str | None = None,
    pdf: bytes | None = None,
    also: Collection[OtherFormat] = (),
    micrograph: Micrograph | None = None,
) -> list[Path]:
    """Write what a segmentation found, each part that is given.

    Either all files appear or none does; files of the same names are replaced.

    Parameters
    ----------
    folder : str or path-like
        Created if it is not there.
    stem : str
        Start of the names ``STEM_classes.tif``, ``STEM_labels.tif``, ``STEM_probabilities.tif``,
        ``STEM_uncertainty.tif``, ``STEM.csv`` and ``STEM.json``.
    classes, labels : numpy.ndarray or dask.array.Array, optional
        Class map and object numbers, with the axes `axes`.
    probabilities : numpy.ndarray or dask.array.Array, optional
        One channel per class, before ``YX``.
    uncertainty : numpy.ndarray or dask.array.Array, optional
        How unsure the model is, with the axes `axes`; always TIFF, as the probabilities.
    table : mapping, optional
        Columns of measurements, units in their names.
    calibration : Calibration, optional
        Size of a pixel.
    axes : str
        Axes of the class map, such as ``"YX"`` or ``"ZYX"``.
    format : {"ome-tiff", "tiff", "png"}
        What the masks are written as; see `format_warning`. Probabilities are always TIFF.
    provenance : mapping
        Written as JSON, together with the calibration and the SHA-256 of every file.
    class_names : sequence of str, optional
        Names of the probability channels.
    page : str, optional
        HTML report, ``STEM.html``; see `napari_microcnn.io.page.sample_page`.
    pdf : bytes, optional
        The same as ``STEM.pdf``; see `napari_microcnn.io.pdf.sample_pdf`.
    also : collection of {"png", "imagej", "coco", "geojson", "parquet", "ome-zarr"}
        Formats to write besides: masks as PNG, outlines of the objects, the table as Parquet, the image with its masks
        as OME-Zarr.
    micrograph : Micrograph, optional
        What was segmented; needed for ``"ome-zarr"``.

    Returns
    -------
    list of Path
        The written files.

    Raises
    ------
    WriteError
        If the folder cannot be written, the disk is full, or the format cannot hold the masks.
    """
    if format not in _ENDINGS:
        raise WriteError(f"Masks are written as {', '.join(get_args(Format))}, not as {format!r}.")
    stem = _safe(stem)
    maps = {"classes": classes, "labels": labels, "probabilities": probabilities, "uncertainty": uncertainty}
    writers: dict[str, Callable[[Path], object]] = {}
    for name, pixels in maps.items():
        if pixels is None:
            continue
        mask, channels = name in ("classes", "labels"), name == "probabilities"
        # PNG has no place for fractions and stacks of them.
        kind: Format = "tiff" if format == "png" and not mask else format
        writers[f"{stem}_{name}{_ENDINGS[kind]}"] = partial(
            write_image_to,
            pixels=pixels,
            axes=axes.replace("YX", "CYX") if channels else axes,
            calibration=calibration,
            format=kind,
            name=f"{stem} {name}",
            channel_names=class_names if channels else None,
        )
    if table is not None:
        writers[f"{stem}.csv"] = partial(write_table_to, columns=table)
    if page is not None:
        writers[f"{stem}.html"] = partial(Path.write_text, data=page, encoding="utf-8")
    if pdf is not None:
        writers[f"{stem}.pdf"] = partial(Path.write_bytes, data=pdf)
    model = provenance.get("model") or {}
    writers |= other_writers(
        stem,
        also,
        classes=classes,
        labels=labels,
        table=table,
        calibration=calibration,
        axes=axes,
        micrograph=micrograph,
        about={"model": model.get("sha256"), "classes": model.get("classes", [])},
    )
    if micrograph is not None:
        _keep_input(micrograph, Path(folder), writers)
    record = {**provenance, "pixel_size": describe_calibration(calibration), "files": sorted(writers)}
    if (warning := format_warning(format, calibration, stem)) is not None:
        _LOG.warning(warning)
    return write_recorded(make_folder(folder), writers, f"{stem}.json", record)


def format_warning(format: Format, calibration: Calibration | None, stem: str = "STEM") -> str | None:  # noqa: A002
    """Say what a format loses, in one sentence; None when it loses nothing."""
    if calibration is None or format == "ome-tiff":
        return None
    if format == "png":
        return f"PNG carries the pixel size only as a comment that few programs read; it is in {stem}.json."
    return f"Plain TIFF carries the pixel size only as a resolution that many programs ignore; it is in {stem}.json."


def write_all(folder: Path, writers: Mapping[str, Callable[[Path], object]]) -> list[Path]:
    """Write files by their names into a folder: all of them appear, or none."""
    paths = [folder / name for name in writers]
    with replacing_all(paths) as unfinished:
        for final, file, write in zip(paths, unfinished, writers.values(), strict=True):
            with telling(final):
                write(file)
    return paths


def write_recorded(
    folder: Path, writers: Mapping[str, Callable[[Path], object]], name: str, record: Mapping[str, Any]
) -> list[Path]:
    """Do as `write_all`, and last write a record as JSON, with the SHA-256 of every file.

    By the record, even one that a killed run left unfinished, `results.check_replaceable` tells that they are ours.
    """
    hashes = dict(record.get("sha256", {}))
    hashed = {file: partial(_write_hashed, write, file, hashes) for file, write in writers.items()}
    return write_all(folder, {**hashed, name: partial(write_json_to, content={**record, "sha256": hashes})})


def _keep_input(micrograph: Micrograph, folder: Path, names: Iterable[str]) -> None:
    """Make sure that no result takes the place of what was segmented."""
    for name in names:
        if micrograph.path is not None and (folder / name).resolve() == micrograph.path.resolve():
            raise WriteError(f"{micrograph.path} is the image itself and would be replaced; choose another folder.")


def _write_hashed(write: Callable[[Path], object], name: str, hashes: dict[str, str], file: Path) -> None:
    """Write a file and note what it holds."""
    write(file)
    hashes[name] = file_sha256(file)


def _safe(stem: str) -> str:
    """Make a name of a layer a name of a file on every system."""
    return re.sub(r'[\x00-\x1f<>:"/\\|?*]', "_", stem).strip(" .") or "image"
