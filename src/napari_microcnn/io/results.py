"""Telling our results from files that are somebody else's."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from glob import escape
from pathlib import Path
from typing import Any

from napari_microcnn.io.atomic import LONGEST_NAME
from napari_microcnn.io.provenance import file_sha256
from napari_microcnn.io.write import plain

RESULTS = ("classes", "labels", "probabilities", "uncertainty")
"""Endings of the names of result images."""

_IMAGES = (".tif", ".png")
_NOT_OURS = "{} is no result of an earlier run and would be replaced; choose another folder."


def check_replaceable(folder: Path, stem: str) -> None:
    """Make sure that results of an input do not replace files that are somebody else's.

    Raises
    ------
    ValueError
        If there is one, such as labels painted by hand; earlier results may be replaced.
    """
    zarr = folder / f"{stem}.ome.zarr"
    if zarr.exists() and not _is_our_zarr(zarr):
        raise ValueError(_NOT_OURS.format(zarr))
    images = [f"{stem}_{kind}{suffix}" for kind in RESULTS for suffix in _IMAGES]
    others = [
        f"{stem}{ending}" for ending in (".csv", ".html", ".pdf", ".parquet", "_rois.zip", "_coco.json", ".geojson")
    ]
    check_ours(folder, f"{stem}.json", [*others, *images])


def check_ours(folder: Path, record: str, names: Iterable[str]) -> None:
    """Raise ValueError if there is one of these files that no record of ours tells of.

    A run that is killed while its files appear has left the record of them unfinished.
    """
    if is_record(folder / record):
        return
    promised: dict[str, str] = {}
    for path in folder.glob(f".{escape(record[:LONGEST_NAME])}.*.part"):
        hashes = read_record(path).get("sha256")
        promised |= hashes if isinstance(hashes, dict) else {}
    for name in (record, *names):
        path = folder / name
        if path.exists() and (name not in promised or file_sha256(path) != promised[name]):
            raise ValueError(_NOT_OURS.format(path))


def _is_our_zarr(path: Path) -> bool:
    from napari_microcnn.io.ome_zarr import OURS, attributes

    return OURS in attributes(path)


def is_record(path: Path) -> bool:
    """Whether a file is the JSON file that says how results of ours were made."""
    return bool(read_record(path))


def read_record(path: Path) -> dict[str, Any]:
    """Return what the JSON file says of how results of ours were made; empty if it is no such file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) and content.get("software") == "napari-microcnn" else {}


def is_done(folder: Path, stem: str, made_by: Mapping[str, Any], kinds: Collection[str] = ()) -> bool:
    """Whether an input was done in just this way before, and all of its files are there as they were written.

    Parameters
    ----------
    folder : Path
    stem : str
    made_by : mapping
        What the record must say, such as ``"input"``, ``"model"``, ``"settings"`` and ``"versions"``.
    kinds : collection of str
        Endings of names that must be among the files, such as ``".html"``.
    """
    record = read_record(folder / f"{stem}.json")
    hashes = record.get("sha256")
    if not hashes or any(record.get(key) != plain(value) for key, value in made_by.items()):
        return False
    if not all(f"{stem}{kind}" in hashes for kind in kinds):
        return False
    return all((folder / name).exists() and file_sha256(folder / name) == digest for name, digest in hashes.items())
