"""Writing what the Measure dock found, with all that is needed to find it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_microcnn.events import Finished, Job, Progress
from napari_microcnn.micrograph import Calibration, Micrograph
from napari_microcnn.ui.measure_tasks import GRAINS, PHASES, Array, Columns, Measurement, Order
from napari_microcnn.ui.pairing import OnDisk, opened


@dataclass(frozen=True, eq=False)
class Origin:
    """Where labels come from, as far as their layer knows: image, model file and settings; and their pixel size."""

    source: Micrograph | OnDisk | None
    model: str | None
    settings: Mapping[str, Any]
    calibration: Calibration | None


def write_measurement(path: Path, columns: Columns, found: Measurement, order: Order, origin: Origin) -> Job[Path]:
    """Write a table, beside it what was measured, the numbers and how they came; or a page, ``.html`` or ``.pdf``.

    Runs in the worker.
    """
    from napari_microcnn.io.atomic import replacing
    from napari_microcnn.io.page import sample_page
    from napari_microcnn.io.pdf import sample_pdf
    from napari_microcnn.io.provenance import provenance
    from napari_microcnn.models import load_model

    yield Progress(0, 1, "Writing")
    labels = Micrograph(found.labels, "YX", origin.calibration, path.stem)
    micrograph = labels if origin.source is None else opened(origin.source)
    there = origin.model is not None and Path(origin.model).is_file()
    info = load_model(origin.model).info() if origin.model is not None and there else None
    settings = {"measuring": found.settings, "segmenting": dict(origin.settings)}
    told = provenance(micrograph=micrograph, model=info, settings=settings, command="")
    told |= {"results": found.summary, "warnings": list(found.warnings)}
    if path.suffix.lower() not in (".html", ".pdf"):
        _write_table(path, columns, order, told)
        yield Finished(path)
        return
    fits = micrograph.plane_shape == found.labels.shape and not micrograph.stack_shape
    drawn = {"classes" if found.kind == PHASES else "labels": found.labels} if fits else {}
    make = sample_pdf if path.suffix.lower() == ".pdf" else sample_page
    page = make(micrograph, told, **drawn, table=columns if found.kind != PHASES else None)
    with replacing(path) as unfinished:
        unfinished.write_bytes(page if isinstance(page, bytes) else page.encode())
    yield Finished(path)


def _write_table(path: Path, columns: Columns, order: Order, told: dict[str, Any]) -> None:
    """Write a table with its record, and the masks that `replay` measures again."""
    from napari_microcnn.io.atomic import replacing_all
    from napari_microcnn.io.provenance import command_line, file_sha256
    from napari_microcnn.io.write import write_image_to, write_json_to, write_table_to

    record = path.with_name(f"{path.stem}_summary.json")
    fields = {path.with_name(f"{path.stem}_field{number}.tif"): one for number, one in enumerate(_cut(order), 1)}
    marks = {path.with_name(f"{path.stem}_twins.tif"): order.twins} if order.twins is not None else {}
    if not record.exists():
        for mask in (*fields, *marks):
            if mask.exists():
                raise ValueError(f"{mask} is there already and would be replaced; give the table another name.")
    sizes = dict(zip(fields, order.calibrations, strict=True))
    with replacing_all([path, *fields, *marks, record]) as (table, *masks, last):
        write_table_to(table, columns)
        for file, (mask, pixels) in zip(masks, (fields | marks).items(), strict=True):
            stored = pixels.astype(np.uint8) if pixels.dtype.kind == "b" else pixels
            write_image_to(file, stored, axes="YX", calibration=sizes.get(mask), format="ome-tiff", name=mask.stem)
        told["inputs"] = [
            {"path": mask.name, "sha256": file_sha256(file)} for file, mask in zip(masks, fields, strict=False)
        ]
        if len({None if one is None else (one.pixel_size, one.unit) for one in order.calibrations}) == 1:
            # Others cannot be pooled by the command.
            told["command"] = command_line(f"measure {order.kind}", list(fields), **_options(order, marks), o=str(path))
        write_json_to(last, told)


def _cut(order: Order) -> list[Array]:
    """Return the fields as far as they were measured: class maps have no value of their own for a databar."""
    alike = order.fields[0].shape
    return [one[order.inside] if order.kind == PHASES and one.shape == alike else one for one in order.fields]


def _options(order: Order, marks: Mapping[Path, Any]) -> dict[str, Any]:
    """Return the options of the command that measures the same."""
    if order.kind == PHASES:
        return {"thickness": order.thickness, "tortuosity": order.tortuosity}
    if order.kind != GRAINS:
        return {}
    twins = {"twins" if order.own else "twin_boundaries": str(mask) for mask in marks}
    return {**twins, **order.config.model_dump(exclude_defaults=True)}
