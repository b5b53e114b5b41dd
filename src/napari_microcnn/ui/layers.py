"""Between napari's layers and micrographs: calibration both ways, result layers updated in place."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer, Points
from napari.utils.colormaps import DirectLabelColormap

from napari_microcnn.config import ClassInfo
from napari_microcnn.micrograph import METRES, Calibration, Micrograph, Pixels, canonical_unit
from napari_microcnn.ui.pairing import OnDisk

KEY = "napari_microcnn"
"""Where a layer's metadata keeps what this package knows about it."""
LAYER_SOURCE = "napari layer"
_AXES = {2: "YX", 3: "ZYX", 4: "TZYX"}
_UNITS = {"Å": "angstrom"}
"""Spellings for napari where they differ from ours."""

AnyLayer = TypeVar("AnyLayer", bound=Layer)


def calibration_of(layer: Layer) -> Calibration | None:
    """Return the size of a pixel of a layer; None where its unit is the pixel or no length."""
    try:
        unit_y, unit_x = (canonical_unit(str(unit)) for unit in layer.units[-2:])
    except ValueError:
        return None
    y, x = (abs(float(size)) for size in layer.scale[-2:])
    found = Calibration((y * METRES[unit_y] / METRES[unit_x], x), unit_x, LAYER_SOURCE)
    read = layer.metadata.get(KEY, {}).get("calibration")
    if isinstance(read, Calibration) and np.allclose(read.to(unit_x).pixel_size, found.pixel_size, rtol=1e-6):
        return read
    return found


def pixels_of(layer: Image | Labels) -> Pixels:
    """Return the pixels of a layer at its finest magnification, not copied, and not read if they are lazy."""
    pixels = layer.data[0] if layer.multiscale else layer.data
    if isinstance(pixels, np.ndarray):
        return pixels
    from napari_microcnn.io.held import as_dask

    return as_dask(pixels, colours=isinstance(layer, Image) and layer.rgb)


def micrograph_of(layer: Image) -> Micrograph:
    """Return the pixels of an image layer, not copied, with their calibration.

    Raises
    ------
    ValueError
        If the layer has more dimensions than a micrograph, or no real numbers.
    """
    axes = _AXES.get(layer.ndim)
    if axes is None:
        raise ValueError(f"{layer.name!r} has {layer.ndim} dimensions; at most T, Z, Y and X can be used.")
    pixels = pixels_of(layer)
    if layer.rgb:
        pixels = pixels[..., :3]  # opacity is not measured
    path = layer.source.path
    return Micrograph(
        pixels,
        axes + "C" if layer.rgb else axes,
        calibration_of(layer),
        layer.name,
        Path(path) if path and (Path(path).is_file() or Path(path).suffix == ".zarr") else None,
    )


def find_role(layer: Layer) -> str | None:
    """Return what a layer is for this package, such as ``"classes"``; None where it is not ours."""
    return layer.metadata.get(KEY, {}).get("role")


def source_of(layer: Image) -> Micrograph | OnDisk:
    """Return what a worker needs of an image layer: its pixels, or the file when it was read lazily."""
    micrograph = micrograph_of(layer)
    if layer.metadata.get(KEY, {}).get("lazy") and micrograph.path is not None:
        return OnDisk(micrograph.path, micrograph.calibration, micrograph.name)
    return micrograph


def calibrated(calibration: Calibration | None, ndim: int = 2) -> dict[str, Any]:
    """Return the layer arguments `scale` and `units` for a calibration; empty without one."""
    if calibration is None:
        return {}
    unit = _UNITS.get(calibration.unit, calibration.unit)
    stack = ndim - 2
    return {"scale": (1.0,) * stack + calibration.pixel_size, "units": ("pixel",) * stack + (unit, unit)}


def placed_like(layer: Layer) -> dict[str, Any]:
    """Return the layer arguments that put a layer of the same shape exactly over another one."""
    return {"scale": tuple(layer.scale), "translate": tuple(layer.translate), "units": tuple(map(str, layer.units))}


def place_in(viewer: ViewerModel, source: str) -> dict[str, Any]:
    """Return the layer arguments for layers of no known scale beside calibrated ones.

    napari cannot mix pixels and lengths in one window, so they are shown at the pixel size of an
    image that is open already; nothing is set when there is none.
    """
    for layer in viewer.layers:
        known = layer.metadata.get(KEY, {}).get("source")
        if isinstance(layer, Image) and known != source and (calibration := calibration_of(layer)) is not None:
            return calibrated(calibration)
    return {}


def shape_of(layer: Image) -> tuple[int, ...]:
    """Return the shape of an image layer without its colour axis."""
    shape = tuple(layer.data[0].shape if layer.multiscale else layer.data.shape)
    return shape[:-1] if layer.rgb else shape


def current_plane(viewer: ViewerModel, layer: Layer) -> tuple[int, ...]:
    """Return the stack index of the plane of a layer that the window shows; empty for a single image."""
    ndim = len(shape_of(layer)) if isinstance(layer, Image) else layer.ndim
    lengths = layer.data[0].shape if getattr(layer, "multiscale", False) else layer.data.shape
    steps = viewer.dims.current_step[-ndim:-2] if ndim > 2 else ()
    return tuple(min(max(0, int(step)), int(n) - 1) for step, n in zip(steps, lengths, strict=False))


