"""Small whole folders of every kind that is read, and the function that reads each; for `benchmarks.fuzz`."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import zarr

from benchmarks.specimens import GREY, MEMORY, STACK, Reader, tiny_model
from napari_microcnn.config import ObjectRule, SegmentConfig
from napari_microcnn.events import Finished
from napari_microcnn.io.labelled import write_labelled_to
from napari_microcnn.io.multiscale import open_multiscale
from napari_microcnn.io.ome_zarr import attributes, label_names, read_levels
from napari_microcnn.io.scratch import Scratch
from napari_microcnn.micrograph import Calibration, Micrograph
from napari_microcnn.predict.large import begin_large

CORNER = 64
"""Side of what is read of an image that says it is huge, which a folder of many pieces may be."""
_HEADER = {"model": "tiny", "settings": {"tile": 16}}
_SETTINGS = SegmentConfig(tile=32, magnification=1.0, orientations=1, device="cpu", precision="float32")
_STOPS = (4, 12)
"""Events after which work is left unfinished: while tiles come, and while objects are put together."""


def specimen_folders(folder: Path) -> dict[str, tuple[Reader, list[Path]]]:
    """Write the folders; returns for each kind its reader and its folders."""
    return {
        "OME-Zarr": (_image, [_ours(folder), _old(folder), _sharded(folder)]),
        "unfinished work": (_scratch, [_written_scratch(folder)]),
        "interrupted segmentation": (_resumed, [_interrupted(folder, stop) for stop in _STOPS]),
    }


def _image(path: Path) -> None:
    """Read an image with its labels as the window does, and as results are read again."""
    attributes(path)
    for place in (path, *(path / "labels" / name for name in label_names(path))):
        for level in read_levels(place):
            pixels = level.pixels
            if pixels.nbytes > MEMORY:
                pixels = pixels[(0,) * (pixels.ndim - 2) + (slice(CORNER), slice(CORNER))]
            np.asarray(pixels)
    if (path / "zarr.json").exists():
        image, labels = open_multiscale(path)
        for part in (image, *labels.values()):
            part[(*(0 for _ in part.levels[0].shape[2:]), slice(0, CORNER), slice(0, CORNER))]


def _scratch(path: Path) -> None:
    scratch = Scratch(path, _HEADER)
    np.asarray(scratch.array("classes", GREY.shape, 16, np.uint8)[: GREY.shape[0], : GREY.shape[1]])
    if "objects" in scratch:
        scratch.load("objects")
    scratch.note("tile 2")
    scratch.save("views", factors=np.ones(2))


def _resumed(path: Path) -> None:
    """Go on with a segmentation to its end."""
    for _ in _job(path):
        pass


def _job(folder: Path) -> Any:
    model = replace(tiny_model(), objects=ObjectRule(kind="particles", class_id=2))
    return begin_large(folder / "image.tif", model, _SETTINGS, folder / "out.ome.zarr")


def _ours(folder: Path) -> Path:
    image = Micrograph(STACK, "ZYX", Calibration((2.0, 2.0), "nm", "test"), "ours")
    write_labelled_to(folder / "ours.ome.zarr", image, {"objects": STACK % 3})
    return folder / "ours.ome.zarr"


def _old(folder: Path) -> Path:
    """Write an image of the version 0.4, which has the metadata of Zarr 2."""
    return _foreign(folder / "old.ome.zarr", 2, chunks=(16, 16))


def _sharded(folder: Path) -> Path:
    codec = zarr.codecs.GzipCodec()
    return _foreign(folder / "sharded.ome.zarr", 3, chunks=(8, 8), shards=(16, 16), compressors=codec)


def _foreign(path: Path, zarr_format: Any, **options: Any) -> Path:
    root = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    root.create_array("0", shape=GREY.shape, dtype=GREY.dtype, **options)[...] = GREY
    axes = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "yx"]
    scale = {"type": "scale", "scale": [0.5, 0.5]}
    image: Any = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": [scale]}], "version": "0.4"}
    root.attrs.update(
        {"multiscales": [image]} if zarr_format == 2 else {"ome": {"version": "0.5", "multiscales": [image]}}
    )
    return path


def _written_scratch(folder: Path) -> Path:
    scratch = Scratch(folder / ".out.unfinished", _HEADER)
    scratch.array("classes", GREY.shape, 16, np.uint8)[: GREY.shape[0], : GREY.shape[1]] = GREY
    scratch.save("objects", label=np.arange(1, 40), pixels=np.arange(1, 40) * 7)
    scratch.note("tile 0", "tile 1")
    return folder / ".out.unfinished"


def _interrupted(folder: Path, stop: int) -> Path:
    """Begin a segmentation, and leave it after some events."""
    place = folder / f"interrupted {stop}"
    place.mkdir()
    tifffile.imwrite(place / "image.tif", np.tile(GREY, (3, 2)))
    job = _job(place)
    if any(isinstance(event, Finished) for event in islice(job, stop)):
        raise RuntimeError("The work was not interrupted but finished.")
    job.close()
    return place
