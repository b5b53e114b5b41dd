"""Networks, written to be read."""

from __future__ import annotations

from napari_microcnn.nets.classifiers import build_classifier
from napari_microcnn.nets.folding import folded
from napari_microcnn.nets.geometry import halo, least_window, receptive_radius
from napari_microcnn.nets.layers import Layer, NetworkSize, layers, network_size, receptive_fields
from napari_microcnn.nets.quantised import QuantisedUNet, prepared
from napari_microcnn.nets.unet import UNet

__all__ = [
    "Layer",
    "NetworkSize",
    "QuantisedUNet",
    "UNet",
    "build_classifier",
    "folded",
    "halo",
    "layers",
    "least_window",
    "network_size",
    "prepared",
    "receptive_fields",
    "receptive_radius",
]
