"""Masks of twins that belong to label images, for ``napari-microcnn measure grains``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from napari_microcnn.cli.measuring import Array, numbered
from napari_microcnn.io.pairs import image_files, stem_of


def twin_masks(
    boundaries: Path | None, areas: Path | None, boundary: int | None
) -> Callable[[Path, Array], Array] | None:
    """Return what makes, of a file's name and its labels, grains with twins counted as wanted.

    Parameters
    ----------
    boundaries, areas : Path or None
        A mask, or a folder of masks with the names of the images: twin boundaries, across which grains are joined,
        or the areas of twins, which become grains of their own.
    boundary : int or None
        The labels are class maps, and this is the class of the boundaries.

    Raises
    ------
    ValueError
        If both are given, or one does not exist.
    """
    if boundaries is None and areas is None:
        return None
    if boundaries is not None and areas is not None:
        raise ValueError("Twins are counted as grains, or they are not; give --twins or --twin-boundaries, not both.")
    masks = boundaries or areas
    if masks is None or not masks.exists():
        raise ValueError(f"There is no file or folder {str(masks)!r} with masks of twins.")

    def counted(path: Path, labels: Array) -> Array:
        from napari_microcnn.io.foreign_masks import read_foreign_labels
        from napari_microcnn.measure.twins import with_twins, without_twin_boundaries

        marked = np.asarray(read_foreign_labels(_mask_of(path, masks))) > 0
        if marked.shape != labels.shape:
            raise ValueError(f"The mask of twins of {path.name} has shape {marked.shape}, not {labels.shape}.")
        done = np.empty(labels.shape, np.int64)
        for index in np.ndindex(labels.shape[:-2]):
            grains = labels[index] if boundary is None else numbered(labels[index] != boundary)
            redone = with_twins if boundaries is None else without_twin_boundaries
            done[index] = redone(grains, marked[index])
        return done

    return counted


def _mask_of(path: Path, masks: Path) -> Path:
    """Return the mask of an image: the only one, or that of the same name, with or without what `segment` added."""
    if masks.is_file():
        return masks
    stem = stem_of(path)
    names = {stem, stem.removesuffix("_labels").removesuffix("_classes")}
    found = [file for file in image_files(masks) if stem_of(file) in names]
    if not found:
        raise ValueError(f"{masks} has no mask of twins for {path.name}; give it the same name.")
    return found[0]
