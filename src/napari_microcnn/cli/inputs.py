"""Which files a command works on: what was named, what folders hold, and images with their labels."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp")
"""Image files that are taken from folders; a file that is named itself may have any suffix."""

_RESULTS = ("classes", "labels", "probabilities")


def stem_of(path: Path) -> str:
    """Return a file's name without suffixes, ``.ome`` included.

    Examples
    --------
    >>> stem_of(Path("data/steel.ome.tif"))
    'steel'
    """
    stem = path.stem
    return stem[:-4] if stem.lower().endswith(".ome") else stem


def image_files(folder: Path) -> list[Path]:
    """Return the image files in a folder, sorted by name.

    Raises
    ------
    ValueError
        If there is no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise ValueError(f"There is no folder {str(folder)!r}.")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.name[0] != ".")
    if not files:
        raise ValueError(f"The folder {str(folder)!r} holds no image ({', '.join(SUFFIXES)}).")
    return files


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
    """Whether an image is a class map, labels or probabilities that `segment` wrote, by the JSON file beside it."""
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


def pairs(images: Path, labels: Path) -> tuple[list[tuple[Path, Path]], str]:
    """Pair images with label images of the same stem.

    Parameters
    ----------
    images, labels : Path
        Two folders.

    Returns
    -------
    list of (Path, Path), str
        Image and label image, sorted; and a sentence on what did not pair, empty if all did.

    Raises
    ------
    ValueError
        If a folder is missing or empty, a stem is not unique, or nothing pairs.
    """
    by_stem = [_by_stem(image_files(folder)) for folder in (images, labels)]
    common = sorted(by_stem[0].keys() & by_stem[1].keys())
    alone = [[by_stem[i][stem].name for stem in sorted(by_stem[i].keys() - set(common))] for i in (0, 1)]
    report = ""
    if alone[0]:
        report += f"Without a label image, not used: {_some(alone[0])}. "
    if alone[1]:
        report += f"Without an image, not used: {_some(alone[1])}."
    if not common:
        raise ValueError(f"No label image in {labels} has the name of an image in {images}. {report}".strip())
    return [(by_stem[0][stem], by_stem[1][stem]) for stem in common], report.strip()


def _by_stem(files: Sequence[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in files:
        other = found.setdefault(stem_of(path), path)
        if other is not path:
            raise ValueError(f"{other.name} and {path.name} in {path.parent} have the same name; keep one of them.")
    return found


def _some(names: Sequence[str], most: int = 5) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
