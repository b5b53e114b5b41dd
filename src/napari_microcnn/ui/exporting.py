"""What the Export dock lets a worker do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_microcnn.config import SegmentConfig
from napari_microcnn.events import Finished, Job, Progress
from napari_microcnn.micrograph import Calibration, Micrograph
from napari_microcnn.ui.pairing import OnDisk, opened

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class ExportOrder:
    """What to write where.

    Attributes
    ----------
    folder, stem, format
        Where, under which name, and ``"ome-tiff"``, ``"tiff"`` or ``"png"``.
    also : tuple of str
        Further formats, see `napari_microcnn.io.export.export_segmentation`.
    classes, labels : numpy.ndarray or None
        Maps to write.
    measured : numpy.ndarray or None
        Labels for the table of measurements.
    model : Path or None
        Model file to copy.
    made_by : str or None
        Model file that made the maps, for the provenance.
    settings : dict
        Settings that made the maps.
    computed : dict
        Device, precision and magnifications that made them.
    calibration : Calibration or None
        Size of their pixels.
    """

    folder: Path
    stem: str
    format: str
    also: tuple[str, ...]
    classes: Array | None
    labels: Array | None
    measured: Array | None
    model: Path | None
    made_by: str | None
    settings: dict[str, Any]
    computed: dict[str, Any]
    calibration: Calibration | None


def export(order: ExportOrder, source: Micrograph | OnDisk | None) -> Job[list[Path]]:
    """Write what was ordered; every file appears complete or not at all."""
    from napari_microcnn.io.atomic import replacing
    from napari_microcnn.io.exchange import check_dimensions, check_formats
    from napari_microcnn.io.export import export_segmentation
    from napari_microcnn.io.provenance import provenance
    from napari_microcnn.io.results import check_replaceable
    from napari_microcnn.measure.objects import measure_objects
    from napari_microcnn.models import load_model

    first = next((array for array in (order.classes, order.labels, order.measured) if array is not None), None)
    written: list[Path] = []
    if first is not None:
        check_replaceable(order.folder, order.stem)
        check_formats(order.also)
        check_dimensions(order.also, first.ndim)
        axes = {2: "YX", 3: "ZYX", 4: "TZYX"}[first.ndim]
        micrograph = opened(source) if source else Micrograph(first, axes, order.calibration, order.stem)
        yield Progress(0, 3, "Measuring")
        table = None
        if order.measured is not None:
            table = measure_objects(_above_databar(order.measured, micrograph), order.calibration)
        yield Progress(1, 3, "Writing")
        made_by = order.made_by if order.made_by and Path(order.made_by).is_file() else None
        told = provenance(
            micrograph=micrograph,
            model=load_model(made_by).info() if made_by else None,
            settings=order.settings,
            command=_command(micrograph, order),
        )
        told["computed"] = order.computed or None
        written += export_segmentation(
            order.folder,
            order.stem,
            classes=order.classes,
            labels=order.labels,
            table=table,
            calibration=order.calibration,
            axes=axes,
            format=order.format,
            also=order.also,
            provenance=told,
            micrograph=micrograph if source else None,
        )
    yield Progress(2, 3, "Writing")
    if order.model is not None:
        order.folder.mkdir(parents=True, exist_ok=True)
        path = order.folder / order.model.name
        if path.exists() and path.read_bytes() != order.model.read_bytes():
            raise ValueError(f"{path} is another model and would be replaced; choose another folder.")
        with replacing(path) as temporary:
            temporary.write_bytes(order.model.read_bytes())
        written.append(path)
    yield Finished(written)


def _above_databar(labels: Array, micrograph: Micrograph) -> Array:
    """Return labels without the rows of a databar: what it cuts is cut by the border of the image."""
    from napari_microcnn.data.databar import overlays_of

    if micrograph.plane_shape != labels.shape[-2:]:
        return labels
    bottom = max(overlays_of(plane, micrograph.metadata).field.bottom for _, plane in micrograph.planes())
    return labels[..., :bottom, :]


def _command(micrograph: Micrograph, order: ExportOrder) -> str:
    """Return the command line that segments the same image in the same way; empty when nothing was segmented."""
    from napari_microcnn.io.scripts import segment_command

    if order.made_by is None:
        return ""
    source, config = micrograph.path or micrograph.name, SegmentConfig(**order.settings)
    return segment_command(
        source, order.made_by, config, order.folder, order.computed.get("precision"), order.calibration, order.also
    )
