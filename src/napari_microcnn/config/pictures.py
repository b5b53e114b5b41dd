"""Settings of synthetic micrographs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

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
    subgrains: float = Field(0.0, ge=0, le=1, description="Share of grains with subgrains that are not boundaries")
    fine_grains: float = Field(0.0, ge=0, le=1, description="Share of grains replaced by fine ones: two sizes at once")
    drift: float = Field(0.0, ge=0, le=5, description="Drift and jitter of the scan in pixels")


class ImagingConfig(Settings):
    """How a microscope shows a polycrystal. Intensities are shares of the full range."""

    lines: Literal["dark", "bright", "none"] = Field("dark", description="How boundaries look")
    line_contrast: float = Field(0.4, ge=0, le=1, description="Strength of the boundary lines")
    line_spread: float = Field(0.3, ge=0, le=1, description="How much the strength differs between boundaries")
    grain_contrast: float = Field(0.15, ge=0, le=1, description="Grey steps from grain to grain")
    least_step: float = Field(0.0, ge=0, le=0.6, description="Least grey step between neighbours, share of the range")
    texture: float = Field(0.05, ge=0, le=1, description="Texture inside grains")
    texture_scale: float = Field(3.0, gt=0, le=100, description="Size of the texture in pixels")
    relief: float = Field(0.0, ge=0, le=1, description="Bright and dark flanks of boundaries, as of a relief")
    twin_contrast: float = Field(0.15, ge=0, le=1, description="Grey step of twin bands")
    inner_lines: float = Field(0.0, ge=0, le=1, description="Lines on edges of twins and subgrains, against boundaries")
    second_phase: float = Field(0.0, ge=0, le=0.8, description="Share of grains that are lamellar inside, as pearlite")
    double_lines: bool = Field(False, description="Boundaries show as two lines, as etched grooves do")
    broken_lines: float = Field(0.0, ge=0, le=1, description="Gaps in the boundary lines")
    uneven_etching: float = Field(0.0, ge=0, le=1, description="Boundary lines fade from place to place")
    precipitates: float = Field(0.0, ge=0, le=200, description="Precipitates per 100 x 100 pixels")
    pits: float = Field(0.0, ge=0, le=200, description="Dark pits per 100 x 100 pixels")
    scratches: int = Field(0, ge=0, le=100, description="Number of polishing scratches")
    illumination: float = Field(0.1, ge=0, le=1, description="Uneven illumination")
    charging: float = Field(0.0, ge=0, le=1, description="Bright streaks and glowing edges, as of a charging sample")
    blur: float = Field(0.7, ge=0, le=10, description="Standard deviation of the blur in pixels")
    defocus: float = Field(0.0, ge=0, le=5, description="Additional blur in pixels where the sample is out of focus")
    shot_noise: float = Field(0.03, ge=0, le=1, description="Noise that grows with the root of the intensity")
    readout_noise: float = Field(0.02, ge=0, le=1, description="Noise that is the same everywhere")
    noise_scale: float = Field(0.0, ge=0, le=5, description="Blur of the noise in pixels, as after resampling")
    brightness: float = Field(0.5, ge=0, le=1, description="Mean grey of the grains")
    gamma: float = Field(1.0, ge=0.2, le=5, description="Exponent of the detector")
    compression: float = Field(0.0, ge=0, le=1, description="Artefacts of JPEG compression")
    databar: float = Field(0.0, ge=0, le=0.3, description="Height of the databar, as a share of the picture")


class IsingConfig(Settings):
    """Configurations of the two-dimensional Ising model on a square lattice that closes on itself (J = k = 1)."""

    side: int = Field(64, ge=4, le=2048, description="Height and width of the lattice in spins")
    coldest: float = Field(1.27, gt=0, le=100, description="Lowest temperature")
    hottest: float = Field(3.27, gt=0, le=100, description="Highest temperature")
    temperatures: int = Field(41, ge=1, le=10_000, description="Number of temperatures, evenly spaced")
    sweeps: int = Field(60, ge=1, le=100_000, description="Swendsen-Wang sweeps of every configuration")

    @model_validator(mode="after")
    def _in_order(self) -> IsingConfig:
        if self.coldest > self.hottest:
            raise ValueError(
                f"The lowest temperature ({self.coldest:g}) lies above the highest ({self.hottest:g}); exchange them."
            )
        return self


SteelKind = Literal["martensite", "bainite", "ferrite", "pearlite"]


class SteelConfig(Settings):
    """Textures of etched steels."""

    height: int = Field(128, ge=32, le=4096, description="Image height in pixels")
    width: int = Field(128, ge=32, le=4096, description="Image width in pixels")
    grain_size: float = Field(48.0, ge=8, le=1000, description="Diameter of the grains, packets and colonies in pixels")
    lath_width: float = Field(3.5, ge=1.5, le=100, description="Width of the laths of martensite; bainite: twice that")
    spacing: float = Field(5.0, ge=2, le=100, description="Distance of the lamellae of pearlite in pixels")
    second: float = Field(0.08, ge=0, le=0.6, description="Area share of ferrite in pearlite, of pearlite in ferrite")
    etching: float = Field(0.5, ge=0, le=1, description="Strength of the contrast")
    noise: float = Field(0.03, ge=0, le=0.5, description="Noise of the picture, as a share of the full range")
    blur: float = Field(0.7, ge=0, le=10, description="Standard deviation of the blur in pixels")
    variety: float = Field(
        0.6, ge=0, le=1, description="How much scale, etching, light and noise differ from picture to picture"
    )
