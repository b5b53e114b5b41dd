"""What the pictures that a model learned from look like, so that strange ones can be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from napari_microcnn.config import Settings
from napari_microcnn.nets import UNet

_QUANTILES = (0.01, 0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 0.99)
_BANDS = 8
_COMPONENTS = 8
_CANDIDATE = 0.2
_LEAST_SPREAD = {"grey values": 0.05, "fineness": 0.2, "features": 0.2, "grain size": 0.2, "answer": 0.05}
_USUAL = 0.95
_LEAST_USUAL = 0.5
"""Pictures that hardly differ do not make the next one strange."""


class Group(Settings):
    """One kind of description: mean and spread of its numbers, and the distance that 95 % of the pictures keep to."""

    mean: tuple[float, ...]
    spread: tuple[float, ...]
    usual: float
    one_sided: bool = False
    """Whether only values below the mean are strange."""

    def distance(self, values: NDArray[np.float64]) -> float:
        """Return how far from the mean a description is, where 1 is the edge of what is usual."""
        scaled = (values - np.array(self.mean)) / np.array(self.spread)
        if self.one_sided:
            scaled = np.minimum(scaled, 0)
        return float(np.sqrt(np.mean(scaled**2)) / self.usual)


class Reference(Settings):
    """Statistics of the pictures that a model learned from.

    Attributes
    ----------
    pictures : int
        Number of pictures described.
    axes : tuple of tuple of float
        Main directions, (A, F), in which the channel means of the encoder differ between pictures; with
        the spread along them, and that of what they leave over, the distance is that of Mahalanobis
        (after Lee et al., "A simple unified framework for detecting out-of-distribution samples", 2018).
    centre : tuple of float
        Mean of the channel means, (F,).
    groups : dict of str to Group
        By kind: ``grey values``, ``fineness``, ``features``, ``grain size``, ``answer``.
    """

    pictures: int
    axes: tuple[tuple[float, ...], ...]
    centre: tuple[float, ...]
    groups: dict[str, Group]

    def distances(self, described: Description) -> dict[str, float]:
        """Return the distance of a picture from those learned from, for every kind of description."""
        values = _values(described, np.array(self.axes), np.array(self.centre))
        return {name: group.distance(values[name]) for name, group in self.groups.items()}


@dataclass(frozen=True, eq=False)
class Description:
    """Numbers that describe windows of one picture as a network gets them.

    Attributes
    ----------
    grey, fineness, features, grain, answer : numpy.ndarray
        One-dimensional float64: quantiles of the normalised greys; logarithms of the power in bands of
        spatial frequency; channel means of the encoder; logarithm of the mean intercept in pixels of what
        the network takes for boundaries; how sure it is, and how much it takes for boundary.
    """

    grey: NDArray[np.float64]
    fineness: NDArray[np.float64]
    features: NDArray[np.float64]
    grain: NDArray[np.float64]
    answer: NDArray[np.float64]


def describe(net: UNet, windows: Sequence[NDArray[np.float32]], channel: int) -> Description:
    """Describe normalised windows (C, Y, X) of one picture.

    Parameters
    ----------
    net : UNet
        In inference mode, on the CPU.
    windows : sequence of numpy.ndarray
    channel : int
        Output whose sureness and mean intercept are measured.
    """
    seen = [_seen(net, window, channel) for window in windows]
    features = np.mean([part[0] for part in seen], axis=0)
    values = np.concatenate([part[1].ravel() for part in seen])
    crossings = sum(_crossings(part[1] > 0.5) for part in seen)
    candidates = values[values > _CANDIDATE]
    sure = float(np.abs(2 * candidates - 1).mean()) if candidates.size else 0.0
    greys = np.concatenate([window.ravel() for window in windows])
    return Description(
        np.quantile(greys, _QUANTILES),
        np.mean([_power(window.mean(0)) for window in windows], axis=0),
        np.asarray(features, np.float64),
        np.array([np.log(2 * values.size / (crossings + 1))]),
        np.array([sure]),
    )


def reference_of(descriptions: Sequence[Description]) -> Reference:
    """Return the statistics of described pictures.

    Raises
    ------
    ValueError
        If there are fewer than 16: their spread would be no measure.
    """
    if len(descriptions) < 16:
        raise ValueError(f"Statistics need at least 16 pictures, not {len(descriptions)}; give more.")
    features = np.stack([one.features for one in descriptions])
    centre = features.mean(0)
    axes = np.linalg.svd(features - centre, full_matrices=False)[2][:_COMPONENTS]
    axes, centre = np.round(axes, 4), np.round(centre, 4)
    values = [_values(one, axes, centre) for one in descriptions]
    groups = {name: _group(name, np.stack([one[name] for one in values])) for name in values[0]}
    return Reference(
        pictures=len(descriptions),
        axes=tuple(map(tuple, axes.tolist())),
        centre=tuple(centre.tolist()),
        groups=groups,
    )


def _group(name: str, values: NDArray[np.float64]) -> Group:
    mean, spread = values.mean(0), np.maximum(values.std(0), _LEAST_SPREAD[name])
    one_sided = name == "answer"  # to be surer than usual is no reason for doubt
    scaled = (values - mean) / spread
    distance = np.sqrt(((np.minimum(scaled, 0) if one_sided else scaled) ** 2).mean(1))
    return Group(
        mean=tuple(mean.tolist()),
        spread=tuple(spread.tolist()),
        usual=max(_LEAST_USUAL, float(np.quantile(distance, _USUAL))),
        one_sided=one_sided,
    )


def _values(one: Description, axes: NDArray[np.float64], centre: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return the numbers of every kind; of the features where they lie along the axes, and how far beside them."""
    along = axes @ (one.features - centre)
    beside = np.log(np.linalg.norm(one.features - centre - along @ axes) + 1e-3)
    return {
        "grey values": one.grey,
        "fineness": one.fineness,
        "features": np.append(along, beside),
        "grain size": one.grain,
        "answer": one.answer,
    }


