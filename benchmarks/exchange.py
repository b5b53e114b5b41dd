"""Round trips: every format that results are written in, read back with another library, against what was written.

Objects touch at corners, have holes with islands in them, lie in pieces and at the border; pixels are not square.
"""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import zarr
from PIL import Image
from skimage.draw import polygon2mask

from benchmarks.common import Table
from napari_microcnn.io.export import export_segmentation
from napari_microcnn.measure import measure_objects
from napari_microcnn.micrograph import Calibration, Micrograph

Array = np.ndarray[Any, Any]
PIXEL = Calibration((0.123456789, 0.2), "nm", "set by the user")
_STEM = "steel"
_CENTIMETRE = 1e7
"""In nanometres."""
_NINE_DIGITS = 1e-8


@dataclass(frozen=True, eq=False)
class Scene:
    """What is written: an image, what was found in it, and the table of its objects."""

    image: Array
    found: dict[str, Any]
    table: Mapping[str, Array]

    @classmethod
    def make(cls, planes: int, largest: int) -> Scene:
        """Make a plane, or a stack of planes, whose largest object has a number."""
        rng = np.random.default_rng(0)
        labels = np.repeat(_objects(rng)[None], planes, 0)
        labels = np.where(labels == labels.max(), largest, labels).astype(np.int32)
        labels = labels[0] if planes == 1 else labels
        classes = (labels % 3).astype(np.uint8)
        probabilities = rng.random((*labels.shape[:-2], 3, *labels.shape[-2:]), np.float32)
        uncertainty = rng.integers(0, 256, labels.shape, np.uint8)
        found = {"classes": classes, "labels": labels, "probabilities": probabilities, "uncertainty": uncertainty}
        return cls(rng.integers(0, 60_000, labels.shape, np.uint16), found, measure_objects(labels, PIXEL))

    def write(self, folder: Path, **options: Any) -> None:
        """Write all of it."""
        axes = "ZYX"[-self.image.ndim :]
        export_segmentation(
            folder, _STEM, **self.found, table=self.table, calibration=PIXEL, provenance={}, axes=axes,
            micrograph=Micrograph(self.image, axes, PIXEL, _STEM), **options,
        )  # fmt: skip


def _objects(rng: np.random.Generator) -> Array:
    drawn = rng.integers(0, 4, (24, 31))
    rings = np.zeros((30, 31), np.int64)
    rings[2:28, 2:28], rings[5:25, 5:25], rings[8:20, 8:20], rings[10:14, 10:13] = 5, 0, 5, 7
    return np.vstack([drawn, rings])


Back = tuple[int, tuple[float, float]]
"""How many values differ, and the height and width of a pixel in nanometres."""


def run() -> Table:
    """Write every format, read it back and compare."""
    table = Table(
        "Round trips through other libraries",
        ("format", "read with", "of what", "values that differ", "pixel size, relative deviation"),
        note="Bar: no value differs, pixel size to 1e-6. Pixels of 0.123456789 x 0.2 nm; labels up to 70,000 "
        "(PNG: 65,535). CSV has nine digits of every number.",
    )
    for (kind, library), check in CHECKS.items():
        for planes in (1, 3) if kind in STACKS else (1,):
            differing, deviation = compared(kind, check, planes)
            table.add(kind, library, "a plane" if planes == 1 else "a stack", differing, f"{deviation:.1e}")
            table.at_most(f"values that differ: {kind} of {planes} read with {library}", differing, 0)
            table.at_most(f"pixel size off: {kind} of {planes} read with {library}", deviation, 1e-6)
    return table


def compared(kind: str, check: Callable[[Path, Scene], Back], planes: int = 1) -> tuple[int, float]:
    """Return how many values differ after a round trip, and how much the pixel size, relatively."""
    scene = Scene.make(planes, 65_535 if kind == "png" else 70_000)
    options = {"format": kind} if kind in ("ome-tiff", "tiff") else {"also": () if kind == "csv" else (kind,)}
    with tempfile.TemporaryDirectory() as folder:
        scene.write(Path(folder), **options)
        differing, size = check(Path(folder), scene)
    return differing, max(abs(one / other - 1) for one, other in zip(size, PIXEL.pixel_size, strict=True))


def _differing(one: Any, other: Any) -> int:
    one, other = np.asarray(one), np.asarray(other)
    return int((one != other).sum()) if one.shape == other.shape else max(one.size, other.size)


def _ome_tiff(folder: Path, scene: Scene) -> Back:
    differing, sizes = 0, []
    for name, pixels in scene.found.items():
        with tifffile.TiffFile(folder / f"{_STEM}_{name}.tif") as file:
            differing += _differing(file.asarray(), pixels)
            about = tifffile.xml2dict(file.ome_metadata or "")["OME"]["Image"]["Pixels"]
        if (about["PhysicalSizeXUnit"], about["PhysicalSizeYUnit"]) != ("nm", "nm"):
            raise RuntimeError(f"other units: {about}")
        sizes.append((about["PhysicalSizeY"], about["PhysicalSizeX"]))
    return differing, _same(sizes)


def _tiff(folder: Path, scene: Scene) -> Back:
    differing, sizes = 0, []
    for name, pixels in scene.found.items():
        with tifffile.TiffFile(folder / f"{_STEM}_{name}.tif") as file:
            differing += _differing(np.stack([page.asarray() for page in file.pages]).reshape(pixels.shape), pixels)
            x, y = (file.pages.first.tags[f"{axis}Resolution"].value for axis in "XY")
        sizes.append((_CENTIMETRE * y[1] / y[0], _CENTIMETRE * x[1] / x[0]))
    return differing, _same(sizes)


