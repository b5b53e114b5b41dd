"""What a user may set: every setting once, with its default, its bounds and its unit.

Forms, command line and saved models are derived from these models.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Device = Literal["auto", "cpu", "cuda", "mps"]
Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]

PALETTE = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#999999")
"""Colours for classes that differ for colour-blind readers too (Okabe and Ito, 2008)."""


class Settings(BaseModel):
    """Base of all settings: frozen, nothing unknown accepted."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ClassInfo(Settings):
    """One class of a class map."""

    id: int = Field(ge=0, le=254, description="Value in class maps and annotations")
    name: str = Field(min_length=1, max_length=80)
    colour: Colour


class ObjectRule(Settings):
    """How a class map becomes numbered objects.

    ``particles``: connected regions of the class `class_id`. ``grains``: regions enclosed by
    boundaries, where `class_id` is the class of the boundaries.
    """

    kind: Literal["particles", "grains"]
    class_id: int = Field(ge=0, le=254)


class UNetConfig(Settings):
    """Size of a U-Net."""

    channels: int = Field(1, ge=1, le=512, description="Channels of the image")
    classes: int = Field(2, ge=2, le=255, description="Number of classes")
    width: int = Field(16, ge=2, le=256, description="Filters at full resolution; doubled at every level")
    depth: int = Field(4, ge=1, le=6, description="Number of poolings")


class TrainConfig(Settings):
    """Training of a segmenter."""

    minutes: float | None = Field(1.0, gt=0, le=10_000, description="Time limit in minutes; none: until converged")
    epochs: int | None = Field(None, ge=1, le=100_000, description="Number of epochs; none: until the time is up")
    init: str | None = Field("grain-boundaries", description="Model to start from; none: from scratch")
    dense: bool = Field(False, description="Every pixel is annotated and 0 is a class")
    patch: int = Field(128, ge=16, le=1024, description="Side of a training patch in pixels")
    batch: int = Field(8, ge=1, le=256, description="Patches per step")
    learning_rate: float = Field(2e-3, gt=0, le=1, description="Largest learning rate (AdamW)")
    augment: bool = Field(True, description="Flip, rotate, scale, and change brightness, blur and noise")
    patience: int = Field(30, ge=1, le=10_000, description="Epochs without improvement before stopping")
    width: int = Field(16, ge=2, le=256, description="Filters of a new network at full resolution")
    depth: int = Field(4, ge=1, le=6, description="Poolings of a new network")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="Seed of everything random")
    device: Device = Field("auto", description="Where to compute")


class SegmentConfig(Settings):
    """Prediction with a segmenter."""

    magnification: float | None = Field(
        None, ge=0.05, le=8, description="Resampling before the network; none: found where the model needs it"
    )
    tile: int | None = Field(None, ge=32, le=8192, description="Side of a tile in pixels; none: from the memory")
    precision: Literal["auto", "float32", "bfloat16"] = Field("auto", description="auto: bfloat16 where it is fast")
    objects: int | None = Field(None, ge=0, le=254, description="Class whose regions are numbered; none: by the model")
    min_size: int = Field(20, ge=0, le=1_000_000, description="Objects of fewer pixels are dropped")
    keep_probabilities: bool = Field(False, description="Also return the probability of every class")
    device: Device = Field("auto", description="Where to compute")
