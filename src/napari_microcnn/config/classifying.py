"""Settings of classifiers: how they learn, and how they predict."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_microcnn.config.base import Device, Settings
from napari_microcnn.config.classifier import Architecture


class Invariances(Settings):
    """Changes of an image that leave its class as it is; right for most micrographs, but not for all."""

    flips: bool = Field(True, description="A mirrored image has the same class")
    rotation: Literal["any", "right angles", "none"] = Field(
        "any", description="Turned by which angles an image has the same class; none where a direction matters"
    )
    zoom: float = Field(1.25, ge=1, le=3, description="Up to this factor larger or smaller; 1 where the size matters")
    intensities: bool = Field(True, description="Brightness, contrast, focus and noise do not matter")
    inversion: bool = Field(False, description="Bright and dark may be exchanged")
    wrap: bool = Field(False, description="The image goes on at its opposite edge, as simulations often do")

    def without_any(self) -> Invariances:
        """Return the settings of no augmentation at all."""
        return Invariances(flips=False, rotation="none", zoom=1, intensities=False)


class ClassifierTrainConfig(Invariances):
    """Training of a classifier."""

    architecture: Architecture = Field("unet-encoder", description="Kind of network")
    init: str | None = Field(
        "grain-boundaries",
        description="What to transfer from: a segmenter or classifier, by name or file, or a file with the weights of "
        "the same network (.safetensors, .pth); none: from scratch",
    )
    thaw: float = Field(
        0.25, ge=0, le=1, description="Share of the training in which transferred layers stay as they are"
    )
    minutes: float | None = Field(3.0, gt=0, le=10_000, description="Time limit in minutes; none: until converged")
    epochs: int | None = Field(None, ge=1, le=100_000, description="Number of epochs; none: until the time is up")
    side: int | None = Field(
        None, ge=8, le=1024, description="Side in pixels of the windows that the network sees; none: by the images"
    )
    magnification: float | None = Field(
        None, ge=0.05, le=8, description="Resampling before the network; none: large images are made smaller"
    )
    same_scale: Literal["auto", "yes", "no"] = Field(
        "auto", description="Grey values mean the same in all images; auto: only if all images are black and white"
    )
    class_weights: bool = Field(True, description="Rare classes count as much as frequent ones")
    dropout: float = Field(0.3, ge=0, lt=1, description="Share of numbers dropped before the dense layers")
    filters: int = Field(16, ge=2, le=512, description="Filters of the first block (conv-pool, unet-encoder)")
    blocks: int = Field(4, ge=1, le=6, description="Blocks of convolutions and pooling (conv-pool, unet-encoder)")
    batch: int = Field(16, ge=2, le=1024, description="Windows per step")
    learning_rate: float = Field(2e-3, gt=0, le=1, description="Largest learning rate (AdamW)")
    patience: int = Field(200, ge=1, le=10_000, description="Epochs without improvement before stopping")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="Seed of everything random")
    device: Device = Field("auto", description="Where to compute")


class ClassifyConfig(Settings):
    """Prediction with a classifier."""

    tiles: bool = Field(False, description="Also make a map: a class for every tile of the image")
    overlap: float = Field(0.5, ge=0, le=0.9, description="Overlap of the windows behind neighbouring tiles")
    orientations: int | None = Field(
        None, ge=1, le=8, description="Flips and turns of the image to average over; none: by the model"
    )
    magnification: float | None = Field(
        None, ge=0.05, le=20, description="Resampling before the model's own; none: by the pixel sizes, where known"
    )
    batch: int = Field(32, ge=1, le=1024, description="Windows computed at once")
    device: Device = Field("auto", description="Where to compute")
