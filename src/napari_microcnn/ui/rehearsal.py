"""What a worker process does before its first job: libraries take seconds until their first use is over."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing

import numpy as np

from napari_microcnn.config import ClassInfo, SegmentConfig
from napari_microcnn.events import Event, Finished, PreviewDone
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.ui.tasks import segment_image

_SIDE = 256


def rehearse() -> Generator[Event, None, None]:
    """Segment a small image with a model that comes with the package, and begin a small training."""
    yield from _segmentation()
    yield from _training()


def _segmentation() -> Generator[Event, None, None]:
    from napari_microcnn.models.shipped import shipped_models

    micrograph = Micrograph(_image(), "YX")
    for model in list(shipped_models().values())[:1]:
        with closing(segment_image(micrograph, model, SegmentConfig())) as job:
            yield from (event for event in job if not isinstance(event, Finished))


def _training() -> Generator[Event, None, None]:
    from napari_microcnn.data.annotations import Annotated
    from napari_microcnn.train.segmenter import train_segmenter

    classes = [ClassInfo(id=number, name=str(number), colour="#000000") for number in (1, 2)]
    annotation = np.repeat(np.array([1, 2], np.uint8), _SIDE // 2)[:, None].repeat(_SIDE, axis=1)
    region = (slice(0, _SIDE), slice(0, _SIDE))
    data = [Annotated(_image(), annotation)]
    with closing(train_segmenter(data, classes, preview=(0, region), changes=list)) as job:
        for event in job:
            yield event
            if isinstance(event, PreviewDone):
                break


def _image() -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.random.default_rng(0).random((_SIDE, _SIDE), np.float32)