def in_view(image: Image) -> tuple[slice, slice]:
    """Return the rows and columns of an image layer, at its finest magnification, that the window shows.

    All of them where it shows none.
    """
    shape = shape_of(image)[-2:]
    low, high = image.corner_pixels[:, -2:]  # napari counts colours as no dimension
    if np.any(high - low < 2):
        return slice(0, shape[0]), slice(0, shape[1])
    factors = image.downsample_factors[image.data_level][-2:] if image.multiscale else np.ones(2)
    low, high = np.clip(np.floor(low * factors), 0, shape), np.clip(np.ceil((high + 1) * factors), 0, shape)
    return slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))


def look_at(viewer: ViewerModel, layer: Layer, margin: float = 0.05) -> None:
    """Move the view to a layer; napari before 0.9.2 can only fit all of them.

    Parameters
    ----------
    viewer : ViewerModel
    layer : Layer
    margin : float
        Share of the canvas that is left around it.
    """
    low, high = np.asarray(layer.extent.world)[:, -2:]
    camera = viewer.scene.camera
    camera.center = (*camera.center[:-2], *((low + high) / 2))
    camera.zoom = (1 - margin) * float(np.min(np.array(viewer.canvas.size) / np.maximum(high - low, 1e-12)))


@contextmanager
def keeping_active(viewer: ViewerModel) -> Iterator[None]:
    """Let the active layer stay the active one: a new layer would take the brush away."""
    active = viewer.layers.selection.active
    with no_collection():
        yield
    if active is not None and active in viewer.layers:
        viewer.layers.selection.active = active


def for_validation(annotation: Labels) -> bool:
    """Whether an annotation only judges the network and never trains it."""
    return bool(annotation.metadata.get(KEY, {}).get("validation"))


def class_colours(classes: Sequence[ClassInfo]) -> DirectLabelColormap:
    """Return the colours of classes; class 0 (background, or not annotated) is transparent."""
    return colours({None: "transparent", 0: "transparent", **{info.id: info.colour for info in classes if info.id}})


def colours(of_label: dict[int | None, str]) -> DirectLabelColormap:
    """Return a colour for each label; None stands for all others."""
    return DirectLabelColormap(color_dict=of_label)


def find(viewer: ViewerModel, role: str, source: str, kind: type[AnyLayer]) -> AnyLayer | None:
    """Return the layer that an earlier run made with this role for this image."""
    for layer in viewer.layers:
        known = layer.metadata.get(KEY, {})
        if isinstance(layer, kind) and known.get("role") == role and known.get("source") == source:
            return layer
    return None


def put_labels(
    viewer: ViewerModel,
    role: str,
    data: np.ndarray,
    like: Layer | None,
    *,
    source: str,
    about: dict[str, Any],
    **look: Any,
) -> Labels:
    """Show labels in the layer with this role, which is made when it is missing.

    Parameters
    ----------
    viewer : ViewerModel
    role : str
        What it is: the layer's name is "SOURCE ROLE".
    data : numpy.ndarray of integers
    like : Layer or None
        The layer to lie on.
    source : str
        Name of the image that it belongs to.
    about : dict
        More for the layer's metadata.
    **look
        Arguments for a new layer; of these only the colours are set again on an old one, if its classes changed.
    """
    place = placed_like(like) if like is not None else {}
    known = {"role": role, "source": source, **about}
    layer = find(viewer, role, source, Labels)
    if layer is not None and (layer.multiscale or layer.data.ndim != data.ndim):
        viewer.layers.remove(layer)
        layer = None
    if layer is None:
        with no_collection():
            return viewer.add_labels(data, name=f"{source} {role}", metadata={KEY: known}, **place, **look)
    layer.data = data
    before = layer.metadata.get(KEY, {})
    for name, value in place.items():
        if tuple(map(str, getattr(layer, name))) != tuple(map(str, value)):
            setattr(layer, name, value)
    if look.get("colormap") is not None and before.get("classes") != known.get("classes"):
        layer.colormap = look["colormap"]
    layer.metadata[KEY] = known
    return layer


@contextmanager
def no_collection() -> Iterator[None]:
    """Let Python collect its garbage later: napari makes so many objects for a layer that it would do so now.

    That takes up to 250 ms beside napari, and the layer 100 ms: together the window would stand still too long.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def take_over(viewer: ViewerModel, old: str, new: str, source: str) -> None:
    """Give a layer another role, unless there is one with that role: cheaper, and clearer, than a new layer."""
    layer = find(viewer, old, source, Labels)
    if layer is not None and find(viewer, new, source, Labels) is None:
        layer.metadata[KEY]["role"] = new
        layer.name = f"{source} {new}"  # menus look at the layers again


def show_changes(layer: Layer) -> None:
    """Draw a layer whose array was changed in place."""
    layer.refresh(extent=False, thumbnail=False)


def put_image(viewer: ViewerModel, role: str, data: np.ndarray, *, source: str, about: dict[str, Any]) -> Image:
    """Show an 8-bit image in the layer with this role, which is made when it is missing."""
    known = {"role": role, "source": source, **about}
    layer = find(viewer, role, source, Image)
    if layer is None:
        look = {"contrast_limits": (0, 255), **place_in(viewer, source)}
        return viewer.add_image(data, name=f"{source} {role}", metadata={KEY: known}, **look)
    layer.data = data
    layer.metadata[KEY] = known
    return layer


def put_points(viewer: ViewerModel, role: str, data: np.ndarray, like: Layer, *, source: str, **look: Any) -> Points:
    """Show points in the layer with this role, which is made when it is missing."""
    layer = find(viewer, role, source, Points)
    if layer is None:
        known = {"role": role, "source": source}
        return viewer.add_points(
            data, name=f"{source} {role}", metadata={KEY: known}, ndim=2, **placed_like(like), **look
        )
    layer.data = data
    return layer
