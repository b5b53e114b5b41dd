"""Settings of synthetic pictures of nanoparticles."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_microcnn.config.base import Settings

ParticleShape = Literal["spheres", "faceted", "rods", "ellipsoids", "irregular", "mixed"]
Arrangement = Literal["scattered", "clustered", "ordered", "chains"]
ParticleImaging = Literal["HRTEM", "HAADF", "bright field", "SEM"]


class NanoparticlesConfig(Settings):
    """Particles on a support, and how an electron microscope shows them. Lengths are in pixels."""

    height: int = Field(256, ge=32, le=8192, description="Image height in pixels")
    width: int = Field(256, ge=32, le=8192, description="Image width in pixels")
    imaging: ParticleImaging = Field("HRTEM", description="How the picture is taken")
    shape: ParticleShape = Field("mixed", description="Shape of the particles")
    diameter: float = Field(40.0, ge=4, le=1000, description="Median diameter of the particles in pixels")
    size_spread: float = Field(0.2, ge=0, le=1, description="Spread of the diameters (sigma of their lognormal law)")
    small_share: float = Field(0.0, ge=0, le=0.95, description="Share of particles of a second, smaller kind")
    small_ratio: float = Field(0.4, ge=0.1, le=1, description="Their diameter, as a share of that of the others")
    elongation: float = Field(2.5, ge=1, le=10, description="Aspect ratio of rods; ellipsoids: half of that")
    coverage: float = Field(0.25, ge=0.005, le=1.5, description="Area of all particles over that of the image")
    arrangement: Arrangement = Field("scattered", description="How the particles lie")
    overlap: float = Field(0.1, ge=0, le=0.8, description="How far particles may overlap, in shares of their radii")
    contrast: float = Field(0.4, ge=0, le=1, description="Contrast of the particles by their mass")
    contrast_spread: float = Field(0.3, ge=0, le=1, description="How much the contrast differs between particles")
    fringes: float = Field(0.3, ge=0, le=1, description="Strength of lattice fringes")
    fringe_spacing: float = Field(5.0, ge=2.1, le=60, description="Spacing of the lattice fringes in pixels")
    carbon: float = Field(0.1, ge=0, le=1, description="Strength of the texture of the support")
    first_zero: float = Field(
        0.15, ge=0.02, le=0.7,
        description="Spatial frequency, per pixel, that the defocus takes out first; small: far out of focus",
    )  # fmt: skip
    thickness: float = Field(0.1, ge=0, le=1, description="How uneven the support is")
    holes: float = Field(0.0, ge=0, le=1, description="Part of the image without a support")
    dose: float = Field(100.0, ge=0.5, le=1e6, description="Electrons per pixel; few: noisy")
    blur: float = Field(0.7, ge=0, le=10, description="Standard deviation of the blur in pixels")
    noise_scale: float = Field(0.0, ge=0, le=5, description="Blur of the noise in pixels, as after resampling")
    scan_noise: float = Field(0.0, ge=0, le=1, description="Jitter and stripes of the scan lines")
    illumination: float = Field(0.1, ge=0, le=1, description="Uneven illumination")
    inverted: bool = Field(False, description="Exchange bright and dark")
    gamma: float = Field(1.0, ge=0.2, le=5, description="Exponent of the detector")
    scale_bar: bool = Field(False, description="Paint a scale bar into the picture")
    databar: float = Field(0.0, ge=0, le=0.3, description="Height of the databar, as a share of the picture")
