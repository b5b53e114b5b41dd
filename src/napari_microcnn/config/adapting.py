"""Settings of "make it look like mine"."""

from __future__ import annotations

from pydantic import Field

from napari_microcnn.config.base import Device, Settings


class AdaptConfig(Settings):
    """How a model of grain boundaries is adapted to the look of one micrograph."""

    pictures: int = Field(320, ge=8, le=100_000, description="Number of synthetic pictures to learn from")
    patch: int = Field(160, ge=64, le=1024, description="Side of the pictures in pixels")
    batch: int = Field(4, ge=1, le=256, description="Pictures per training step")
    learning_rate: float = Field(3e-4, gt=0, le=0.1, description="Largest learning rate")
    like_mine: float = Field(0.75, ge=0, le=1, description="Share of pictures with the measured look; others are any")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Seed of everything random")
    device: Device = Field("auto", description="Where to compute")
