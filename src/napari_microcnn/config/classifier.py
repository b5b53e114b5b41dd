"""Settings of classifiers: their networks, training and prediction."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from napari_microcnn.config.base import Settings

Architecture = Literal[
    "mlp",
    "lenet",
    "alexnet",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnet56",
    "conv-pool",
    "unet-encoder",
]


class ClassifierConfig(Settings):
    """Kind and size of a network that gives an image a class."""

    architecture: Architecture = Field("conv-pool", description="Kind of network")
    channels: int = Field(1, ge=1, le=2048, description="Channels of the image")
    classes: int = Field(2, ge=2, le=100_000, description="Number of classes")
    side: int = Field(64, ge=1, le=4096, description="Height and width in pixels, where the network fixes them")
    dropout: float = Field(0.5, ge=0, lt=1, description="Share of numbers dropped before the dense layers in training")
    hidden: int = Field(512, ge=1, le=65_536, description="Neurons of the hidden layer (mlp)")
    blocks: int = Field(4, ge=1, le=6, description="Convolution blocks (conv-pool) or poolings (unet-encoder)")
    filters: int = Field(
        64, ge=2, le=512, description="Filters of the first block, doubled in each (conv-pool, unet-encoder)"
    )
    pooling: Literal["max", "average", "none"] = Field(
        "max", description="Pooling between blocks (conv-pool); none: convolutions of stride 2 instead"
    )
    head: Literal["average", "flatten"] = Field(
        "average", description="Global average pooling, or all numbers side by side (conv-pool)"
    )
    skips: bool = Field(True, description="Skip connections (resnet); without them the network is a plain one")

    @property
    def fixed_side(self) -> int | None:
        """Height and width of the images in pixels, or None where any size will do."""
        fixed = self.architecture in ("mlp", "lenet") or (self.architecture, self.head) == ("conv-pool", "flatten")
        return self.side if fixed else None

    @property
    def least_side(self) -> int:
        """Pixels that height and width must have at least, so that something is left after the last pooling."""
        match self.architecture:
            case "lenet":
                return 16
            case "alexnet":
                return 63
            case "conv-pool":
                return 1 if self.pooling == "none" else 1 << self.blocks
            case "unet-encoder":
                return 1 << self.blocks
            case _:
                return 1

    @model_validator(mode="after")
    def _side_fits(self) -> ClassifierConfig:
        if self.fixed_side is not None and self.side < self.least_side:
            raise ValueError(
                f"The network {self.architecture!r} needs images of at least {self.least_side} x {self.least_side} "
                f"pixels, not {self.side} x {self.side}; choose a larger side."
            )
        return self
