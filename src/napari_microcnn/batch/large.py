"""Files whose segmentation does not fit into memory: an OME-Zarr, its table and its record."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import dask.array as da

from napari_microcnn.config import SegmentConfig
from napari_microcnn.device import MEMORY_ERRORS, give_back_memory, out_of_memory
from napari_microcnn.events import Event, Finished, Notice, Progress
from napari_microcnn.io.export import write_recorded
from napari_microcnn.io.multiscale import SUFFIX
from napari_microcnn.io.pairs import stem_of
from napari_microcnn.io.provenance import describe_calibration, file_sha256, provenance
from napari_microcnn.io.results import check_replaceable
from napari_microcnn.io.scripts import segment_command
from napari_microcnn.io.write import write_table_to
from napari_microcnn.measure.objects import Table, measure_objects
from napari_microcnn.measure.summary import summarise
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.models import Model
from napari_microcnn.predict.gap import Gap, domain_gap
from napari_microcnn.predict.large import OBJECTS, LargeSegmentation, begin_large, forget_work

_BAND_PIXELS = 8_000_000
"""Of a band of labels that is read at once to measure them."""
_UNJUDGED = "The memory was too small to tell how far the model can be trusted with this image; check the result."
_BOX = ("top", "bottom", "left", "right")


def segment_large_file(
    micrograph: Micrograph,
    model: Model,
    called: str,
    settings: SegmentConfig,
    folder: Path,
    source: Path,
    *,
    stem: str | None = None,
    first: tuple[int | slice, ...] | None = None,
) -> Generator[Event, None, list[Path]]:
    """Segment an image block by block, measure it, and write ``STEM.ome.zarr``, ``STEM.csv`` and ``STEM.json``.

    Parameters
    ----------
    micrograph : Micrograph
        Read lazily.
    model : Model
    called : str
        The model, as a command line names it.
    settings : SegmentConfig
    folder : Path
    source : Path
        The micrograph, as a command line names it.
    stem : str, optional
        What the names of the results begin with; by default that of the micrograph.
    first : tuple of int and slice, optional
        Plane, rows and columns that are looked at: that plane, and tiles there, come first.

    Returns
    -------
    list of Path
        What was written; the record last.
    """
    stem = stem or stem_of(source)
    check_replaceable(folder, stem)
    output = folder / f"{stem}{SUFFIX}"
    with closing(begin_large(micrograph, model, settings, output, first=first)) as job:
        for event in job:
            if isinstance(event, Finished):
                result = event.result
            else:
                yield event
    yield Progress(0, 1, "Measuring")
    give_back_memory()
    table = _measured(result)
    told = _told(result, table, called, source)
    if (gap := _gap(result)) is None:
        yield Notice(_UNJUDGED)
    else:
        told["domain_gap"] = {**gap.info(), "sentence": gap.sentence}
        if gap.light != "green":
            yield Notice(gap.sentence)
    writers: dict[str, Any] = {} if table is None else {f"{stem}.csv": partial(write_table_to, columns=table)}
    hashes = {f"{output.name}/zarr.json": file_sha256(output / "zarr.json")}
    record = told | {"files": [output.name, *writers], "sha256": hashes}
    written = write_recorded(folder, writers, f"{stem}.json", record)
    forget_work(output)
    return [output, *written]


def _gap(result: LargeSegmentation) -> Gap | None:
    """Return how far to trust the result; None where there is no memory left to find out: no reason to lose it."""
    give_back_memory()
    try:
        return domain_gap(result.micrograph, result.model, result.config, result.views[len(result.views) // 2][0])
    except MEMORY_ERRORS as error:
        if not out_of_memory(error):
            raise
        return None


def _measured(result: LargeSegmentation) -> Table | None:
    """Return what `measure_objects` tells and the boxes of the objects, read band by band."""
    if result.objects is None:
        return None
    calibration = result.micrograph.calibration
    stored: Any = da.from_zarr(str(result.path), component=f"labels/{OBJECTS}/0")  # type: ignore[no-untyped-call]
    # Bands of whole chunks are too large in wide images; every part of a chunk costs decoding all of it.
    rows, width = stored.chunksize[-2], stored.shape[-1]
    rows = -(-rows // -(-rows * width // _BAND_PIXELS))
    bands = (*(1 for _ in stored.shape[:-2]), rows, width)
    labels = da.from_zarr(str(result.path), component=f"labels/{OBJECTS}/0", chunks=bands)  # type: ignore[no-untyped-call]
    table = measure_objects(labels[..., : result.rows, :], calibration)
    return {**table, **{f"{side}_px": result.objects[side] for side in _BOX}}


def _told(result: LargeSegmentation, table: Table | None, called: str, source: Path) -> dict[str, Any]:
    """Return the record: how it was made, and its numbers."""
    micrograph, total = result.micrograph, sum(result.pixels.values())
    command = segment_command(source, called, result.config, ".", result.precision, micrograph.calibration)
    told: dict[str, Any] = provenance(
        micrograph=micrograph,
        model=result.model.info(),
        settings=result.config.model_dump(),
        command=f"{command} --large",
    )
    told["computed"] = {"device": result.device, "precision": result.precision, "magnifications": result.views}
    fractions = {
        f"area_fraction_{entry.name}": result.pixels.get(entry.id, 0) / max(1, total) for entry in result.model.classes
    }
    told["results"] = fractions | summarise(table=table, calibration=micrograph.calibration)
    told["pixel_size"] = describe_calibration(micrograph.calibration)
    return told
