"""The model object: a network, what its outputs mean, and where it came from."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from napari_microcnn.config import ClassInfo, ObjectRule, UNetConfig
from napari_microcnn.data import normalisation
from napari_microcnn.micrograph import Calibration
from napari_microcnn.models.reference import Reference
from napari_microcnn.nets import UNet


class ModelError(ValueError):
    """A model cannot be found, read or used; the message says why and what to do."""


@dataclass(frozen=True, eq=False)
class Model:
    """A trained segmenter.

    Attributes
    ----------
    net : UNet
        The network; output channel k is the score of ``classes[k]``. With objects that touch it has one more,
        see `ObjectRule`.
    classes : tuple of ClassInfo
        Value in class maps, name and colour of every output channel.
    objects : ObjectRule or None
        How a class map becomes numbered objects, unless the user says otherwise.
    pixel_size : Calibration or None
        Size of a pixel in the training images.
    typical_intercept : float or None
        Mean lineal intercept of the grains, in pixels, at which the net works best. Where it is
        set, prediction searches the magnification that brings a micrograph there.
    orientations : int
        Over how many flips and turns of the image predictions are averaged, unless the user says otherwise.
    overview : bool
        Whether predictions are corrected by those for the image at a quarter of its magnification, in which the
        network sees four times as far.
    reference : Reference or None
        What the pictures that it learned from look like, to tell strange ones.
    provenance : dict
        How the model was made: anything that JSON can hold.
    name : str
        What people call it.
    """

    net: UNet
    classes: tuple[ClassInfo, ...]
    objects: ObjectRule | None = None
    pixel_size: Calibration | None = None
    typical_intercept: float | None = None
    orientations: int = 1
    overview: bool = False
    reference: Reference | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    name: str = "model"

    def __post_init__(self) -> None:
        ids = [entry.id for entry in self.classes]
        outputs = self.config.classes - self.tells_cores
        if len(ids) != outputs or len(set(ids)) != len(ids):
            raise ModelError(f"A network with {outputs} outputs needs as many different classes, not {ids}.")
        if self.objects is not None and self.objects.class_id not in ids:
            raise ModelError(f"Objects are made from class {self.objects.class_id}, but the classes are {ids}.")

    @property
    def tells_cores(self) -> bool:
        """Whether the network's last output is no class, but where objects have their cores."""
        return self.objects is not None and self.objects.kind == "touching"

    @property
    def config(self) -> UNetConfig:
        """Architecture of the network."""
        return self.net.config

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.net.parameters()).device

    @property
    def sha256(self) -> str:
        """Fingerprint of the weights (names, shapes and values), the same on every device."""
        return fingerprint(self.net)

    def snapshot(self, net: UNet | None = None) -> Model:
        """Return a copy on the CPU, ready to predict, that shares nothing with `net` (or this model's net)."""
        frozen = copy.deepcopy(net or self.net).to("cpu").eval().requires_grad_(False)
        return replace(self, net=frozen)

    def to(self, device: torch.device | str) -> Model:
        """Move the weights to a device; returns this model."""
        self.net.to(device)
        return self

    def check_channels(self, channels: int) -> None:
        """Raise `ModelError` if the model was trained for another number of channels."""
        if channels != self.config.channels:
            raise ModelError(
                f"The model {self.name!r} takes images with {self.config.channels} channel(s), this image has "
                f"{channels}; choose another model or convert the image."
            )

    def channel(self, class_id: int) -> int:
        """Return the network's output channel that scores a class."""
        return next(index for index, entry in enumerate(self.classes) if entry.id == class_id)

    def info(self) -> dict[str, Any]:
        """Return everything but the weights, ready for JSON."""
        return {
            "name": self.name,
            "architecture": {"name": "unet", **self.config.model_dump()},
            "parameters": sum(parameter.numel() for parameter in self.net.parameters()),
            "classes": [entry.model_dump() for entry in self.classes],
            "objects": self.objects.model_dump() if self.objects else None,
            "normalisation": normalisation.SCHEME,
            "pixel_size": described_size(self.pixel_size),
            "typical_intercept": self.typical_intercept,
            "orientations": self.orientations,
            "overview": self.overview,
            "sha256": self.sha256,
            "provenance": self.provenance,
        }


def fingerprint(net: nn.Module) -> str:
    """Return the SHA-256 of the weights (names, shapes and values), the same on every device."""
    digest = hashlib.sha256()
    for name, tensor in sorted(net.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def described_size(size: Calibration | None) -> dict[str, Any] | None:
    """Return the size of a pixel, ready for JSON."""
    if size is None:
        return None
    return {"y": size.pixel_size[0], "x": size.pixel_size[1], "unit": size.unit, "source": size.source}
