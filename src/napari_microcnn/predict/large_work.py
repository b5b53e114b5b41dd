"""What the planes of a large image have in common while they are segmented."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.config import ObjectRule, SegmentConfig
from napari_microcnn.data.channels import Conversion
from napari_microcnn.data.windows import Box
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
    first : Box or None
        What is looked at: tiles there come first.
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
    first: Box | None = None
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
