"""Judging a classifier by labelled images."""

from __future__ import annotations

from contextlib import closing

import numpy as np

from napari_microcnn.config import ClassifyConfig
from napari_microcnn.data.collections import Collection
from napari_microcnn.data.scores import Predictions
from napari_microcnn.events import Finished, Job, Notice, Progress
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.models import Classifier
from napari_microcnn.predict.classify import classify


def evaluate(collection: Collection, model: Classifier, config: ClassifyConfig | None = None) -> Job[Predictions]:
    """Classify labelled images; classes are the same where their names are.

    Parameters
    ----------
    collection : Collection
    model : Classifier
    config : ClassifyConfig, optional

    Yields
    ------
    Notice, Progress, Finished
        ``Finished`` holds the `Predictions`; their columns are the classifier's classes.

    Raises
    ------
    ValueError
        If the images are of classes that the classifier does not know.
    """
    outputs = {info.name: index for index, info in enumerate(model.classes)}
    unknown = [info.name for info in collection.classes if info.name not in outputs]
    if unknown:
        raise ValueError(
            f"The classifier {model.name!r} does not know the class {unknown[0]!r}; its classes are: "
            f"{', '.join(outputs)}."
        )
    of_id = {info.id: outputs[info.name] for info in collection.classes}
    for notice in collection.notices:
        yield Notice(notice)
    shares, told = [], set()
    for number, image in enumerate(collection.images):
        axes = "YX" if image.pixels.ndim == 2 else "YXC"
        micrograph = Micrograph(image.pixels, axes, image.calibration, image.name)
        with closing(classify(micrograph, model, config)) as job:
            for event in job:
                if isinstance(event, Finished):
                    shares.append(event.result.planes[0].probabilities)
                elif isinstance(event, Notice) and event.message not in told:
                    told.add(event.message)
                    yield event
        yield Progress(number + 1, len(collection.images), image.name)
    yield Finished(
        Predictions(
            tuple(image.name for image in collection.images),
            tuple(image.micrograph for image in collection.images),
            np.array([of_id[image.class_id] for image in collection.images]),
            np.stack(shares),
        )
    )