def _png(folder: Path, scene: Scene) -> Back:
    differing, sizes = 0, []
    for name in ("classes", "labels"):
        with Image.open(folder / f"{_STEM}_{name}.png") as file:
            differing += _differing(file, scene.found[name])
            told = json.loads(file.text["napari-microcnn"])  # type: ignore[attr-defined]
        sizes.append(tuple(told["pixel_size"]))
    return differing, _same(sizes)


def _ome_zarr(folder: Path, scene: Scene) -> Back:
    from yaozarrs import validate_zarr_store

    path = folder / f"{_STEM}.ome.zarr"
    validate_zarr_store(str(path))
    root, differing, sizes = zarr.open_group(path, mode="r"), 0, []
    for place, pixels in (("", scene.image), *((f"labels/{n}/", scene.found[n]) for n in ("classes", "labels"))):
        group: Any = root[place.rstrip("/")] if place else root
        [about] = group.attrs["ome"]["multiscales"]
        differing += _differing(group[about["datasets"][0]["path"]], pixels)
        sizes.append(tuple(about["datasets"][0]["coordinateTransformations"][0]["scale"][-2:]))
    return differing, _same(sizes)


def _imagej(folder: Path, scene: Scene) -> Back:
    import roifile

    back, sizes = np.zeros_like(scene.found["labels"]), []
    rois: Any = roifile.roiread(folder / f"{_STEM}_rois.zip")
    for roi in rois:
        back[_filled(roi.coordinates(), back.shape)] += int(roi.name)
        told = dict(line.split(": ") for line in roi.props.splitlines())
        sizes.append((float(told["pixel_height"]), float(told["pixel_width"])))
    return _differing(back, scene.found["labels"]), _same(sizes)


def _coco(folder: Path, scene: Scene) -> Back:
    content = json.loads((folder / f"{_STEM}_coco.json").read_text(encoding="utf-8"))
    back = np.zeros_like(scene.found["labels"])
    for entry in content["annotations"]:
        back[_filled(np.reshape(entry["segmentation"][0], (-1, 2)), back.shape)] += entry["id"]
    return _differing(back, scene.found["labels"]), tuple(content["info"]["pixel_size"]["pixel_size"])


def _geojson(folder: Path, scene: Scene) -> Back:
    content = json.loads((folder / f"{_STEM}.geojson").read_text(encoding="utf-8"))
    back = np.zeros_like(scene.found["labels"])
    for feature in content["features"]:
        for outer, *holes in feature["geometry"]["coordinates"]:
            inside = _filled(outer, back.shape)
            for hole in holes:
                inside &= ~_filled(hole, back.shape)
            back[inside] += feature["id"]
    return _differing(back, scene.found["labels"]), tuple(content["pixel_size"]["pixel_size"])


def _parquet(folder: Path, scene: Scene) -> Back:
    from pyarrow import parquet

    table = parquet.read_table(folder / f"{_STEM}.parquet")
    differing = sum(_differing(table[name].to_numpy(), column) for name, column in scene.table.items())
    told = json.loads(table.schema.metadata[b"napari-microcnn"])["pixel_size"]
    return differing + len(set(table.column_names) ^ set(scene.table)), tuple(told["pixel_size"])


def _csv(folder: Path, scene: Scene) -> Back:
    """Read the table; its pixel size stands in the record beside it."""
    with (folder / f"{_STEM}.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    differing = len(set(header) ^ set(scene.table))
    for name, cells in zip(header, zip(*rows, strict=True), strict=True):
        column = scene.table[name]
        values = np.array(cells, np.int64 if column.dtype.kind == "b" else column.dtype)
        differing += int((~np.isclose(values, column, rtol=_NINE_DIGITS, atol=0, equal_nan=True)).sum())
    told = json.loads((folder / f"{_STEM}.json").read_text(encoding="utf-8"))["pixel_size"]
    return differing, tuple(told["pixel_size"])


def _filled(polygon: Any, shape: tuple[int, ...]) -> Array:
    """Fill a polygon of corners (x, y): a pixel's middle is at its index in scikit-image."""
    mask: Array = polygon2mask(shape, np.asarray(polygon, float)[:, ::-1] - 0.5)  # type: ignore[no-untyped-call]
    return mask


def _same(sizes: Sequence[tuple[Any, ...]]) -> tuple[float, float]:
    """Return the pixel size that all files tell; the one that is farthest off, if they differ."""
    height, width = max(sizes, key=lambda size: abs(size[0] / PIXEL.pixel_size[0] - 1))
    return height, width


CHECKS: dict[tuple[str, str], Callable[[Path, Scene], Back]] = {
    ("ome-tiff", "tifffile"): _ome_tiff,
    ("tiff", "tifffile"): _tiff,
    ("png", "Pillow"): _png,
    ("ome-zarr", "zarr, yaozarrs"): _ome_zarr,
    ("imagej", "roifile, scikit-image"): _imagej,
    ("coco", "json, scikit-image"): _coco,
    ("geojson", "json, scikit-image"): _geojson,
    ("parquet", "pyarrow"): _parquet,
    ("csv", "csv"): _csv,
}
STACKS = ("ome-tiff", "tiff", "ome-zarr", "parquet", "csv")
"""Formats that hold stacks of planes."""
