"""Which files a command works on: what was named, and what folders hold."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from napari_microcnn.io.pairs import image_files, stem_of

_RESULTS = ("classes", "labels", "probabilities", "uncertainty")


def named_files(inputs: Iterable[Path]) -> list[Path]:
    """Return files in the order named, each once, folders replaced by the images in them.

    Raises
    ------
    ValueError
        If one does not exist, or two would give results of the same name.
    """
    files: list[Path] = []
    for path in dict.fromkeys(inputs):
        if path.is_dir():
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
    """Whether an image is a map or labels that `segment` wrote, by the JSON file beside it."""
    stem, _, kind = stem_of(path).rpartition("_")
    return kind in _RESULTS and _is_ours(path.with_name(f"{stem}.json"))


def check_replaceable(folder: Path, stem: str) -> None:
    """Make sure that results of an input do not replace files that are somebody else's.

    Raises
    ------
    ValueError
        If there is one, such as labels painted by hand; earlier results may be replaced.
    """
    if _is_ours(folder / f"{stem}.json"):
        return
    names = [f"{stem}.json", f"{stem}.csv", *(f"{stem}_{kind}.tif" for kind in _RESULTS)]
    for path in (folder / name for name in names):
        if path.exists():
            raise ValueError(f"{path} is no result of an earlier run and would be replaced; choose another folder.")


def _is_ours(record: Path) -> bool:
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("software") == "napari-microcnn"
