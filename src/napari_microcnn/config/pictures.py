"""Settings of synthetic micrographs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_microcnn.config.base import Settings


class VoronoiConfig(Settings):
    """A polycrystal: Voronoi cells of random seeds, made as irregular as real grains are."""

    height: int = Field(256, ge=16, le=32768, description="Image height in pixels")
    width: int = Field(256, ge=16, le=32768, description="Image width in pixels")
    grains: int = Field(60, ge=2, le=2_000_000, description="Number of seeds in the image")
    regularity: float = Field(0.5, ge=0, le=1, description="0: seeds anywhere (Poisson); 1: near honeycomb")
    thickness: float = Field(2.0, gt=0, le=30, description="Boundary thickness in pixels")
    size_spread: float = Field(0.2, ge=0, le=1.2, description="Spread of grain sizes (sigma of their lognormal law)")
    elongation: float = Field(1.0, ge=1, le=8, description="Aspect ratio of the grains, as after rolling")
    direction: float = Field(0.0, ge=0, le=180, description="Direction of elongation in degrees")
    curvature: float = Field(0.2, ge=0, le=1, description="Waviness of the boundaries at the scale of grains")
    roughness: float = Field(0.0, ge=0, le=1, description="Waviness of the boundaries at the scale of pixels")
    merging: float = Field(0.0, ge=0, le=0.8, description="Share of cells merged with a neighbour, so not convex")
    lamellae: float = Field(0.0, ge=0, le=1, description="Share of grains cut by straight bands that count as grains")
    twins: float = Field(0.0, ge=0, le=1, description="Share of grains with twin bands that are not boundaries")


class ImagingConfig(Settings):
    """How a microscope shows a polycrystal. Intensities are shares of the full range."""

    lines: Literal["dark", "bright", "none"] = Field("dark", description="How boundaries look")
    line_contrast: float = Field(0.4, ge=0, le=1, description="Strength of the boundary lines")
    line_spread: float = Field(0.3, ge=0, le=1, description="How much the strength differs between boundaries")
    grain_contrast: float = Field(0.15, ge=0, le=1, description="Grey steps from grain to grain")
    texture: float = Field(0.05, ge=0, le=1, description="Texture inside grains")
    texture_scale: float = Field(3.0, gt=0, le=100, description="Size of the texture in pixels")
    relief: float = Field(0.0, ge=0, le=1, description="Bright and dark flanks of boundaries, as of a relief")
    twin_contrast: float = Field(0.15, ge=0, le=1, description="Grey step of twin bands")
    uneven_etching: float = Field(0.0, ge=0, le=1, description="Boundary lines fade from place to place")
    precipitates: float = Field(0.0, ge=0, le=200, description="Precipitates per 100 x 100 pixels")
    pits: float = Field(0.0, ge=0, le=200, description="Dark pits per 100 x 100 pixels")
    scratches: int = Field(0, ge=0, le=100, description="Number of polishing scratches")
    illumination: float = Field(0.1, ge=0, le=1, description="Uneven illumination")
    charging: float = Field(0.0, ge=0, le=1, description="Bright streaks and glowing edges, as of a charging sample")
    blur: float = Field(0.7, ge=0, le=10, description="Standard deviation of the blur in pixels")
    shot_noise: float = Field(0.03, ge=0, le=1, description="Noise that grows with the root of the intensity")
    readout_noise: float = Field(0.02, ge=0, le=1, description="Noise that is the same everywhere")
    noise_scale: float = Field(0.0, ge=0, le=5, description="Blur of the noise in pixels, as after resampling")
    brightness: float = Field(0.5, ge=0, le=1, description="Mean grey of the grains")
    gamma: float = Field(1.0, ge=0.2, le=5, description="Exponent of the detector")
