"""What 'Where to paint next' lets a worker do; see `tasks`."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_microcnn.config import SegmentConfig
from napari_microcnn.events import Finished, Job
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.ui.tasks import Array, OnDisk, opened


@dataclass(frozen=True)
class Place:
    """A region to look at: rows and columns, and its mean uncertainty, 0 to 1."""

    region: tuple[slice, slice]
    uncertainty: float


@dataclass(frozen=True, eq=False)
class Guide:
    """Where to paint next: the most useful places first, and class map and uncertainty, (Y, X) uint8."""

    places: tuple[Place, ...]
    classes: Array
    uncertainty: Array


def guide(
    source: Micrograph | OnDisk, plane: tuple[int, ...], model: Path, annotation: Array | None, config: SegmentConfig
) -> Job[Guide]:
    """Find out where a model is unsure about one plane of an image."""
    from napari_microcnn.predict.uncertainty import where_to_annotate

    whole = opened(source)
    image = replace(whole, pixels=whole.pixels[plane], axes=whole.axes[len(plane) :]) if plane else whole
    with closing(where_to_annotate(image, str(model), annotation, config)) as job:
        for event in job:
            if not isinstance(event, Finished):
                yield event
                continue
            found = event.result
            places = tuple(Place(region.slices, region.uncertainty) for region in found.regions)
            yield Finished(Guide(places, np.asarray(found.classes), np.asarray(found.uncertainty)))
