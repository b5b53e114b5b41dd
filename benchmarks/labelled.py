"""Labelled pictures in memory, for the benchmarks of classifiers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.data.collections import ClassifiedImage, Collection, named_classes
from napari_microcnn.events import result_of
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.models import Classifier
from napari_microcnn.predict.classify import Classification, classify


def collection_of(pictures: Sequence[NDArray[np.uint8]] | NDArray[np.uint8], names: Sequence[str]) -> Collection:
    """Return pictures with the names of their classes; each is a micrograph of its own."""
    classes = named_classes(names)
    ids = {info.name: info.id for info in classes}
    images = [
        ClassifiedImage(picture, ids[name], str(number), str(number))
        for number, (picture, name) in enumerate(zip(pictures, names, strict=True))
    ]
    return Collection(tuple(images), classes)


def correct(model: Classifier, pictures: NDArray[np.uint8], names: Sequence[str]) -> NDArray[np.bool_]:
    """Return which pictures of a stack, (N, Y, X), get their own class."""
    found: Classification = result_of(classify(Micrograph(pictures, "ZYX"), model))
    told = {info.id: info.name for info in model.classes}
    return np.array([told[one.class_id] == name for one, name in zip(found.planes, names, strict=True)])
