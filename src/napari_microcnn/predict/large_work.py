"""What the planes of a large image have in common while they are segmented."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.config import ObjectRule, SegmentConfig
from napari_microcnn.data.channels import Conversion
from napari_microcnn.events import Event, Notice
from napari_microcnn.io.multiscale import MultiscaleImage
from napari_microcnn.io.scratch import Scratch
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.models import Model
from napari_microcnn.predict.tiles import TilePredictor


@dataclass(eq=False)
class Work:
    """What all planes have in common.

    Attributes
    ----------
    micrograph : Micrograph
    model : Model
    config : SegmentConfig
    predictor : TilePredictor
        Of this model.
    rule : ObjectRule or None
        How objects are made.
    convert : Conversion
        Makes planes fit the model.
    scratch : Scratch
    classes : MultiscaleImage
        Gets the class map.
    labels : MultiscaleImage or None
        Gets the labels.
    tile, block : int
        Side of the tiles that are predicted, and of the blocks for everything else.
    first : tuple of int and slice, or None
        What is looked at, plane, rows and columns: it comes first.
    told : set of str
        What the user has been told.
    """

    micrograph: Micrograph
    model: Model
    config: SegmentConfig
    predictor: TilePredictor
    rule: ObjectRule | None
    convert: Conversion
    scratch: Scratch
    classes: MultiscaleImage
    labels: MultiscaleImage | None
    tile: int
    block: int
    first: tuple[int | slice, ...] | None = None
    told: set[str] = field(default_factory=set)
    _clock: list[float] = field(default_factory=list)

    @property
    def ids(self) -> NDArray[np.uint8]:
        """Class ids in the order of the network's outputs."""
        return np.array([entry.id for entry in self.model.classes], np.uint8)

    @property
    def line(self) -> int | None:
        """Output of the network that scores the boundary class, for models of grains."""
        grains = self.rule is not None and self.rule.kind == "grains"
        return self.model.channel(self.rule.class_id) if grains and self.rule is not None else None

    @property
    def middle_of_view(self) -> tuple[float, float]:
        """Row and column in the middle of what is looked at."""
        seen = zip((self.first or ())[-2:], self.micrograph.plane_shape, strict=True)
        row, column = (sum(part.indices(length)[:2]) / 2 for part, length in seen if isinstance(part, slice))
        return row, column

    def steps_from_view(self, index: tuple[int, ...]) -> int:
        """Return how far a plane is from the one that is looked at; 0 if none is."""
        looked_at = [one for one in (self.first or ()) if not isinstance(one, slice)]
        return sum(abs(here - there) for here, there in zip(index, looked_at, strict=False))

    def tell(self, message: str) -> Generator[Event, None, None]:
        """Tell something once: planes of a stack are much alike."""
        if message not in self.told:
            self.told.add(message)
            yield Notice(message)

    def seconds_left(self, left: int) -> float:
        """Estimate how long so many tiles take, from those since the first call."""
        self._clock.append(time.monotonic())
        done = len(self._clock) - 1
        return (self._clock[-1] - self._clock[0]) / done * left if done else 0.0


def plane_name(index: tuple[int, ...]) -> str:
    """Return what the work on a plane of a stack is called."""
    return ".".join(map(str, ("plane", *index)))
