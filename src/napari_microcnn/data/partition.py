"""Which labelled images judge a classifier: whole micrographs, never a part of one that trains it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.data.collections import Collection

SHARE = 0.2
"""Part of the images of every class that is held out."""


def hold_out(collection: Collection, rng: np.random.Generator) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Choose whole micrographs to hold out: about a fifth of every class.

    Parameters
    ----------
    collection : Collection
    rng : numpy.random.Generator

    Returns
    -------
    held : numpy.ndarray, (N,) bool
        Per image whether it is held out. Every class is on both sides.
    notices : tuple of str
        Which classes could not be split by micrograph.
    """
    table, owners = _table(collection)
    wanted = np.maximum(1, np.round(SHARE * table.sum(axis=0)))
    held = np.zeros(len(table), bool)
    for column in np.argsort((table > 0).sum(axis=0), kind="stable"):  # the class with the fewest choices first
        for row in _by_fit(table[:, column], rng):
            so_far = table[held, column].sum()
            if so_far and abs(so_far + table[row, column] - wanted[column]) >= abs(so_far - wanted[column]):
                continue  # no nearer to a fifth
            trial = held.copy()
            trial[row] = True
            if table[row, column] and (table[~trial].sum(axis=0) > 0).all():
                held = trial
    images = held[owners]
    missing = [index for index in range(table.shape[1]) if not table[held, index].any()]
    ids = np.array([image.class_id for image in collection.images])
    for index in missing:  # all images of the class are of one micrograph: better judged by these than not at all
        own = np.flatnonzero(ids == collection.classes[index].id)
        images[rng.permutation(own)[: max(1, round(SHARE * len(own)))]] = True
    names = ", ".join(collection.classes[index].name for index in missing)
    told = f"All images of {names} are of one micrograph: it is on both sides, and the scores flatter; add micrographs."
    return images, (told,) if missing else ()


def folds(collection: Collection, number: int, rng: np.random.Generator) -> list[NDArray[np.bool_]]:
    """Deal out the micrographs to folds, the classes as evenly as possible.

    Parameters
    ----------
    collection : Collection
    number : int
        Of folds; at least 2.
    rng : numpy.random.Generator

    Returns
    -------
    list of numpy.ndarray, (N,) bool
        Per fold which images it holds out; every image is held out once.

    Raises
    ------
    ValueError
        If a class has fewer micrographs than there are folds.
    """
    table, owners = _table(collection)
    fewest = int((table > 0).sum(axis=0).argmin())
    most = int((table[:, fewest] > 0).sum())
    if not 2 <= number <= most:
        raise ValueError(
            f"{number} folds need as many micrographs of every class, at least 2, but {collection.classes[fewest].name}"
            f" has {most}; choose fewer folds or add micrographs."
        )
    share = table / table.sum(axis=0)
    order = rng.permutation(len(table))
    order = order[np.argsort(-share[order].max(axis=1), kind="stable")]  # large ones first: small ones even it out
    load = np.zeros((number, table.shape[1]))
    fold_of = np.zeros(len(table), int)
    for row in order:
        cost = ((load + share[row]) ** 2 - load**2).sum(axis=1) + 1e-6 * load.sum(axis=1)
        fold_of[row] = int(cost.argmin())
        load[fold_of[row]] += share[row]
    return [(fold_of == index)[owners] for index in range(number)]


def _table(collection: Collection) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Return how many images of every class (columns) every micrograph (rows) has, and the row of every image."""
    names = {name: row for row, name in enumerate(sorted({image.micrograph for image in collection.images}))}
    columns = {info.id: column for column, info in enumerate(collection.classes)}
    table = np.zeros((len(names), len(columns)), np.int64)
    for image in collection.images:
        table[names[image.micrograph], columns[image.class_id]] += 1
    return table, np.array([names[image.micrograph] for image in collection.images])


def _by_fit(counts: NDArray[np.int64], rng: np.random.Generator) -> Sequence[int]:
    """Return rows in a random order, those with more than half of the class last."""
    order = rng.permutation(len(counts))
    return [int(row) for row in order[np.argsort(counts[order] > counts.sum() / 2, kind="stable")]]
