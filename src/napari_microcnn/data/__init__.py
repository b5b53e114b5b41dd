"""From micrographs and annotations to what a network is fed with."""

from __future__ import annotations

from napari_microcnn.data.annotations import IGNORE, Annotated, to_targets
from napari_microcnn.data.normalisation import IntensityLimits, intensity_limits, normalise

__all__ = ["IGNORE", "Annotated", "IntensityLimits", "intensity_limits", "normalise", "to_targets"]
