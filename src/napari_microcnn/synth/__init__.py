"""Synthetic microstructures with exact labels."""

from napari_microcnn.synth.imaging import image
from napari_microcnn.synth.ising import IsingConfiguration, ising
from napari_microcnn.synth.looks import LOOKS, SyntheticMicrograph, polycrystal, random_look
from napari_microcnn.synth.onsager import CRITICAL_TEMPERATURE
from napari_microcnn.synth.steel import STEEL_KINDS, SteelTexture, steel
from napari_microcnn.synth.voronoi import Microstructure, voronoi

__all__ = [
    "CRITICAL_TEMPERATURE",
    "LOOKS",
    "STEEL_KINDS",
    "IsingConfiguration",
    "Microstructure",
    "SteelTexture",
    "SyntheticMicrograph",
    "image",
    "ising",
    "polycrystal",
    "random_look",
    "steel",
    "voronoi",
]
