"""What a user may set: every setting once, with its default, its bounds and its unit.

Forms, command line and saved models are derived from these models.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Device = Literal["auto", "cpu", "cuda", "mps"]
Preset = Literal["phases", "particles", "boundaries", "thin", "defects"]
Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]

PALETTE = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#999999")
"""Colours for classes that differ for colour-blind readers too (Okabe and Ito, 2008)."""

PRESETS: dict[Preset, str] = {
    "phases": "Areas that fill the picture; nothing is numbered.",
    "particles": "Separate things on a background; each is numbered.",
    "boundaries": "Lines between grains; the grains are numbered.",
    "thin": "Cracks and other thin things stay thin and unbroken.",
    "defects": "Rare, down to a thousandth of the picture; numbered.",
}
"""What every preset is for, in one line."""

_NAMED = {
    "particles": ("particle", "precipitate", "carbide", "inclusion"),
    "boundaries": ("boundar", "border"),
    "thin": ("crack", "fissure", "pore", "void"),
    "defects": ("defect", "flaw", "crack", "pore", "void", "inclusion"),
}


class Settings(BaseModel):
    """Base of all settings: frozen, nothing unknown accepted."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ClassInfo(Settings):
    """One class of a class map."""

    id: int = Field(ge=0, le=254, description="Value in class maps and annotations")
    name: str = Field(min_length=1, max_length=80)
    colour: Colour


def focus_of(preset: Preset, classes: Sequence[ClassInfo], focus: int | None = None) -> ClassInfo | None:
    """Return the class that a preset is about; None for phases, which are all alike.

    Parameters
    ----------
    preset : str
    classes : sequence of ClassInfo
    focus : int, optional
        Its id. Without one it is the first class with a fitting name, or else the last class.

    Raises
    ------
    ValueError
        If there is no class with this id.
    """
    if preset == "phases" or not classes:
        return None
    if focus is not None:
        found = next((info for info in classes if info.id == focus), None)
        if found is None:
            raise ValueError(
                f"The preset {preset!r} should be about class {focus}, but the classes are "
                f"{', '.join(str(info.id) for info in classes)}; choose one of them."
            )
        return found
    words = _NAMED[preset]
    return next((info for info in classes if any(word in info.name.lower() for word in words)), classes[-1])


class ObjectRule(Settings):
    """How a class map becomes numbered objects.

    ``particles``: connected regions of the class `class_id`. ``grains``: regions enclosed by
    boundaries, where `class_id` is the class of the boundaries.
    """

    kind: Literal["particles", "grains"]
    class_id: int = Field(ge=0, le=254)


class UNetConfig(Settings):
    """Size of a U-Net."""

    channels: int = Field(1, ge=1, le=512, description="Channels of the image")
    classes: int = Field(2, ge=2, le=255, description="Number of classes")
    width: int = Field(16, ge=2, le=256, description="Filters at full resolution; doubled at every level")
    depth: int = Field(4, ge=1, le=6, description="Number of poolings")


class TrainConfig(Settings):
    """Training of a segmenter."""

    preset: Preset = Field("phases", description="What is to be found; decides loss, sampling and objects")
    focus: int | None = Field(
        None, ge=0, le=254, description="Class that the preset is about; none: by its name, or else the last one"
    )
    minutes: float | None = Field(1.0, gt=0, le=10_000, description="Time limit in minutes; none: until converged")
    epochs: int | None = Field(None, ge=1, le=100_000, description="Number of epochs; none: until the time is up")
    init: str | None = Field("grain-boundaries", description="Model to start from; none: from scratch")
    dense: bool = Field(False, description="Every pixel is annotated and 0 is a class")
    patch: int = Field(128, ge=16, le=1024, description="Side of a training patch in pixels")
    batch: int = Field(8, ge=1, le=256, description="Patches per step")
    learning_rate: float = Field(4e-3, gt=0, le=1, description="Largest learning rate (AdamW)")
    augment: bool = Field(True, description="Flip, rotate, scale, and change brightness, blur and noise")
    patience: int = Field(30, ge=1, le=10_000, description="Epochs without improvement before stopping")
    width: int = Field(16, ge=2, le=256, description="Filters of a new network at full resolution")
    depth: int = Field(4, ge=1, le=6, description="Poolings of a new network")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="Seed of everything random")
    device: Device = Field("auto", description="Where to compute")


class SegmentConfig(Settings):
    """Prediction with a segmenter."""

    magnification: float | None = Field(
        None, ge=0.05, le=8, description="Resampling before the network; none: found where the model needs it"
    )
    tile: int | None = Field(None, ge=32, le=8192, description="Side of a tile in pixels; none: from the memory")
    precision: Literal["auto", "float32", "bfloat16"] = Field("auto", description="auto: bfloat16 where it is fast")
    orientations: int | None = Field(
        None, ge=1, le=8, description="Flips and turns of the image to average over; none: by the model"
    )
    objects: int | None = Field(None, ge=0, le=254, description="Class whose regions are numbered; none: by the model")
    min_size: int = Field(20, ge=0, le=1_000_000, description="Objects of fewer pixels are dropped")
    keep_probabilities: bool = Field(False, description="Also return the probability of every class")
    keep_uncertainty: bool = Field(False, description="Also return how unsure the model is at every pixel")
    device: Device = Field("auto", description="Where to compute")


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


class SyntheticTrainConfig(Settings):
    """Training of a grain-boundary segmenter on synthetic micrographs, made while it learns."""

    steps: int = Field(4500, ge=10, le=10_000_000, description="Optimisation steps")
    batch: int = Field(8, ge=1, le=1024, description="Pictures per step")
    patch: int = Field(192, ge=32, le=1024, description="Side of a picture in pixels")
    learning_rate: float = Field(3e-3, gt=0, le=1, description="Largest learning rate (AdamW)")
    width: int = Field(16, ge=2, le=256, description="Filters at full resolution")
    depth: int = Field(4, ge=1, le=6, description="Number of poolings")
    bfloat16: bool = Field(True, description="Compute in bfloat16 (weights stay float32)")
    workers: int = Field(2, ge=0, le=256, description="Processes that make pictures")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Seed of everything random")
    device: Device = Field("auto", description="Where to compute")
