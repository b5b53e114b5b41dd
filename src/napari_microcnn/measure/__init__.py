"""Measuring: objects, grain size, phases."""

from napari_microcnn.measure.grains import mean_intercept
from napari_microcnn.measure.objects import measure_objects
from napari_microcnn.measure.phases import area_fractions
from napari_microcnn.measure.summary import summarise

__all__ = ["area_fractions", "mean_intercept", "measure_objects", "summarise"]
