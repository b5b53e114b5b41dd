"""Whole images on the workers of a Dask cluster."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_microcnn.config import SegmentConfig
from napari_microcnn.device import filled_memory, room_for_images
from napari_microcnn.events import result_of
from napari_microcnn.io.read import read_micrograph
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.models import Model
from napari_microcnn.predict.answer import Answer
from napari_microcnn.predict.cluster import ClusterPredictor
from napari_microcnn.predict.cluster_workers import ClusterError
from napari_microcnn.predict.gap import Gap, domain_gap
from napari_microcnn.predict.large import open_lazily
from napari_microcnn.predict.segment import Segmentation, segment
from napari_microcnn.predict.tiles import TilePredictor

Found = tuple[Answer, tuple[tuple[float, ...], ...], Gap]


class Elsewhere:
    """Where several images are done at a time: the workers of a cluster, and the memory here that the images share.

    Parameters
    ----------
    cluster : ClusterPredictor

    Attributes
    ----------
    later : list of Path
        Those that are to be done block by block, one after the other: each keeps all workers busy with its tiles.
    """

    def __init__(self, cluster: ClusterPredictor) -> None:
        self.later: list[Path] = []
        self._cluster, self._room, self._taken = cluster, room_for_images(), 0
        self._door, self._changed = threading.Lock(), threading.Condition()

    @contextmanager
    def opened(self, path: Path, in_blocks: bool) -> Iterator[tuple[Micrograph, bool]]:
        """Open an image, as soon as the memory has room for it, and tell whether it is to be done block by block."""
        with self._door:  # what an image needs is known when it is read, so it is read by one at a time
            if self._cluster.stopped:
                raise ClusterError("The job was stopped.")
            micrograph = read_micrograph(path)
            needed = filled_memory(micrograph.plane_shape, micrograph.stack_shape)
            large = in_blocks or needed > self._room
            if large:
                micrograph, needed = open_lazily(path), 0
            with self._changed:
                self._changed.wait_for(lambda: self._taken + needed <= self._room)
                self._taken += needed
        try:
            yield micrograph, large
        finally:
            with self._changed:
                self._taken -= needed
                self._changed.notify_all()

    def segment(self, micrograph: Micrograph, model: Model, config: SegmentConfig) -> tuple[Segmentation, Gap]:
        """Have a worker segment an image that fits into memory, and say how far it is from what the model knows."""
        sent = replace(micrograph, pixels=np.asarray(micrograph.pixels))  # the worker cannot read the file
        answer, views, gap = self._cluster.run(_segment, sent, config.model_dump())
        parts = (answer.classes, answer.labels, answer.probabilities, answer.uncertainty, answer.boundary)
        how = (self._cluster.computed_on, self._cluster.precision_name)
        return Segmentation(*parts, views, micrograph, model, config, *how), gap


def _segment(predictor: TilePredictor, micrograph: Micrograph, settings: dict[str, Any]) -> Found:
    """Segment an image; runs on the worker."""
    config = SegmentConfig(**settings | {"device": predictor.device.type, "precision": predictor.precision_name})
    found: Segmentation = result_of(segment(micrograph, predictor.model, config))
    gap = domain_gap(micrograph, found.model, config, found.magnification[len(found.magnification) // 2])
    answer = Answer(found.classes, found.labels, found.probabilities, found.uncertainty, found.boundary)
    return answer, found.views, gap
