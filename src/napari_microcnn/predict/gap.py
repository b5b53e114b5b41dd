"""How far a micrograph is from what a model learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.config import SegmentConfig
from napari_microcnn.data.channels import conversion
from napari_microcnn.data.normalisation import normalise
from napari_microcnn.data.resampling import sample_windows
from napari_microcnn.micrograph import Micrograph, Pixels
from napari_microcnn.models import Model
from napari_microcnn.models.reference import Description, describe, overall, reference_of
from napari_microcnn.predict.magnification import at_magnification, find_magnifications, limits_of
from napari_microcnn.predict.tiles import TilePredictor

_WINDOW, _WINDOWS, _REMEMBERED = 256, 2, 5

Light = Literal["green", "amber", "red"]

REASONS = {
    "grey values": "its greys are distributed otherwise",
    "fineness": "it is coarser, finer or noisier",
    "features": "the network sees other patterns in it",
    "grain size": "its grains come out larger or smaller",
    "answer": "the network is less sure of what it finds",
}
"""What every kind of description says, in words."""


@dataclass(frozen=True)
class Gap:
    """How far a micrograph is from what a model learned from.

    Attributes
    ----------
    distance : float
        1 is the edge of what 95 % of the pictures learned from keep to.
    light : {"green", "amber", "red"}
        Like them; somewhat beyond; something else.
    reason : str
        What contributes most, in words.
    distances : dict of str to float
        Of every kind of description.
    """

    distance: float
    light: Light
    reason: str
    distances: dict[str, float]

    @property
    def sentence(self) -> str:
        """One sentence for people."""
        shown = f"{self.distance:.2g}"
        if self.light == "green":
            return f"Like what the model learned from (distance {shown}, usual up to 1)."
        word = "Somewhat unlike" if self.light == "amber" else "Unlike"
        warning = "check the result" if self.light == "amber" else "do not trust the result unchecked"
        return f"{word} what the model learned from (distance {shown}, usual up to 1): {self.reason}; {warning}."

    def info(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        return {"distance": self.distance, "light": self.light, "reason": self.reason, "distances": self.distances}


def domain_gap(
    micrograph: Micrograph, model: Model, config: SegmentConfig | None = None, magnification: float | None = None
) -> Gap | None:
    """Measure how far a micrograph is from what a model learned from; of a stack, its middle plane.

    Parameters
    ----------
    micrograph : Micrograph
        Only some windows of it are read.
    model : Model
    config : SegmentConfig, optional
        Device, precision and magnification are used.
    magnification : float, optional
        At which the model sees it, where that is known already.

    Returns
    -------
    Gap or None
        None where the model carries no statistics of what it learned from.
    """
    reference = model.reference
    if reference is None:
        return None
    plane = middle_plane(micrograph, model)
    factor = magnification or best_magnification(plane, model, config or SegmentConfig())
    distances = reference.distances(describe_plane(plane, model, factor))
    distance = overall(distances) / reference.green
    red = reference.red / reference.green
    light: Light = "green" if distance <= 1 else "amber" if distance <= red else "red"
    return Gap(distance, light, REASONS[max(distances, key=lambda name: distances[name])], distances)


def middle_plane(micrograph: Micrograph, model: Model) -> Pixels:
    """Return the middle plane, with the channels that the model takes."""
    planes = list(micrograph.planes())
    change, told = conversion(model.config.channels, micrograph.channels)
    if not told:
        model.check_channels(micrograph.channels)
    return change(planes[len(planes) // 2][1])


def best_magnification(plane: Pixels, model: Model, config: SegmentConfig) -> float:
    """Return the magnification at which the model sees a plane."""
    if config.magnification is not None:
        return config.magnification
    if model.typical_intercept is None or model.objects is None or model.objects.kind != "grains":
        return 1.0
    predictor = TilePredictor(model, config)
    return find_magnifications(predictor, plane, model.channel(model.objects.class_id), model.typical_intercept)[0]


def describe_plane(plane: Pixels, model: Model, magnification: float) -> Description:
    """Describe some windows of a plane as the network gets them."""
    windows = sample_windows(at_magnification(plane, magnification), _WINDOW, _WINDOWS)
    limits = limits_of(windows)
    channel = _judged(model)
    net = model.net if model.device.type == "cpu" else model.snapshot().net
    return describe(net, [normalise(window, limits) for window in windows], channel)


def remember(model: Model, micrographs: Sequence[Micrograph]) -> Model:
    """Return a model that knows what the micrographs look like that it learned from.

    Every window of them counts as one picture, so that a few images suffice.

    Parameters
    ----------
    model : Model
    micrographs : sequence of Micrograph
        Those that it was trained on; of a stack the middle plane is taken.

    Raises
    ------
    ValueError
        If they are too few or too small for at least 16 windows.
    """
    channel, net = _judged(model), model.snapshot().net
    described = []
    for micrograph in micrographs:
        seen = at_magnification(middle_plane(micrograph, model), 1.0)
        windows = sample_windows(seen, _WINDOW // 2, _REMEMBERED)
        if len(windows) == 1:  # a small one, which comes whole
            windows = _cut(windows[0])
        limits = limits_of(windows)
        described += [describe(net, [normalise(window, limits)], channel) for window in windows]
    return replace(model, reference=reference_of(described))


def _cut(image: NDArray[Any]) -> list[NDArray[Any]]:
    """Return overlapping windows of an image that is too small for separate ones."""
    side = max(16, min(_WINDOW // 2, *(length // 2 for length in image.shape[:2])))
    corners = [np.linspace(0, max(0, length - side), _REMEMBERED).astype(int) for length in image.shape[:2]]
    return [image[y : y + side, x : x + side] for y in corners[0] for x in corners[1]]


def _judged(model: Model) -> int:
    """Return the output whose sureness is measured: that of the objects, or the last one."""
    return model.channel(model.objects.class_id) if model.objects is not None else len(model.classes) - 1
