"""Heatmaps and receptive fields as layers over an image."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Shapes

from napari_microcnn.ui import layers

HEAT, INFLUENCE, FIELD = "heat", "influence", "receptive field"
_SIGNED = "PiYG"
_OVER = "heat over"
"""Key in what is known of a layer: the image that it lies over."""
_FIELD = {"face_color": "transparent", "edge_color": "#ffd92f", "edge_width": 3}


def put_heat(
    viewer: ViewerModel,
    role: str,
    heat: np.ndarray,
    image: Image,
    region: tuple[slice, slice] | None,
    about: dict[str, Any],
    colormap: str = "inferno",
) -> Image:
    """Show heat, (Y, X), over a region of an image, with a colour bar; the layer of an earlier one is replaced.

    Other heat over the image is hidden, as two would add up. What is 0 lets the image through.
    Heat of both signs is green where it speaks for the class, pink where against.
    """
    largest = max(float(np.abs(heat).max(initial=0)), 1e-12)
    signed = bool((heat < 0).any())
    scale, translate = np.array(image.scale[-2:]), np.array(image.translate[-2:])
    start = np.zeros(2) if region is None else np.array([part.start for part in region])
    look: dict[str, Any] = {
        "scale": tuple(scale),
        "translate": tuple(translate + start * scale),
        "units": tuple(map(str, image.units[-2:])),
        "colormap": _SIGNED if signed else colormap,
        "contrast_limits": (-largest if signed else 0.0, largest),
        "blending": "translucent" if signed else "additive",
        "opacity": 0.6 if signed else 0.8,
    }
    known = {layers.KEY: {"role": role, "source": image.name, _OVER: image.name, **about}}
    old = layers.find(viewer, role, image.name, Image)
    with layers.keeping_active(viewer):
        if old is None:
            layer = viewer.add_image(heat, name=f"{image.name} {role}", metadata=known, **look)
        else:
            layer = old
            layer.data = heat
            layer.metadata.update(known)
            layer.contrast_limits_range = look["contrast_limits"]
            for name, value in look.items():
                setattr(layer, name, value)
    for other in viewer.layers:
        if other.metadata.get(layers.KEY, {}).get(_OVER) == image.name:
            other.visible = other is layer
    layer.colorbar.visible = True
    return layer


def put_box(viewer: ViewerModel, box: tuple[slice, slice], image: Image) -> Shapes:
    """Show rows and columns of an image as a rectangle."""
    rows, columns = ((part.start - 0.5, part.stop - 0.5) for part in box)
    corners = np.array(
        [[row, column] for row, column in zip(np.repeat(rows, 2), (*columns, *columns[::-1]), strict=True)]
    )
    old = layers.find(viewer, FIELD, image.name, Shapes)
    if old is not None:
        old.data = [corners]
        return old
    place = {name: value[-2:] for name, value in layers.placed_like(image).items()}
    known = {layers.KEY: {"role": FIELD, "source": image.name}}
    with layers.keeping_active(viewer):
        return viewer.add_shapes(
            [corners], shape_type="rectangle", name=f"{image.name} {FIELD}", metadata=known, **_FIELD, **place
        )
