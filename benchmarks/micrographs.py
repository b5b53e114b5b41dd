"""Micrographs with known classes, strokes on them, and the peers that learn from the same.

MICROCNN_PHASES names folders with ``images/`` and ``labels/`` (class maps from 0, same names), separated
as in PATH. MICROCNN_TOOLS names the folder with the generator of strokes, ``scribbles.py``, and the
scorer, ``score.py``, that judge. Without them nothing is measured.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_microcnn.config import PALETTE, ClassInfo, SegmentConfig, TrainConfig
from napari_microcnn.data import Annotated
from napari_microcnn.events import result_of
from napari_microcnn.io.read import read_labels, read_micrograph
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.models import Model
from napari_microcnn.predict.segment import Segmentation, segment
from napari_microcnn.train.segmenter import train_segmenter

Picture = NDArray[Any]
Predict = Callable[[Picture], Picture]
"""Image -> class map from 0."""

MISSING = "MICROCNN_PHASES names no folder with class maps, or MICROCNN_TOOLS none with scribbles.py and score.py."
_DEPTH = 4
_MEAN_STROKES, _MEAN_LENGTH = 3, 20


@dataclass(frozen=True, eq=False)
class Fold:
    """One image to learn from, the others of its set to be judged on.

    Attributes
    ----------
    name : str
        Of the set and the image.
    train, tests : pair and list of pairs
        Image and class map from 0.
    classes : int
    file : str
        Name of the image learnt from; seeds its strokes.
    """

    name: str
    train: tuple[Picture, Picture]
    tests: list[tuple[Picture, Picture]]
    classes: int
    file: str

    @property
    def folder(self) -> str:
        """Name of the set."""
        return self.name.rpartition(" ")[0]


def folds() -> Iterator[Fold]:
    """Yield as many folds per set as MICROCNN_FOLDS says, one without."""
    folders = [Path(name) for name in os.environ.get("MICROCNN_PHASES", "").split(os.pathsep) if name]
    for folder in folders if "MICROCNN_TOOLS" in os.environ else []:
        files = sorted((folder / "images").iterdir())
        pairs = [
            (np.asarray(read_micrograph(file).pixels), np.asarray(read_labels(folder / "labels" / file.name)))
            for file in files
        ]
        classes = 1 + max(int(truth.max()) for _, truth in pairs)
        for index in range(min(len(files), int(os.environ.get("MICROCNN_FOLDS", "1")))):
            tests = pairs[:index] + pairs[index + 1 :]
            yield Fold(f"{folder.name} {index + 1}", pairs[index], tests, classes, files[index].name)


def tool(name: str) -> Any:
    """Return a module of the folder MICROCNN_TOOLS."""
    folder = os.environ["MICROCNN_TOOLS"]
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(name)


def strokes_of(fold: Fold, mean: bool = False) -> Picture:
    """Return strokes on the image that is learnt from, 0 = not annotated, class c as c + 1.

    Mean ones are three per class, 20 pixels long and at least 4 pixels from other classes, where
    the class is wide enough for that.
    """
    scribbles = tool("scribbles")
    truth, seed = fold.train[1], scribbles.seed_of(fold.file)
    if not mean:
        return np.asarray(scribbles.simulate(truth, seed=seed))
    result = np.zeros(truth.shape, np.uint8)
    for value in np.unique(truth):
        region = truth == value
        deep = ndimage.distance_transform_edt(np.pad(region, 1, mode="edge"))[1:-1, 1:-1] > _DEPTH
        room = (deep if deep.any() else region).astype(np.uint8)
        drawn = scribbles.simulate(room, n_strokes=_MEAN_STROKES, length=_MEAN_LENGTH, seed=seed + int(value))
        result[drawn == 2] = value + 1
    return result


def mean_iou(predict: Predict, fold: Fold, change: Callable[[Picture, Picture], tuple[Picture, Picture]]) -> float:
    """Return the mean IoU over the classes, pooled over the test images after a change of image and truth."""
    score = tool("score")
    changed = [change(*pair) for pair in fold.tests]
    matrices = [score.confusion(predict(image), truth, fold.classes) for image, truth in changed]
    return float(score.iou(np.sum(matrices, axis=0))["mean_iou"])


def train_unet(fold: Fold, annotation: Picture, config: TrainConfig) -> Predict:
    """Train this package's segmenter, and return what it says."""
    first = 0 if config.dense else 1
    classes = [
        ClassInfo(id=value + first, name=f"class {value}", colour=PALETTE[value]) for value in range(fold.classes)
    ]
    model: Model = result_of(train_segmenter([Annotated(fold.train[0], annotation, fold.name)], classes, config))

    def predict(image: Picture) -> Picture:
        found: Segmentation = result_of(segment(Micrograph(image, "YX", None, "test"), model, SegmentConfig()))
        return np.asarray(found.classes) - first

    return predict


def train_forest(fold: Fold, annotation: Picture, dense: bool) -> Predict:
    """Train a random forest on multiscale features: pixel classification as ilastik and Weka do it.

    Images are brought to one mean and standard deviation first, as for the networks: images of a set differ in
    brightness by more than their phases do, and on raw grey values a forest finds nothing in another one.
    """
    from skimage.feature import multiscale_basic_features
    from sklearn.ensemble import RandomForestClassifier

    def features(image: Picture) -> Picture:
        values = ((image - image.mean()) / image.std()).astype(np.float32)
        found = multiscale_basic_features(values, sigma_min=1, sigma_max=16)  # type: ignore[no-untyped-call]
        return np.asarray(found)

    known = np.ones(annotation.shape, bool) if dense else annotation > 0
    share = min(1.0, 50_000 / known.sum())
    forest = RandomForestClassifier(n_estimators=50, max_depth=10, max_samples=share, n_jobs=-1, random_state=0)
    forest.fit(features(fold.train[0])[known], annotation[known] - (0 if dense else 1))

    def predict(image: Picture) -> Picture:
        found = features(image)
        return np.asarray(forest.predict(found.reshape(-1, found.shape[-1])).reshape(image.shape))

    return predict
