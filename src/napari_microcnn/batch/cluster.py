"""Whole images on the workers of a Dask cluster."""

from __future__ import annotations

from typing import Any

from napari_microcnn.config import SegmentConfig
from napari_microcnn.events import result_of
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.models import Model
from napari_microcnn.predict.answer import Answer
from napari_microcnn.predict.cluster import ClusterPredictor
from napari_microcnn.predict.gap import Gap, domain_gap
from napari_microcnn.predict.segment import Segmentation, segment
from napari_microcnn.predict.tiles import TilePredictor

Found = tuple[Answer, tuple[tuple[float, ...], ...], Gap]


def segment_there(
    micrograph: Micrograph, model: Model, config: SegmentConfig, cluster: ClusterPredictor
) -> tuple[Segmentation, Gap]:
    """Have a worker segment an image that is in memory, and say how far it is from what the model knows."""
    answer, views, gap = cluster.run(_segment, micrograph, config.model_dump())
    parts = (answer.classes, answer.labels, answer.probabilities, answer.uncertainty, answer.boundary)
    result = Segmentation(
        *parts, views, micrograph, model, config, cluster.computed_on, cluster.precision_name
    )  # fmt: skip
    return result, gap


def _segment(predictor: TilePredictor, micrograph: Micrograph, settings: dict[str, Any]) -> Found:
    """Segment an image; runs on the worker."""
    config = SegmentConfig(**settings | {"device": predictor.device.type, "precision": predictor.precision_name})
    found: Segmentation = result_of(segment(micrograph, predictor.model, config))
    gap = domain_gap(micrograph, found.model, config, found.magnification[len(found.magnification) // 2])
    answer = Answer(found.classes, found.labels, found.probabilities, found.uncertainty, found.boundary)
    return answer, found.views, gap
