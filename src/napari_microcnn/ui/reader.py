"""Reader for napari that adds what napari's own reader leaves out: the pixel size, and which images are labels."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from napari_microcnn.config import ClassInfo
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.ui import layers

LayerData = tuple[Any, dict[str, Any], str]
_MASKS = (".h5", ".hdf5", ".npy")
_NAMED_LIKE_MASKS = re.compile(
    r"(?P<source>.+)[ _](?P<kind>classes|labels|objects|masks?|Simple Segmentation|Object (?:Identities|Predictions))",
    re.IGNORECASE,
)
"""What this package, cellpose and ilastik call masks, and what Labkit's and Weka's are saved as by hand."""
_CLASSES = "classes"
_EXPORTED = {_CLASSES, "labels"}
"""Names of the masks that stand beside an image."""
_ROLES = {"labels": "objects"}
"""What the docks call a mask, where it is not called so in a file."""
_NAPARI_READS = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp")


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """Return a reader if the file says what a pixel measures, or only we read it; otherwise None: then others do."""
    if isinstance(path, list):
        if len(path) != 1:
            return None
        path = path[0]

    if Path(path).is_dir():
        return _reader_of_folder(Path(path))
    if Path(path).suffix.lower() in _MASKS:
        return _reader_of_mask(Path(path))
    return _reader_of_image(Path(path))


def _reader_of_image(path: Path) -> Callable[[str | list[str]], list[LayerData]] | None:
    """Return a reader of an image with a pixel size, of an image that only we read, or of a mask with its name."""
    from napari_microcnn.io.pairs import stem_of
    from napari_microcnn.io.read import ReadError, may_be_calibrated, read_micrograph

    named, plain = _NAMED_LIKE_MASKS.fullmatch(stem_of(path)), path.suffix.lower() in _NAPARI_READS
    try:
        if plain and not named and not may_be_calibrated(path):
            return None  # and its pixels are read once, by napari's own reader
        micrograph = read_micrograph(path)
    except (ReadError, ValueError, OSError):
        return None  # napari's own reader says what is wrong
    if named and _is_mask(micrograph):
        return lambda _: [_mask_layer(micrograph, named["source"], named["kind"].lower())]
    return partial(_layers, micrograph) if micrograph.calibration is not None or not plain else None


def _reader_of_folder(path: Path) -> Callable[[str | list[str]], list[LayerData]] | None:
    """Return a reader of an OME-Zarr: an image with its labels, or what `segment_large` writes or has written."""
    from napari_microcnn.io.ome_zarr import OURS, attributes, label_names, read_levels
    from napari_microcnn.io.read import ReadError

    try:
        names = label_names(path)
        if OURS in attributes(path) and not _EXPORTED.intersection(names):
            found = masks_in(path)
        else:
            found = [*_image_levels(read_levels(path), str(path)), *(_labels_in(path, name) for name in names)]
        return lambda _: found
    except (ReadError, ValueError, OSError, KeyError, TypeError):
        return None  # napari's own reader says what is wrong


def _reader_of_mask(path: Path) -> Callable[[str | list[str]], list[LayerData]] | None:
    """Return a reader of what ilastik has exported or cellpose has saved: its masks become labels."""
    from napari_microcnn.io.foreign_masks import read_foreign_labels
    from napari_microcnn.io.read import ReadError

    try:
        labels = read_foreign_labels(path)
    except ReadError:
        return None  # HDF5 holds many other things
    return lambda _: [(labels, {"name": path.stem}, "labels")]


def _is_mask(micrograph: Micrograph) -> bool:
    return micrograph.pixels.dtype.kind in "bui" and not micrograph.axes.endswith("C")


def _mask_layer(mask: Micrograph, source: str, kind: str) -> LayerData:
    """Return a mask as a labels layer, in the colours of its classes where the record of `segment` tells them."""
    infos = [] if mask.path is None else _classes_in(mask.path.with_name(f"{source}.json"))
    pixels = mask.pixels.astype("uint8") if mask.pixels.dtype.kind == "b" else mask.pixels
    about: dict[str, Any] = {
        "name": mask.name,
        "opacity": 0.5,
        "metadata": {layers.KEY: {"role": _ROLES.get(kind, kind), "source": source, "classes": tuple(infos)}},
        **layers.calibrated(mask.calibration, len(mask.axes)),
    }
    if kind == _CLASSES and infos:
        about["colormap"] = layers.class_colours(infos)
    return pixels, about, "labels"


def _classes_in(record: Path) -> list[ClassInfo]:
    """Return the classes that a record of `segment` tells; none if it is another file."""
    from napari_microcnn.io.results import read_record

    try:
        return [ClassInfo(**entry) for entry in read_record(record)["model"]["classes"]]
    except (KeyError, TypeError, ValueError):
        return []


def _image_levels(levels: list[Micrograph], path: str | list[str]) -> list[LayerData]:
    """Return an OME-Zarr as an image layer that shows as many pixels as the window has."""
    [(_, about, kind)] = _layers(levels[0], path)
    pixels = [level.pixels for level in levels]
    several = len(levels) > 1
    return [(pixels if several else pixels[0], {**about, "multiscale": several}, kind)]


def _labels_in(path: Path, name: str) -> LayerData:
    """Return one image of labels that stands below an image."""
    from napari_microcnn.io.ome_zarr import OURS, attributes, read_levels

    levels = read_levels(path / "labels" / name)
    source = path.name.removesuffix(".zarr").removesuffix(".ome")
    several = len(levels) > 1
    about: dict[str, Any] = {
        "name": f"{source} {name}",
        "multiscale": several,
        "opacity": 0.5,
        "metadata": {layers.KEY: {"role": _ROLES.get(name, name), "source": source}},
        **layers.calibrated(levels[0].calibration, len(levels[0].axes)),
    }
    infos = [ClassInfo(**entry) for entry in attributes(path).get(OURS, {}).get("classes", [])]
    if name == _CLASSES and infos:
        about["colormap"] = layers.class_colours(infos)
    pixels = [level.pixels for level in levels]
    return (pixels if several else pixels[0], about, "labels")


def masks_in(path: Path) -> list[LayerData]:
    """Return class map and objects as labels layers; of a segmentation that runs, what there is so far."""
    from napari_microcnn.io.multiscale import open_multiscale
    from napari_microcnn.io.ome_zarr import OURS, attributes, read_ome_zarr

    about = attributes(path)[OURS]
    infos = [ClassInfo(**entry) for entry in about["classes"]]
    meaning = {"objects": "grains"} if about.get("kind") == "grains" else {}
    classes, labels = open_multiscale(path)
    micrograph = read_ome_zarr(path)
    # Zarr arrays themselves: what dask has read once napari keeps, even if it is written later.
    parts = [("classes", classes, {"colormap": layers.class_colours(infos), "visible": not labels})]
    parts += [(name, image, {}) for name, image in labels.items()]
    place = layers.calibrated(micrograph.calibration, len(micrograph.axes))
    return [
        (
            image.levels if len(image.levels) > 1 else image.levels[0],
            {
                "name": f"{micrograph.name} {role}",
                "multiscale": len(image.levels) > 1,
                "opacity": 0.5,
                "metadata": {
                    layers.KEY: {"role": meaning.get(role, role), "source": micrograph.name, "classes": tuple(infos)}
                },
                **place,
                **look,
            },
            "labels",
        )
        for role, image, look in parts
    ]


def _layers(micrograph: Micrograph, path: str | list[str]) -> list[LayerData]:  # noqa: ARG001 - read already
    """Return a micrograph as an image layer with scale and unit."""
    known = {"calibration": micrograph.calibration, "lazy": hasattr(micrograph.pixels, "dask")}
    ndim = len(micrograph.axes.removesuffix("C"))
    about: dict[str, Any] = {
        "name": micrograph.name,
        "metadata": {layers.KEY: known, **micrograph.metadata},
        **layers.calibrated(micrograph.calibration, ndim),
    }
    if micrograph.axes.endswith("C"):
        if micrograph.channels in (3, 4):
            about["rgb"] = True
        else:
            about |= {"channel_axis": len(micrograph.axes) - 1}
            about["name"] = [f"{micrograph.name} {index}" for index in range(micrograph.channels)]
    return [(micrograph.pixels, about, "image")]
