"""Where a model is unsure, and where to annotate next."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.config import SegmentConfig
from napari_microcnn.events import Finished, Job, Progress
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.models import Model, load_model
from napari_microcnn.predict.answer import Answer, entropy
from napari_microcnn.predict.regions import Region, rank_regions
from napari_microcnn.predict.segment import answer
from napari_microcnn.predict.tiles import TilePredictor

__all__ = ["Guidance", "Region", "entropy", "rank_regions", "where_to_annotate"]


@dataclass(frozen=True, eq=False)
class Guidance:
    """Where the annotation of an image would help most.

    Attributes
    ----------
    regions : tuple of Region
        The most useful one first; they do not overlap.
    uncertainty : numpy.ndarray
        (Y, X) uint8: 0 = sure, 255 = all classes are equally probable, see `entropy`.
    classes : numpy.ndarray
        (Y, X) uint8, the model's class map.
    """

    regions: tuple[Region, ...]
    uncertainty: NDArray[np.uint8]
    classes: NDArray[np.uint8]


def where_to_annotate(
    micrograph: Micrograph,
    model: Model | str | Path,
    annotation: NDArray[np.integer] | None = None,
    config: SegmentConfig | None = None,
    *,
    count: int = 10,
) -> Job[Guidance]:
    """Find out where a model is unsure about an image, and which regions to annotate next.

    Parameters
    ----------
    micrograph : Micrograph
        A single plane of any size; if it is lazy, one tile of it is read at a time.
    model : Model, str or Path
        A model, the name of a shipped one, or a file.
    annotation : numpy.ndarray, (Y, X) of integers, optional
        What is annotated already; 0 = not.
    config : SegmentConfig, optional
        Magnification, tile, precision and device are used.
    count : int
        How many regions to find, at most.

    Yields
    ------
    Event
        `TileDone` with `uncertainty` per tile, `Notice` and `Progress`; in the end ``Finished[Guidance]``.

    Raises
    ------
    ModelError
        If the model cannot be loaded or takes another number of channels.
    ValueError
        If the image is a stack, or the annotation has another size.
    """
    if micrograph.stack_shape:
        raise ValueError(f"One plane is needed, not a stack of {micrograph.stack_shape}; take one plane out of it.")
    if annotation is not None and annotation.shape != micrograph.plane_shape:
        raise ValueError(
            f"The annotation has {annotation.shape} rows and columns, its image {micrograph.plane_shape}; "
            "make an annotation of the image's size."
        )
    model = model if isinstance(model, Model) else load_model(model)
    config = (config or SegmentConfig()).model_copy(update={"keep_uncertainty": True, "keep_probabilities": False})
    predictor = TilePredictor(model, config)
    found: Answer
    with closing(answer(micrograph, model, predictor, config, objects=False)) as prediction:
        found, _ = yield from prediction
    yield Progress(0, 1, "Looking for the most useful regions")
    unsure = found.uncertainty if found.uncertainty is not None else np.zeros(found.classes.shape, np.uint8)
    yield Finished(Guidance(rank_regions(unsure, found.classes, annotation, count=count), unsure, found.classes))
