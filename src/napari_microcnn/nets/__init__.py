"""Networks, written to be read."""

from __future__ import annotations

from napari_microcnn.nets.geometry import halo, receptive_radius
from napari_microcnn.nets.unet import UNet

__all__ = ["UNet", "halo", "receptive_radius"]
