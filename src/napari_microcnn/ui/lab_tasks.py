"""What the Convolution lab lets a worker do: reckon the layers of a network, for which torch is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from napari_microcnn.config import Architecture, ClassifierConfig, UNetConfig
from napari_microcnn.events import Finished, Job

SEGMENTER = "U-Net (segmenter)"
NETWORKS = (*get_args(Architecture), SEGMENTER)
_FOLDED = {"batch normalisation": "norm", "ReLU": "ReLU", "Tanh": "tanh"}
"""Layers that change no shape and stand in the line of the one before, and their short names."""


@dataclass(frozen=True)
class Stage:
    """A layer with the normalisation and activation after it.

    Attributes
    ----------
    name : str
        Within the network; empty for what has none, such as the sum of a skip connection.
    kind : str
    shape : tuple of int
        (C, H, W) or (F,) of its result.
    parameters, memory : int
        Number, and bytes of the results for one image.
    sees : tuple of int or None
        Height and width of its receptive field in pixels; None for all of the image.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    memory: int
    sees: tuple[int, int] | None


@dataclass(frozen=True)
class Anatomy:
    """The stages of a network for an image, and its totals.

    Attributes
    ----------
    stages : tuple of Stage
    shape : tuple of int
        (C, H, W) of what the network was given: the image, or as much of it as fits.
    parameters, weights, activations, training : int
        Number; bytes of the weights, of all results, and of a training step, for one image.
    """

    stages: tuple[Stage, ...]
    shape: tuple[int, int, int]
    parameters: int
    weights: int
    activations: int
    training: int


def anatomy(network: str, shape: tuple[int, int, int], classes: int) -> Job[Anatomy]:
    """Reckon shapes and sizes of all layers of a network.

    Parameters
    ----------
    network : str
        One of `NETWORKS`.
    shape : tuple of int
        Channels, height and width of the image. Networks of fixed size get the largest square in it,
        a segmenter gets sides that it can halve.
    classes : int
    """
    import torch

    from napari_microcnn.nets import UNet, build_classifier, layers, network_size

    channels, height, width = shape
    with torch.device("meta"):
        if network == SEGMENTER:
            config = UNetConfig(channels=channels, classes=classes)
            step = 2**config.depth
            shape = (channels, *(-(-side // step) * step for side in (height, width)))
            net: Any = UNet(config)
        else:
            side = min(height, width, 4096)
            net = build_classifier(
                ClassifierConfig(architecture=network, channels=channels, classes=classes, side=side)
            )
            shape = (channels, side, side) if net.config.fixed_side else shape
    rows = layers(net, shape)
    size = network_size(rows)
    stages = tuple(_stages(rows))
    yield Finished(Anatomy(stages, shape, size.parameters, size.weights, size.activations, size.training))


def _stages(rows: Sequence[Any]) -> list[Stage]:
    """Return the layers with what changes no shape folded into the layer before."""
    found: list[Stage] = []
    for row in rows:
        if row.kind in _FOLDED and found:
            before = found[-1]
            found[-1] = replace(
                before,
                kind=f"{before.kind} + {_FOLDED[row.kind]}",
                parameters=before.parameters + row.parameters,
                memory=before.memory + row.memory,
            )
        else:
            found.append(Stage(row.name, _described(row), row.made, row.parameters, row.memory, row.size))
    return found


def _described(row: Any) -> str:
    kind = str(row.kind).replace("convolution", "conv")
    if row.kernel is None:
        return kind
    stride = f" / {row.stride[0]}" if row.stride is not None and row.stride[0] > 1 else ""
    return f"{kind} {row.kernel[0]} x {row.kernel[1]}{stride}"
