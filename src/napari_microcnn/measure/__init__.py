"""Measuring: objects, grain size, phases, particles, and how sure it all is."""

from napari_microcnn.measure.grain_size import GrainSize, grain_size
from napari_microcnn.measure.grains import mean_intercept
from napari_microcnn.measure.objects import measure_objects
from napari_microcnn.measure.particles import Particles, particle_statistics
from napari_microcnn.measure.phase_statistics import Phase, phase_statistics
from napari_microcnn.measure.phases import area_fractions
from napari_microcnn.measure.shapes import measure_shapes
from napari_microcnn.measure.summary import summarise

__all__ = [
    "GrainSize",
    "Particles",
    "Phase",
    "area_fractions",
    "grain_size",
    "mean_intercept",
    "measure_objects",
    "measure_shapes",
    "particle_statistics",
    "phase_statistics",
    "summarise",
]
