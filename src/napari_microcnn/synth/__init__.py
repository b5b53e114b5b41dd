"""Synthetic microstructures with exact labels."""

from napari_microcnn.synth.imaging import image
from napari_microcnn.synth.ising import IsingConfiguration, ising
from napari_microcnn.synth.looks import LOOKS, SyntheticMicrograph, polycrystal, random_look, uncovered
from napari_microcnn.synth.nanoparticles import Nanoparticles, nanoparticles
from napari_microcnn.synth.onsager import CRITICAL_TEMPERATURE
from napari_microcnn.synth.particle_looks import PARTICLE_LOOKS, random_particles
from napari_microcnn.synth.steel import STEEL_KINDS, SteelTexture, steel
from napari_microcnn.synth.voronoi import Microstructure, voronoi

__all__ = [
    "CRITICAL_TEMPERATURE",
    "LOOKS",
    "PARTICLE_LOOKS",
    "STEEL_KINDS",
    "IsingConfiguration",
    "Microstructure",
    "Nanoparticles",
    "SteelTexture",
    "SyntheticMicrograph",
    "image",
    "ising",
    "nanoparticles",
    "polycrystal",
    "random_look",
    "random_particles",
    "steel",
    "uncovered",
    "voronoi",
]
