"""Settings of measuring: grain size, phases and particles."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_microcnn.config.base import Settings


class GrainSizeConfig(Settings):
    """How grains are counted (ASTM E112, E1382; ISO 643)."""

    figure: Literal["lines", "circles"] = Field(
        "lines", description="Test figure: lines in four directions, or Abrams' three circles"
    )
    spacing: float = Field(1.0, ge=0.1, le=20, description="Distance of test lines, in diameters of the average grain")
    parts: int | None = Field(
        None, ge=1, le=100, description="Parts along every side of a field; none: whole fields, or a single one cut up"
    )
    seed: int = Field(0, ge=0, description="Says where the first test lines lie")
