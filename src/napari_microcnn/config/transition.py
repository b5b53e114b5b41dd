"""Settings of the case study of the phase transition."""

from __future__ import annotations

from pydantic import Field

from napari_microcnn.config.base import Device, Settings


class TransitionConfig(Settings):
    """Networks that learn to tell configurations below from those above the critical temperature."""

    repeats: int = Field(
        10, ge=2, le=10_000, description="Configurations at every temperature, to learn from and to judge by"
    )
    gap: float = Field(
        0.0, ge=0, le=10, description="Configurations nearer than this to the critical temperature are not learnt"
    )
    networks: int = Field(3, ge=1, le=100, description="Number of networks, each with configurations of its own")
    minutes: float = Field(1.0, gt=0, le=10_000, description="Time limit of each training in minutes")
    epochs: int | None = Field(None, ge=1, le=100_000, description="Number of epochs; none: until the time is up")
    device: Device = Field("auto", description="Where to compute")
