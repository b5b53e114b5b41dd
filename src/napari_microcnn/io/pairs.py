"""Folders of images, and which label image belongs to which image."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp")
"""Image files that are taken from folders; a file that is named itself may have any suffix."""

_LABEL_ENDING = re.compile(r"[_\-. ](masks?|labels?|annotations?|classes|segmentation|seg|gt)$", re.IGNORECASE)
"""What people put after the name of the image that a label image belongs to."""


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


def pair_files(images: str | os.PathLike[str], labels: str | os.PathLike[str]) -> tuple[list[tuple[Path, Path]], str]:
    """Pair the images in a folder with their label images, by name.

    ``steel.tif`` belongs to ``steel.png`` and, where there is no such file, to ``steel_mask.png``,
    ``steel_labels.tif`` and the like. Both may be in one folder; then only names with such an
    ending are label images.

    Parameters
    ----------
    images, labels : str or path-like
        Two folders, or the same one twice.

    Returns
    -------
    pairs : list of (Path, Path)
        Image and label image, sorted by name.
    report : str
        What did not pair, in a sentence or two; empty if all did.

    Raises
    ------
    ValueError
        If a folder is missing or empty, a name is not unique, or nothing pairs.
    """
    image_folder, label_folder = Path(images), Path(labels)
    image_list, label_list = image_files(image_folder), image_files(label_folder)
    if image_folder.samefile(label_folder):
        label_list = [path for path in label_list if _image_stem(path) != stem_of(path)]
        image_list = [path for path in image_list if path not in label_list]
    left, right = _by_stem(image_list), _matched(label_list, {stem_of(path) for path in image_list})
    common = sorted(left.keys() & right.keys())
    report = _report(
        [path.name for stem, path in left.items() if stem not in common],
        [path.name for stem, path in right.items() if stem not in common],
    )
    if not common:
        raise ValueError(f"No label image in {labels} has the name of an image in {images}. {report}".strip())
    return [(left[stem], right[stem]) for stem in common], report


def _image_stem(path: Path) -> str:
    """Return the name of the image that a label image is called after."""
    return _LABEL_ENDING.sub("", stem_of(path))


def _matched(labels: Sequence[Path], images: set[str]) -> dict[str, Path]:
    """Return label images by the stem of their image: by their own name, else by that without its ending."""
    exact = [path for path in labels if stem_of(path) in images]
    found, rest = _by_stem(exact), [path for path in labels if path not in exact]
    for path in rest:
        stem = _image_stem(path)
        taken = stem in images and stem not in found
        other = found.setdefault(stem if taken else stem_of(path), path)
        if other is not path:
            raise _twice(other, path)
    return found


def _by_stem(files: Sequence[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in files:
        other = found.setdefault(stem_of(path), path)
        if other is not path:
            raise _twice(other, path)
    return found


def _twice(one: Path, other: Path) -> ValueError:
    return ValueError(f"{one.name} and {other.name} in {other.parent} have the same name; keep one of them.")


def _report(images: Sequence[str], labels: Sequence[str]) -> str:
    told = []
    if images:
        told.append(f"Without a label image, not used: {_some(images)}.")
    if labels:
        told.append(f"Without an image, not used: {_some(labels)}.")
    return " ".join(told)


def _some(names: Sequence[str], most: int = 5) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
