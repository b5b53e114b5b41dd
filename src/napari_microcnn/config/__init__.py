"""What a user may set: every setting once, with its default, its bounds and its unit.

Forms, command line and saved models are derived from these models.
"""

from napari_microcnn.config.base import PALETTE, ClassInfo, Colour, Device, ObjectRule, Settings
from napari_microcnn.config.classifier import Architecture, ClassifierConfig
from napari_microcnn.config.classifying import ClassifierTrainConfig, ClassifyConfig, Invariances
from napari_microcnn.config.explain import ExplainConfig, Method
from napari_microcnn.config.lab import KernelName, LabConfig
from napari_microcnn.config.measuring import GrainSizeConfig
from napari_microcnn.config.nanoparticles import Arrangement, NanoparticlesConfig, ParticleImaging, ParticleShape
from napari_microcnn.config.pictures import ImagingConfig, IsingConfig, SteelConfig, SteelKind, VoronoiConfig
from napari_microcnn.config.segmenter import (
    PRESETS,
    Preset,
    SegmentConfig,
    SyntheticTrainConfig,
    TrainConfig,
    UNetConfig,
    focus_of,
)
from napari_microcnn.config.transition import TransitionConfig

__all__ = [
    "PALETTE",
    "PRESETS",
    "Architecture",
    "Arrangement",
    "ClassInfo",
    "ClassifierConfig",
    "ClassifierTrainConfig",
    "ClassifyConfig",
    "Colour",
    "Device",
    "ExplainConfig",
    "GrainSizeConfig",
    "ImagingConfig",
    "Invariances",
    "IsingConfig",
    "KernelName",
    "LabConfig",
    "Method",
    "NanoparticlesConfig",
    "ObjectRule",
    "ParticleImaging",
    "ParticleShape",
    "Preset",
    "SegmentConfig",
    "Settings",
    "SteelConfig",
    "SteelKind",
    "SyntheticTrainConfig",
    "TrainConfig",
    "TransitionConfig",
    "UNetConfig",
    "VoronoiConfig",
    "focus_of",
]
