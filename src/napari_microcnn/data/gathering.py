"""Labelled images from folders, tables, stacks and regions of a micrograph."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from napari_microcnn.data.collections import ClassifiedImage, Collection, named_classes
from napari_microcnn.io.errors import ReadError
from napari_microcnn.io.pairs import stem_of
from napari_microcnn.io.read import read_micrograph
from napari_microcnn.micrograph import Micrograph

UNKNOWN = (
    "Nobody says which images were cut from the same micrograph, so each counts as one of its own, and the scores "
    "flatter if that is not so: put those of one micrograph into a folder inside that of the class, or name it in the "
    "column 'micrograph' of a table."
)
_JUNK = ("thumbs.db", "desktop.ini")
_PIECE = re.compile(
    r"[_\-. ]+(?:(?:tile|patch|crop|piece|window|row|col|x|y|r|c)[_\- ]?\d+[_\-. ]*)+$"  # steel_patch3, steel_x0_y256
    r"|(?:[_\-]\d+){2}$",  # steel-256-512
    re.IGNORECASE,
)
"""What people put after the name of a micrograph when they cut it up."""
_COLUMNS = {"file": ("file", "image", "path", "filename", "name"), "class": ("class", "label", "category")}


def collect(source: str | os.PathLike[str]) -> Collection:
    """Gather labelled images from a folder with one folder per class, or from a CSV table.

    Raises
    ------
    ValueError
        See `collect_folders` and `collect_table`.
    """
    path = Path(source)
    return collect_table(path) if path.is_file() else collect_folders(path)


def collect_folders(folder: str | os.PathLike[str]) -> Collection:
    """Gather images from a folder that holds one folder per class.

    A folder inside a class folder is a micrograph: all images in it were cut from it. Files beside
    each other are told apart by their names: ``steel_patch1.png`` and ``steel_patch2.png``, or
    ``steel-0-256.png`` and ``steel-256-0.png``, are parts of the micrograph ``steel``; all pages of
    a stack are parts of one micrograph.

    Parameters
    ----------
    folder : str or path-like

    Returns
    -------
    Collection
        Files that cannot be read are left out and listed in its notices.

    Raises
    ------
    ValueError
        If there is no such folder, it holds no folders with images, or two classes have the same name.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ValueError(f"There is no folder {str(root)!r}.")
    inside = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not inside:
        raise ValueError(f"The folder {str(root)!r} holds no folders; it needs one folder of images per class.")
    classes = named_classes(path.name for path in inside)
    ids = {info.name: info.id for info in classes}
    entries = [(file, ids[path.name], _owner(file, path)) for path in inside for file in _files_in(path)]
    empty = [path.name for path in inside if not any(file.is_relative_to(path) for file, _, _ in entries)]
    images, skipped = _read_all(entries, root)
    if not images:
        raise ValueError(f"No image in the folders of {str(root)!r} can be read. {_listed(skipped)}".strip())
    used = {image.class_id for image in images}
    notices = [f"Without an image, not used: the folder {name}." for name in empty]
    notices += [_listed(skipped)] if skipped else []
    notices += [UNKNOWN] if _unknown(images) else []
    kept = tuple(info for info in classes if info.id in used)
    return Collection(tuple(images), kept, tuple(notices))


def collect_table(table: str | os.PathLike[str]) -> Collection:
    """Gather the images that a CSV table lists.

    Parameters
    ----------
    table : str or path-like
        Columns ``file`` (relative to the table's folder, or absolute), ``class``, and where it is
        known ``micrograph``. Separated by commas, semicolons or tabs.

    Returns
    -------
    Collection
        Files that cannot be read are left out and listed in its notices.

    Raises
    ------
    ValueError
        If the table cannot be read, lacks a column, or lists nothing that can be read.
    """
    path = Path(table)
    rows = _rows(path)
    columns = {kind: _column(rows[0], names, path) for kind, names in _COLUMNS.items()}
    classes = named_classes((row[columns["class"]] or "").strip() for row in rows)
    ids = {info.name: info.id for info in classes}
    known = any(row.get("micrograph") for row in rows)
    entries = []
    for row in rows:
        file = path.parent / (row[columns["file"]] or "").strip()
        owner = (row.get("micrograph") or "").strip() or _cut_from(file)
        entries.append((file, ids[(row[columns["class"]] or "").strip()], owner))
    images, skipped = _read_all(entries, path.parent)
    if not images:
        raise ValueError(f"No image that {path.name} lists can be read. {_listed(skipped)}".strip())
    notices = ([_listed(skipped)] if skipped else []) + ([] if known or not _unknown(images) else [UNKNOWN])
    used = {image.class_id for image in images}
    return Collection(tuple(images), tuple(info for info in classes if info.id in used), tuple(notices))