@torch.inference_mode()
def _seen(net: UNet, window: NDArray[np.float32], channel: int) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Return the channel means of the encoder and the probability of one class."""
    step = 2**net.config.depth
    height, width = (max(step, side - side % step) for side in window.shape[1:])
    image = torch.from_numpy(np.ascontiguousarray(window[:, :height, :width]))[None]
    image = functional.pad(image, (0, width - image.shape[3], 0, height - image.shape[2]))
    means = []
    x = image
    for block in net.encoder:
        x = block(x)
        means.append(x.mean(dim=(0, 2, 3)))
        x = functional.max_pool2d(x, 2)
    means.append(net.bottleneck(x).mean(dim=(0, 2, 3)))
    probability = net(image)[0].softmax(0)[channel]
    return torch.cat(means).double().numpy(), probability.numpy()


def _power(picture: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the logarithm of the mean power in bands from 1/64 to 1/2 cycles per pixel, each 1.54 times as high."""
    taper = np.outer(np.hanning(picture.shape[0]), np.hanning(picture.shape[1]))
    power = np.abs(np.fft.rfft2((picture - picture.mean()) * taper)) ** 2 / max(float((taper**2).sum()), 1e-9)
    rows, cols = np.fft.fftfreq(picture.shape[0]), np.fft.rfftfreq(picture.shape[1])
    radius = np.hypot(rows[:, None], cols)
    band = np.floor(np.log(np.maximum(radius, 1e-6) * 64) / np.log(32) * _BANDS).astype(int)
    inside = (band >= 0) & (band < _BANDS)
    count = np.bincount(band[inside], minlength=_BANDS)
    return np.log10(np.bincount(band[inside], power[inside], _BANDS) / np.maximum(count, 1) + 1e-4)


def _crossings(boundary: NDArray[np.bool_]) -> int:
    return int((boundary[:, 1:] & ~boundary[:, :-1]).sum() + (boundary[1:] & ~boundary[:-1]).sum())
