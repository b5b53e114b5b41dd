"""Which files somebody means: what was named, and what folders hold."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from napari_microcnn.io.pairs import image_files, stem_of
from napari_microcnn.io.results import RESULTS, is_record


def named_files(inputs: Iterable[Path]) -> list[Path]:
    """Return files in the order named, each once, folders replaced by the images in them.

    Raises
    ------
    ValueError
        If one does not exist, or two would give results of the same name.
    """
    files: list[Path] = []
    for path in dict.fromkeys(inputs):
        if path.is_dir() and path.suffix.lower() != ".zarr":
            files += image_files(path)
        elif path.exists():
            files.append(path)
        else:
            raise ValueError(f"There is no file {str(path)!r}.")
    files = list(dict.fromkeys(files))
    seen: dict[str, Path] = {}
    for path in files:
        other = seen.setdefault(stem_of(path), path)
        if other is not path:
            raise ValueError(f"The results of {other} and {path} would have the same name; do them in two runs.")
    return files


def is_result(path: Path) -> bool:
    """Whether an image is a map or labels that `segment` or `explain` wrote, by the JSON file beside it."""
    stem, _, kind = stem_of(path).rpartition("_")
    if kind == "heat":
        return is_record(path.with_suffix(".json"))
    return kind in RESULTS and is_record(path.with_name(f"{stem}.json"))


def micrographs_in(folder: Path) -> list[Path]:
    """Return the images of a folder that are no results of ours.

    Raises
    ------
    ValueError
        If there are none.
    """
    files = [path for path in named_files([folder]) if not is_result(path)]
    if not files:
        raise ValueError(f"{folder} holds only results of earlier segmentations; choose the folder of the micrographs.")
    return files
