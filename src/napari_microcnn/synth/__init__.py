"""Synthetic microstructures with exact labels."""

from napari_microcnn.synth.imaging import image
from napari_microcnn.synth.looks import LOOKS, SyntheticMicrograph, polycrystal, random_look
from napari_microcnn.synth.voronoi import Microstructure, voronoi

__all__ = ["LOOKS", "Microstructure", "SyntheticMicrograph", "image", "polycrystal", "random_look", "voronoi"]
