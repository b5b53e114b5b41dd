"""Settings of segmenters: their size, training and prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from napari_microcnn.config.base import ClassInfo, Device, Settings

Preset = Literal["phases", "particles", "boundaries", "thin", "defects"]

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


def focus_of(
    preset: Preset, classes: Sequence[ClassInfo], focus: int | None = None, before: int | None = None
) -> ClassInfo | None:
    """Return the class that a preset is about; None for phases, which are all alike.

    Parameters
    ----------
    preset : str
    classes : sequence of ClassInfo
    focus : int, optional
        Its id. Without one it is the first class with a fitting name, or else the last class.
    before : int, optional
        Id of the class that it was about until now: that stays where no name fits.

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
    kept = next((info for info in classes if info.id == before), classes[-1])
    return next((info for info in classes if any(word in info.name.lower() for word in words)), kept)


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
    patience: int | None = Field(
        None, ge=1, le=10_000, description="Epochs without improvement before stopping; none: 30 without a limit"
    )
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
    precision: Literal["auto", "float32", "bfloat16", "int8"] = Field(
        "auto", description="auto: what the device is fastest with"
    )
    orientations: int | None = Field(
        None, ge=1, le=8, description="Flips and turns of the image to average over; none: by the model"
    )
    objects: int | None = Field(None, ge=0, le=254, description="Class whose regions are numbered; none: by the model")
    min_size: int = Field(20, ge=0, le=1_000_000, description="Objects of fewer pixels are dropped")
    keep_probabilities: bool = Field(False, description="Also return the probability of every class")
    keep_uncertainty: bool = Field(False, description="Also return how unsure the model is at every pixel")
    device: Device = Field("auto", description="Where to compute")
    # Who computes changes no number, so that records and scripts do not tell it.
    scheduler: str | None = Field(None, exclude=True, description="Address of a Dask scheduler whose workers compute")
    tag: str | None = Field(None, exclude=True, description="Resource that these workers must offer, such as GPU")


class SyntheticTrainConfig(Settings):
    """Training of a grain-boundary segmenter on synthetic micrographs, made while it learns."""

    steps: int = Field(4500, ge=10, le=10_000_000, description="Optimisation steps")
    batch: int = Field(8, ge=1, le=1024, description="Pictures per step")
    patch: int = Field(192, ge=32, le=1024, description="Side of a picture in pixels")
    learning_rate: float = Field(3e-3, gt=0, le=1, description="Largest learning rate (AdamW)")
    width: int = Field(16, ge=2, le=256, description="Filters at full resolution")
    depth: int = Field(4, ge=1, le=6, description="Number of poolings")
    adaptive: bool = Field(True, description="More pictures of the kinds that the network is worst at")
    bfloat16: bool = Field(True, description="Compute in bfloat16 (weights stay float32)")
    workers: int = Field(2, ge=0, le=256, description="Processes that make pictures")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Seed of everything random")
    device: Device = Field("auto", description="Where to compute")
