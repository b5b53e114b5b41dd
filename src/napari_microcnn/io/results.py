"""Telling our results from files that are somebody else's."""

from __future__ import annotations

import json
from pathlib import Path

RESULTS = ("classes", "labels", "probabilities", "uncertainty")
"""Endings of the names of result images."""

_IMAGES = (".tif", ".png")


def check_replaceable(folder: Path, stem: str) -> None:
    """Make sure that results of an input do not replace files that are somebody else's.

    Raises
    ------
    ValueError
        If there is one, such as labels painted by hand; earlier results may be replaced.
    """
    if is_record(folder / f"{stem}.json"):
        return
    images = [f"{stem}_{kind}{suffix}" for kind in RESULTS for suffix in _IMAGES]
    names = [f"{stem}.json", f"{stem}.csv", f"{stem}.html", *images]
    for path in (folder / name for name in names):
        if path.exists():
            raise ValueError(f"{path} is no result of an earlier run and would be replaced; choose another folder.")


def is_record(path: Path) -> bool:
    """Whether a file is the JSON file that says how results of ours were made."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("software") == "napari-microcnn"
