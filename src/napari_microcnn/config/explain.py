"""Settings of explanations: what a network sees."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_microcnn.config.base import Device, Settings

Method = Literal["grad-cam", "guided-grad-cam", "integrated-gradients", "occlusion"]


class ExplainConfig(Settings):
    """How it is found out what speaks for a class."""

    method: Method = Field("grad-cam", description="How it is found out what speaks for the class")
    layer: str | None = Field(None, description="Layer whose maps are looked at (Grad-CAM); none: the coarsest")
    magnification: float | None = Field(
        None, ge=0.05, le=8, description="Resampling before the network; none: as the classifier learnt, or 1"
    )
    steps: int = Field(32, ge=2, le=1024, description="Images between nothing and this one (integrated gradients)")
    window: int | None = Field(
        None, ge=1, le=1024, description="Side of what is covered, in pixels (occlusion); none: scaled to the network"
    )
    stride: int | None = Field(
        None, ge=1, le=1024, description="Steps of the cover, in pixels (occlusion); none: half of its side"
    )
    device: Device = Field("auto", description="Where to compute")
