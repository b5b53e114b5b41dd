"""The classifier object: a network, what it looks at, what its outputs mean, and where it came from."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from napari_microcnn.config import ClassifierConfig, ClassInfo
from napari_microcnn.data import IntensityLimits, normalisation
from napari_microcnn.data.views import View
from napari_microcnn.micrograph import Calibration
from napari_microcnn.models.model import ModelError, described_size, fingerprint


@dataclass(frozen=True, eq=False)
class Classifier:
    """A trained classifier.

    Attributes
    ----------
    net : torch.nn.Module
        (N, C, side, side) float32 to logits (N, K); output k is the score of ``classes[k]``. Made
        by `napari_microcnn.nets.classifiers.build_classifier`.
    classes : tuple of ClassInfo
        Id, name and colour of every output.
    side : int
        Height and width in pixels of the windows that the network sees.
    magnification : float
        Images are resampled by this factor first.
    limits : IntensityLimits or None
        What grey values are normalised with; None where every image is normalised by itself.
    flips, turns : bool
        Whether an image that is mirrored, or turned by right angles, has the same class: then
        predictions are averaged over these.
    temperature, tile_temperature : float
        Logits are divided by these before they become probabilities, so that those are as often
        right as they say (Guo et al., 2017): means over the windows of an image, and single windows.
    pixel_size : Calibration or None
        Size of a pixel in the training images.
    provenance : dict
        How it was made: anything that JSON can hold.
    name : str
        What people call it.
    """

    net: nn.Module
    classes: tuple[ClassInfo, ...]
    side: int
    magnification: float = 1.0
    limits: IntensityLimits | None = None
    flips: bool = False
    turns: bool = False
    temperature: float = 1.0
    tile_temperature: float = 1.0
    pixel_size: Calibration | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    name: str = "classifier"

    def __post_init__(self) -> None:
        ids = [entry.id for entry in self.classes]
        if len(ids) != self.config.classes or len(set(ids)) != len(ids):
            raise ModelError(
                f"A network with {self.config.classes} outputs needs as many different classes, not {ids}."
            )
        if self.config.fixed_side not in (None, self.side):
            raise ModelError(f"The network takes windows of {self.config.fixed_side} pixels, not {self.side}.")

    @property
    def config(self) -> ClassifierConfig:
        """Architecture of the network."""
        found = self.net.config
        if not isinstance(found, ClassifierConfig):
            raise ModelError("The network of a classifier must be made by build_classifier, which notes its settings.")
        return found

    @property
    def view(self) -> View:
        """How it looks at images."""
        return View(self.side, self.config.channels, self.magnification, self.limits)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.net.parameters()).device

    @property
    def sha256(self) -> str:
        """Fingerprint of the weights (names, shapes and values), the same on every device."""
        return fingerprint(self.net)

    def snapshot(self, net: nn.Module | None = None) -> Classifier:
        """Return a copy on the CPU, ready to predict, that shares nothing with `net` (or this one's net)."""
        frozen = copy.deepcopy(net or self.net).to("cpu").eval().requires_grad_(False)
        return replace(self, net=frozen)

    def to(self, device: torch.device | str) -> Classifier:
        """Move the weights to a device; returns this classifier."""
        self.net.to(device)
        return self

    def output(self, class_id: int) -> int:
        """Return the network's output that scores a class."""
        return next(index for index, entry in enumerate(self.classes) if entry.id == class_id)

    def check_channels(self, channels: int) -> None:
        """Raise `ModelError` unless images with so many channels can be classified; grey and colours can stand in."""
        if channels != self.config.channels and {channels, self.config.channels} != {1, 3}:
            raise ModelError(
                f"The classifier {self.name!r} takes images with {self.config.channels} channel(s), this image has "
                f"{channels}; choose another one or convert the image."
            )

    def info(self) -> dict[str, Any]:
        """Return everything but the weights, ready for JSON."""
        limits = self.limits
        return {
            "kind": "classifier",
            "name": self.name,
            "architecture": self.config.model_dump(),
            "parameters": sum(parameter.numel() for parameter in self.net.parameters()),
            "classes": [entry.model_dump() for entry in self.classes],
            "normalisation": normalisation.SCHEME if limits is None else normalisation.COMMON,
            "limits": limits and {"centre": limits.centre.tolist(), "scale": limits.scale.tolist()},
            "side": self.side,
            "magnification": self.magnification,
            "flips": self.flips,
            "turns": self.turns,
            "temperature": self.temperature,
            "tile_temperature": self.tile_temperature,
            "pixel_size": described_size(self.pixel_size),
            "sha256": self.sha256,
            "provenance": self.provenance,
        }