def collect_planes(
    stack: Micrograph, names: Sequence[str | None], micrographs: Sequence[str] | None = None
) -> Collection:
    """Take the planes of a stack as images.

    Parameters
    ----------
    stack : Micrograph
    names : sequence of str or None
        Class of every plane, in order; None leaves a plane out.
    micrographs : sequence of str, optional
        Which micrograph every plane was cut from.

    Raises
    ------
    ValueError
        If there is not one class for every plane, or the names of the classes are bad.
    """
    planes = list(stack.planes())
    if len(names) != len(planes) or (micrographs is not None and len(micrographs) != len(planes)):
        raise ValueError(f"{stack.name} has {len(planes)} planes, but {len(names)} classes are given; give one each.")
    classes = named_classes(name.strip() for name in names if name is not None)
    ids = {info.name: info.id for info in classes}
    images = []
    for number, ((_, pixels), name) in enumerate(zip(planes, names, strict=True)):
        if name is not None:
            title = f"{stack.name} {number}"
            owner = title if micrographs is None else micrographs[number]
            images.append(ClassifiedImage(pixels, ids[name.strip()], title, owner, stack.calibration))
    return Collection(tuple(images), classes, () if micrographs is not None else (UNKNOWN,))


def collect_regions(micrograph: Micrograph, labels: np.ndarray, names: Mapping[int, str]) -> Collection:
    """Cut squares out of regions of one micrograph; every square lies in its region as a whole.

    Parameters
    ----------
    micrograph : Micrograph
        A single image.
    labels : numpy.ndarray, (Y, X) integers
        0 outside the regions, otherwise a key of `names`.
    names : mapping of int to str
        Names of the classes.

    Raises
    ------
    ValueError
        If the sizes differ, or no region is large enough.
    """
    from napari_microcnn.data.databar import find_overlays
    from napari_microcnn.data.squares import squares_in

    if micrograph.stack_shape or labels.shape != micrograph.plane_shape:
        raise ValueError(
            f"The regions have the shape {labels.shape}, the image {micrograph.name} {micrograph.pixels.shape}; "
            f"both must be single images of the same size."
        )
    labels = np.where(find_overlays(micrograph.pixels).mask(), 0, labels)
    values = [int(value) for value in np.unique(labels) if value != 0]
    classes = named_classes(names.get(value, f"class {value}") for value in values)
    ids = {info.name: info.id for info in classes}
    images = []
    for value in values:
        class_id = ids[names.get(value, f"class {value}")]
        for region, (rows, columns) in squares_in(labels == value):
            title = f"{micrograph.name} {rows.start}-{columns.start}"
            owner = f"{micrograph.name}, region {value}.{region}"
            images.append(
                ClassifiedImage(micrograph.pixels[rows, columns], class_id, title, owner, micrograph.calibration)
            )
    used = {image.class_id for image in images}
    if not images:
        raise ValueError(f"No region of {micrograph.name} holds a square of 32 x 32 pixels; paint larger regions.")
    notice = f"All regions are of the micrograph {micrograph.name}, so they judge each other, and the scores flatter."
    return Collection(tuple(images), tuple(info for info in classes if info.id in used), (notice,))


def _files_in(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.is_file())
    hidden = (path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))
    return sorted(path for path in hidden if path.name.lower() not in _JUNK)


def _owner(file: Path, folder: Path) -> str:
    """Return the micrograph of a file: the folders inside its class folder, or else what its name says."""
    inside = file.relative_to(folder).parts[:-1]
    return "/".join(inside) if inside else _cut_from(file)


def _cut_from(file: Path) -> str:
    """Return the micrograph that a file was cut from, by its name; without a sign of that its own path."""
    stem = stem_of(file)
    whole = _PIECE.sub("", stem)
    return whole if whole not in ("", stem) else f"{file.parent.name}/{stem}"


def _unknown(images: Sequence[ClassifiedImage]) -> bool:
    """Whether no two images share a micrograph: then either all are separate ones, or nobody said so."""
    return len({image.micrograph for image in images}) == len(images)


def _read_all(entries: Sequence[tuple[Path, int, str]], root: Path) -> tuple[list[ClassifiedImage], list[str]]:
    """Read files; returns the images, and why others were skipped."""
    images, skipped = [], []
    for file, class_id, owner in entries:
        name = str(file.relative_to(root)) if file.is_relative_to(root) else str(file)
        try:
            micrograph = read_micrograph(file)
            for index, pixels in micrograph.planes():
                title = name + "".join(f" [{place}]" for place in index)
                images.append(ClassifiedImage(pixels, class_id, title, owner, micrograph.calibration))
        except (ReadError, ValueError) as error:
            skipped.append(f"{name} ({error})" if name not in str(error) else str(error))
    return images, skipped


def _listed(skipped: Sequence[str], most: int = 5) -> str:
    if not skipped:
        return ""
    rest = f" And {len(skipped) - most} more." if len(skipped) > most else ""
    return f"{len(skipped)} files were skipped: " + " ".join(skipped[:most]) + rest


def _rows(path: Path) -> list[dict[str, str | None]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no table that can be read ({error}); save it as CSV in UTF-8.") from error
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    rows: list[dict[str, str | None]] = list(csv.DictReader(text.splitlines(), delimiter=delimiter))
    if not rows:
        raise ValueError(f"{path} lists nothing; it needs a first line with 'file' and 'class', and a line per image.")
    return [{(key or "").strip().lower(): value for key, value in row.items()} for row in rows]


def _column(row: Mapping[str, str | None], names: Sequence[str], path: Path) -> str:
    found = next((name for name in names if name in row), None)
    if found is None:
        raise ValueError(f"{path.name} has no column {names[0]!r}; its columns are: {', '.join(row)}.")
    return found
