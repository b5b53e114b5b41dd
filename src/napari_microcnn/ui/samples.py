"""Sample data for *File > Open Sample*: layers with calibration, strokes and labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_microcnn.ui import layers
from napari_microcnn.ui.pairs import ROLE

LayerData = tuple[Any, dict[str, Any], str]
_SIDE = 512
_LOOK_SIZE = 256
_OF_EACH_STEEL = 10


def nanoporous() -> list[LayerData]:
    """Return the SEM micrograph of nanoporous gold with a few strokes."""
    from napari_microcnn.io import samples

    micrograph, strokes = samples.nanoporous()
    name = "nanoporous gold"
    place = layers.calibrated(micrograph.calibration)
    known = {"calibration": micrograph.calibration}
    image = {"name": name, "metadata": {layers.KEY: known}, **place}
    annotation = {
        "name": f"{name} annotation",
        "metadata": {layers.KEY: {"role": ROLE, "source": name, "classes": samples.NANOPOROUS_CLASSES}},
        "colormap": layers.class_colours(samples.NANOPOROUS_CLASSES),
        "opacity": 0.7,
        **place,
    }
    return [(np.asarray(micrograph.pixels), image, "image"), (strokes, annotation, "labels")]


def etched() -> list[LayerData]:
    """Return an etched polycrystal."""
    return _polycrystal("etched")


def channelling() -> list[LayerData]:
    """Return a polycrystal in channelling contrast."""
    return _polycrystal("channelling")


def band_contrast() -> list[LayerData]:
    """Return a band contrast map of a polycrystal."""
    return _polycrystal("band contrast")


def texture() -> list[LayerData]:
    """Return a polycrystal whose grains differ in texture."""
    return _polycrystal("texture")


def nanoparticles() -> list[LayerData]:
    """Return gold-like nanoparticles on carbon, HRTEM, with the number of every particle."""
    from napari_microcnn.synth import PARTICLE_LOOKS
    from napari_microcnn.synth import nanoparticles as draw

    made = draw(PARTICLE_LOOKS["HRTEM"].model_copy(update={"height": _SIDE, "width": _SIDE}), 1)
    name = "nanoparticles"
    return [
        (made.image, {"name": name}, "image"),
        (made.labels, {"name": f"{name} particles", "opacity": 0.4, "visible": False}, "labels"),
    ]


def ising() -> list[LayerData]:
    """Return a stack of Ising configurations, from the coldest to the hottest, with temperatures and classes."""
    from napari_microcnn.io import samples
    from napari_microcnn.synth import CRITICAL_TEMPERATURE

    images, temperatures = samples.ising_samples()
    classes = ["below" if one < CRITICAL_TEMPERATURE else "above" for one in temperatures]
    known = {"temperatures": temperatures.tolist(), "plane_classes": classes}
    return [(images, {"name": "Ising configurations", "metadata": {layers.KEY: known}}, "image")]


def steels() -> list[LayerData]:
    """Return a stack of synthetic steels: martensite, bainite, ferrite and pearlite, ten of each in turn."""
    from napari_microcnn.config import SteelConfig
    from napari_microcnn.synth import STEEL_KINDS, steel

    kinds = STEEL_KINDS * _OF_EACH_STEEL
    images = np.stack([steel(SteelConfig(), kind, seed).image for seed, kind in enumerate(kinds)])
    known = {"plane_classes": list(kinds)}
    return [(images, {"name": "steels", "metadata": {layers.KEY: known}}, "image")]


def _polycrystal(look: str) -> list[LayerData]:
    from napari_microcnn.synth import LOOKS, polycrystal

    structure, imaging = LOOKS[look]
    grains = structure.grains * (_SIDE // _LOOK_SIZE) ** 2
    made = polycrystal(structure.model_copy(update={"height": _SIDE, "width": _SIDE, "grains": grains}), imaging, 1)
    lines = layers.colours({1: "#ffd92f", 0: "transparent", None: "transparent"})
    boundaries = made.structure.boundaries.astype(np.uint8)
    return [
        (made.image, {"name": look}, "image"),
        (made.structure.grains, {"name": f"{look} grains", "opacity": 0.4, "visible": False}, "labels"),
        (boundaries, {"name": f"{look} boundaries", "colormap": lines, "visible": False}, "labels"),
    ]
