"""Measuring one segmentation, and writing all that was found."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from napari_microcnn.events import Finished, Job, Notice
from napari_microcnn.io.exchange import OtherFormat
from napari_microcnn.io.export import export_segmentation
from napari_microcnn.io.page import sample_page
from napari_microcnn.io.pairs import stem_of
from napari_microcnn.io.pdf import sample_pdf
from napari_microcnn.io.provenance import provenance
from napari_microcnn.io.scripts import segment_command
from napari_microcnn.measure.objects import measure_objects
from napari_microcnn.measure.sample import sample_numbers
from napari_microcnn.measure.segments import with_confidence
from napari_microcnn.predict.gap import Gap, domain_gap
from napari_microcnn.predict.segment import Segmentation


def write_segmentation(
    result: Segmentation,
    folder: Path,
    source: Path,
    model: str,
    *,
    pages: Collection[str] = (),
    also: Collection[OtherFormat] = (),
    gap: Gap | None = None,
) -> Job[list[Path]]:
    """Measure the objects of a segmentation and write class map, labels, table and provenance.

    Parameters
    ----------
    result : Segmentation
    folder : Path
    source : Path
        The micrograph, as a command line names it.
    model : str
        The model, as a command line names it.
    pages : collection of {"html", "pdf"}
        Write a report too.
    also : collection of str
        Further formats, see `export_segmentation`.
    gap : Gap, optional
        How far the image is from what the model knows, where that was found out already.

    Yields
    ------
    Event
        A `Notice` where the image is far from what the model knows; last `Finished` with the files.
    """
    micrograph = result.micrograph
    table = None
    # Objects that the databar cuts are cut by the border of the image.
    seen = np.s_[..., : max(one.field.bottom for one in result.overlays), :]
    if result.labels is not None:
        table = measure_objects(result.labels[seen], micrograph.calibration)
        if result.boundary is not None:
            table = with_confidence(table, result.labels[seen], result.boundary[seen])
    told: dict[str, Any] = provenance(
        micrograph=micrograph,
        model=result.model.info(),
        settings=result.config.model_dump(),
        command=segment_command(source, model, result.config, ".", result.precision, micrograph.calibration, also),
    )
    told["computed"] = result.computed
    if gap is None:
        gap = domain_gap(micrograph, result.model, result.config, result.magnification[len(result.magnification) // 2])
    told["domain_gap"] = {**gap.info(), "sentence": gap.sentence}
    told["results"], told["warnings"] = sample_numbers(
        classes=result.classes[seen],
        labels=None if result.labels is None else result.labels[seen],
        table=table,
        calibration=micrograph.calibration,
        class_names={entry.id: entry.name for entry in result.model.classes},
        grains=result.boundary is not None,
    )
    drawn: dict[str, Any] = {"classes": result.classes, "labels": result.labels, "table": table}
    page = sample_page(micrograph, told, **drawn) if "html" in pages else None
    pdf = sample_pdf(micrograph, told, **drawn) if "pdf" in pages else None
    if gap.light != "green":
        yield Notice(gap.sentence)
    yield Finished(
        export_segmentation(
            folder,
            stem_of(micrograph.path) if micrograph.path else micrograph.name,
            classes=result.classes,
            labels=result.labels,
            probabilities=result.probabilities,
            uncertainty=result.uncertainty,
            table=table,
            calibration=micrograph.calibration,
            axes=micrograph.axes.removesuffix("C"),
            provenance=told,
            class_names=[entry.name for entry in result.model.classes],
            page=page,
            pdf=pdf,
            also=also,
            micrograph=micrograph,
        )
    )
