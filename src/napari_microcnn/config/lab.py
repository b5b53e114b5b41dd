"""Settings of the convolution lab."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_microcnn.config.base import Settings

KernelName = Literal[
    "identity",
    "gaussian",
    "laplacian",
    "horizontal edges",
    "vertical edges",
    "sobel horizontal",
    "sobel vertical",
]


class LabConfig(Settings):
    """One convolution, and one pooling after it."""

    size: Literal["3 x 3", "5 x 5"] = Field("3 x 3", description="Size of the kernel in pixels")
    stride: int = Field(1, ge=1, le=16, description="Pixels from one position of the kernel to the next")
    padding: Literal["valid", "same"] = Field(
        "same", description="valid: the kernel stays inside the image; same: zeros around it"
    )
    bias: float = Field(0.0, ge=-255, le=255, description="Added to every sum")
    relu: bool = Field(False, description="Negative results become zero")
    pooling: Literal["none", "max", "average"] = Field("none", description="Pooling of the feature map")
    window: int = Field(2, ge=2, le=16, description="Side of the pooling window, which is its step as well")

    @property
    def side(self) -> int:
        """Height and width of the kernel in pixels."""
        return int(self.size[0])

    @property
    def margin(self) -> int:
        """Zeros around the image in pixels."""
        return self.side // 2 if self.padding == "same" else 0
