"""Segmentation of images larger than the memory, straight into an OME-Zarr."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.config import ObjectRule, SegmentConfig
from napari_microcnn.events import Finished, Job, Notice
from napari_microcnn.io.atomic import telling
from napari_microcnn.io.blocks import content_key
from napari_microcnn.io.errors import WriteError
from napari_microcnn.io.multiscale import create_multiscale, open_multiscale
from napari_microcnn.io.ome_zarr import OURS, read_ome_zarr
from napari_microcnn.io.provenance import describe_input
from napari_microcnn.io.read import read_micrograph
from napari_microcnn.io.scratch import Scratch
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.models import Model, load_model
from napari_microcnn.predict.cluster import predictor_for
from napari_microcnn.predict.large_plane import LargePlane
from napari_microcnn.predict.large_work import Work, plane_name
from napari_microcnn.predict.segment import channels_for, object_rule
from napari_microcnn.predict.tiles import TilePredictor

OBJECTS = "objects"
"""Name of the image of labels in the OME-Zarr."""

_BLOCK = 1024
_LAZY_FROM = (64 << 20) + 1
"""Bytes. All of a smaller image is looked at several times anyway, for its databar and for what it is known by."""
_SCRATCH_BYTES = 8
"""Bytes on the disk per pixel of a plane while it is worked on, compressed, at most."""


@dataclass(frozen=True, eq=False)
class LargeSegmentation:
    """Where a segmentation is, and its numbers.

    Attributes
    ----------
    path : Path
        An OME-Zarr: the class map, uint8, and if there is a rule for objects their labels, int32, below
        ``labels/objects``, counted anew in every plane.
    objects : dict of str to numpy.ndarray or None
        Of every object ``plane``, counted from 0, ``label``, ``pixels``, ``row`` and ``column`` of its centroid,
        and its box: ``top``, ``bottom``, ``left``, ``right``, the ends exclusive.
    pixels : dict of int to int
        Pixels of every class that occurs, without those where the microscope wrote something.
    rows : int
        Rows above the databar, in the plane that has most of them.
    views : tuple of tuple of float
        Resampling before the network, for every plane; see `Segmentation`.
    micrograph : Micrograph
    model : Model
    config : SegmentConfig
    device, precision : str
        What computed, and how.
    """

    path: Path
    objects: dict[str, NDArray[Any]] | None
    pixels: dict[int, int]
    rows: int
    views: tuple[tuple[float, ...], ...]
    micrograph: Micrograph
    model: Model
    config: SegmentConfig
    device: str
    precision: str


def segment_large(
    source: Micrograph | str | Path,
    model: Model | str | Path,
    config: SegmentConfig | None = None,
    output: str | Path = "segmentation.ome.zarr",
    *,
    first: tuple[int | slice, ...] | None = None,
) -> Job[LargeSegmentation]:
    """Segment an image of any size without holding it in memory; the result is that of `segment`.

    The OME-Zarr can be opened from the first tile on. Closing the job, or killing it, loses the unfinished tile only:
    called again in the same way it goes on from there. What it needs for that is in a hidden folder beside the
    output, which is gone in the end.

    Parameters
    ----------
    source : Micrograph, str or Path
        A TIFF file or an OME-Zarr, read piece by piece, or a micrograph whose pixels are a dask array.
    model : Model, str or Path
        A model, the name of a shipped one, or a file.
    config : SegmentConfig, optional
        Probabilities and uncertainty are not kept.
    output : str or Path
        Must not exist, unless this is the rest of an interrupted job.
    first : tuple of int and slice, optional
        What is looked at, as one would index the image: the plane of a stack, and its rows and columns. That plane
        comes first, then those beside it, and in each of them the tiles there.

    Yields
    ------
    Event
        `TileDone` per tile, `Progress` while objects are put together, `Notice` where something should be known; in
        the end ``Finished[LargeSegmentation]``.

    Raises
    ------
    ModelError
        If the model cannot be loaded or takes another number of channels.
    ValueError
        If the output exists, was begun in another way, or cannot be written, or if the image cannot be read.
    """
    output = Path(output)
    for event in begin_large(source, model, config, output, first=first):
        if isinstance(event, Finished):
            forget_work(output)
        yield event


def begin_large(
    source: Micrograph | str | Path,
    model: Model | str | Path,
    config: SegmentConfig | None,
    output: Path,
    *,
    first: tuple[int | slice, ...] | None = None,
) -> Job[LargeSegmentation]:
    """Do as `segment_large`, but keep the work until `forget_work`: until then the same call gives the result again.

    So nothing is lost when whatever is made of the result is interrupted.
    """
    config = config or SegmentConfig()
    if config.keep_probabilities or config.keep_uncertainty:
        raise ValueError(
            "Probabilities and uncertainty of an image that does not fit into memory are not kept; leave them out."
        )
    micrograph = source if isinstance(source, Micrograph) else open_lazily(Path(source))
    model = model if isinstance(model, Model) else load_model(model)
    with predictor_for(model, config) as predictor:
        yield from _segment(micrograph, model, config, predictor, output, first)


def _segment(
    micrograph: Micrograph,
    model: Model,
    config: SegmentConfig,
    predictor: TilePredictor,
    output: Path,
    first: tuple[int | slice, ...] | None,
) -> Job[LargeSegmentation]:
    rule = object_rule(model, config)
    convert, remark = channels_for(model, micrograph.channels)
    scratch = _scratch(micrograph, model, config, predictor, output)
    if remark:
        yield Notice(remark)
    if scratch.resumed:
        yield Notice("Going on where this was interrupted.")
    tile, block = _sides(scratch, predictor, micrograph, config.tile)
    _create(output, scratch, micrograph, model, block, rule)
    classes, labels = open_multiscale(output, "r+")
    if rule is not None and OBJECTS not in labels:
        raise WriteError(f"{output} is damaged: it has lost its objects; delete it and begin again.")
    work = Work(
        micrograph, model, config, predictor, rule, convert, scratch, classes, labels.get(OBJECTS), tile, block, first
    )
    indices = list(np.ndindex(micrograph.stack_shape))
    left = [index for index in indices if f"{plane_name(index)}-classes" not in scratch]
    left.sort(key=work.steps_from_view)
    for place, index in enumerate(left, len(indices) - len(left)):
        with telling(output):
            yield from LargePlane(work, place, index).run()
    yield Finished(_result(work, [plane_name(index) for index in indices], output))


def forget_work(output: Path) -> None:
    """Delete what a finished `begin_large` keeps."""
    folder = unfinished_folder(output)
    over = folder.with_name(f"{folder.name}.over")
    with telling(folder):
        shutil.rmtree(over, ignore_errors=True)
        folder.rename(over)  # at once: half of it would be taken for other work
        shutil.rmtree(over)


def open_lazily(path: Path) -> Micrograph:
    """Open a TIFF file or an OME-Zarr so that its pixels are read piece by piece.

    Raises
    ------
    ReadError
        If it cannot be read.
    """
    return read_ome_zarr(path) if path.is_dir() else read_micrograph(path, lazy_from_bytes=_LAZY_FROM)


def unfinished_folder(output: Path) -> Path:
    """Return where the work is until the output is finished."""
    return output.with_name(f".{output.name}.unfinished")


def _create(
    output: Path, scratch: Scratch, micrograph: Micrograph, model: Model, block: int, rule: ObjectRule | None
) -> None:
    """Create the output, unless it is there."""
    if "output" in scratch:
        return
    if "begun" in scratch:  # but killed before it was complete
        shutil.rmtree(output, ignore_errors=True)
    elif output.exists():
        raise WriteError(_there_already(output))
    scratch.note("begun")
    create_multiscale(
        output,
        (*micrograph.stack_shape, *micrograph.plane_shape),
        block,
        micrograph.axes.removesuffix("C"),
        micrograph.calibration,
        name=f"{micrograph.name} classes",
        labels=(OBJECTS,) if rule is not None else (),
        about={
            OURS: {
                "version": version("napari-microcnn"),
                "model": model.sha256,
                "classes": [entry.model_dump() for entry in model.classes],
                "kind": rule.kind if rule is not None else None,
            }
        },
    )
    scratch.note("output")


def _there_already(output: Path) -> str:
    return f"{output} is there already; choose another name, or delete it first."


def _scratch(
    micrograph: Micrograph, model: Model, config: SegmentConfig, predictor: TilePredictor, output: Path
) -> Scratch:
    folder = unfinished_folder(output)
    if output.exists() and not folder.exists():
        raise WriteError(_there_already(output))
    if folder.exists() and not output.exists():  # deleted by the user, or never begun: nothing to go on with
        with telling(folder):
            shutil.rmtree(folder)
    header = {
        "version": version("napari-microcnn"),
        "input": describe_input(micrograph),
        "content": content_key(micrograph.pixels),
        "model": model.sha256,
        "settings": config.model_dump(),
        "device": predictor.computed_on,
        "precision": str(predictor.precision),
    }
    scratch = Scratch(folder, header)
    height, width = micrograph.plane_shape
    needed = height * width * (_SCRATCH_BYTES + int(np.prod(micrograph.stack_shape)))
    free = shutil.disk_usage(folder).free
    if not scratch.resumed and free < needed:
        scratch.remove()
        raise WriteError(
            f"{output} and the work on it need up to {needed / 1e9:.1f} GB, but {free / 1e9:.1f} GB are free there; "
            f"make room or choose another folder."
        )
    return scratch


def _sides(scratch: Scratch, predictor: TilePredictor, micrograph: Micrograph, wanted: int | None) -> tuple[int, int]:
    """Return the sides of tiles, as `wanted` if they are, and blocks: those that the job was begun with."""
    if "sides" not in scratch:
        tile = predictor.tile_side(micrograph.plane_shape)
        if wanted is None:  # a tile that lies across chunks has each of them read and written again, at every level
            tile = min(tile, _BLOCK)
        block = tile * max(1, _BLOCK // tile) if tile <= _BLOCK else _BLOCK
        scratch.save("sides", sides=np.array([tile, block]))
    tile, block = (int(side) for side in scratch.load("sides")["sides"])
    return tile, block


def _result(work: Work, names: list[str], output: Path) -> LargeSegmentation:
    tables = [work.scratch.load(f"{name}-objects") for name in names] if work.labels is not None else []
    objects = None
    if tables:
        objects = {
            "plane": np.repeat(np.arange(len(tables), dtype=np.int32), [len(table["label"]) for table in tables])
        }
        objects |= tables[0] if len(tables) == 1 else {k: np.concatenate([one[k] for one in tables]) for k in tables[0]}
    counts = sum(work.scratch.load(f"{name}-classes")["counts"] for name in names)
    looked = [work.scratch.load(f"{name}-views") for name in names]
    return LargeSegmentation(
        output,
        objects,
        {int(number): int(np.asarray(counts)[number]) for number in np.flatnonzero(counts)},
        max(int(found["rows"]) for found in looked),
        tuple(tuple(found["factors"].tolist()) for found in looked),
        work.micrograph,
        work.model,
        work.config,
        work.predictor.computed_on,
        work.predictor.precision_name,
    )
