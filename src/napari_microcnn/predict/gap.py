"""How far a micrograph is from what a model learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.config import SegmentConfig
from napari_microcnn.data.channels import conversion
from napari_microcnn.data.databar import find_overlays
from napari_microcnn.data.normalisation import normalise
from napari_microcnn.data.resampling import sample_windows
from napari_microcnn.micrograph import Micrograph, Pixels
from napari_microcnn.models import Model
from napari_microcnn.models.reference import Description, describe, reference_of
from napari_microcnn.predict.agreement import disagreement
from napari_microcnn.predict.magnification import at_magnification, find_magnifications, limits_of
from napari_microcnn.predict.tiles import TilePredictor

_WINDOW, _WINDOWS, _REMEMBERED = 256, 2, 5

Light = Literal["green", "amber", "red"]

_GREEN, _RED = 0.08, 0.2
"""Up to the first disagreement boundaries are nearly all right, from the second on most are wrong (benchmark gap)."""

REASONS = {
    "grey values": "its greys are distributed otherwise than in what the model learned from",
    "fineness": "it is coarser, finer or noisier than what the model learned from",
    "features": "the network sees other patterns in it than in what it learned from",
    "grain size": "its grains come out larger or smaller than those that the model learned from",
    "answer": "the network is less sure than in what it learned from",
}
"""What every kind of description says, in words."""


@dataclass(frozen=True)
class Gap:
    """How far a micrograph is from what a model knows.

    Attributes
    ----------
    disagreement : float
        Share of what the model finds that it does not find again when the image is mirrored and shrunk; 0 to 1.
    light : {"green", "amber", "red"}
        Trust the answer; check it; do not trust it.
    reason : str
        The main reason, in words.
    distances : dict of str to float
        Of every kind of description, where the model carries statistics of what it learned from: 1 is the
        edge of what 95 % of those pictures keep to.
    """

    disagreement: float
    light: Light
    reason: str
    distances: dict[str, float]

    @property
    def sentence(self) -> str:
        """One sentence for people."""
        again = f"finds {1 - self.disagreement:.0%} again when the image is mirrored and shrunk"
        if self.light == "green":
            return f"The model {again}."
        advice = "check the result" if self.light == "amber" else "do not trust the result unchecked"
        return f"The model only {again}: {self.reason}; {advice}."

    def info(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        return asdict(self)


def domain_gap(
    micrograph: Micrograph, model: Model, config: SegmentConfig | None = None, magnification: float | None = None
) -> Gap:
    """Measure how far a micrograph is from what a model knows; of a stack, its middle plane.

    Parameters
    ----------
    micrograph : Micrograph
        Only some windows of it are read.
    model : Model
    config : SegmentConfig, optional
        Device, precision and magnification are used.
    magnification : float, optional
        At which the model sees it, where that is known already.
    """
    plane = middle_plane(micrograph, model)
    windows = windows_of(plane, magnification or best_magnification(plane, model, config or SegmentConfig()))
    found = disagreement(model, windows)
    distances = {} if model.reference is None else model.reference.distances(_described(model, windows))
    light: Light = "green" if found <= _GREEN else "amber" if found <= _RED else "red"
    return Gap(found, light, _reason(distances), distances)


def _reason(distances: dict[str, float]) -> str:
    """Return what is most unlike the pictures learned from, if anything is."""
    strange = [name for name, value in distances.items() if value > 1]
    if not strange:
        return "it is unsure of the rest"
    return REASONS[max(strange, key=lambda name: distances[name])]


def middle_plane(micrograph: Micrograph, model: Model) -> Pixels:
    """Return the middle plane without its databar, with the channels that the model takes."""
    planes = list(micrograph.planes())
    change, told = conversion(model.config.channels, micrograph.channels)
    if not told:
        model.check_channels(micrograph.channels)
    plane = planes[len(planes) // 2][1]
    return change(plane[find_overlays(plane).field.slices])


def best_magnification(plane: Pixels, model: Model, config: SegmentConfig) -> float:
    """Return the magnification at which the model sees a plane."""
    if config.magnification is not None:
        return config.magnification
    if model.typical_intercept is None or model.objects is None or model.objects.kind != "grains":
        return 1.0
    predictor = TilePredictor(model, config)
    return find_magnifications(predictor, plane, model.channel(model.objects.class_id), model.typical_intercept)[0]


def windows_of(plane: Pixels, magnification: float) -> list[NDArray[np.float32]]:
    """Return some windows of a plane as the network gets them, (C, Y, X) each."""
    windows = sample_windows(at_magnification(plane, magnification), _WINDOW, _WINDOWS)
    limits = limits_of(windows)
    return [normalise(window, limits) for window in windows]


def _described(model: Model, windows: Sequence[NDArray[np.float32]]) -> Description:
    net = model.net if model.device.type == "cpu" else model.snapshot().net
    return describe(net, windows, _judged(model))


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
