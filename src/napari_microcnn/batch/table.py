"""What is told of many segmented images together: one table, one page, one record."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

from napari_microcnn.io.export import write_recorded
from napari_microcnn.io.page import page_of
from napari_microcnn.io.page_parts import spoken
from napari_microcnn.io.pairs import stem_of
from napari_microcnn.io.results import check_replaceable, read_record
from napari_microcnn.io.write import write_table_to

BATCH = "batch"
"""Stem of the files that tell about all images."""

_OF_ONE = ("fields", "relative_accuracy")
"""How the numbers begin that say something of one image alone."""
_SHARED = ("software", "versions", "python", "platform", "model", "settings", "seed")


def check_batch(folder: Path, files: Sequence[Path]) -> None:
    """Make sure that what is told of all images has a name of its own, before any work is done.

    Raises
    ------
    ValueError
        If an image or a file of somebody else has it.
    """
    for path in files:
        if stem_of(path) == BATCH:
            raise ValueError(f"{path} has the name of the table of all images; rename it.")
    check_replaceable(folder, BATCH)


def write_batch(folder: Path, files: Sequence[Path], failed: Mapping[Path, str]) -> list[Path]:
    """Write ``batch.csv``, a row per image, ``batch.html`` and ``batch.json``, from the records of the images.

    Parameters
    ----------
    folder : Path
        Where the records are.
    files : sequence of Path
        All images, in the order of the rows.
    failed : mapping of Path to str
        Why some of them could not be done.
    """
    records = {path: {} if path in failed else read_record(folder / f"{stem_of(path)}.json") for path in files}
    columns = _columns(records, failed)
    done = [record for record in records.values() if record]
    told: dict[str, Any] = {key: done[0].get(key) for key in _SHARED} if done else {"software": "napari-microcnn"}
    told |= {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "inputs": [record["input"] for record in done],
        "failed": {path.name: reason for path, reason in failed.items()},
        "records": [f"{stem_of(path)}.json" for path, record in records.items() if record],
    }
    told["overall"] = overall = _overall([record.get("results", {}) for record in done])
    page = _page(columns, records, overall)
    writers: dict[str, Callable[[Path], object]] = {
        f"{BATCH}.csv": lambda file: write_table_to(file, columns),
        f"{BATCH}.html": lambda file: file.write_text(page, encoding="utf-8"),
    }
    return write_recorded(folder, writers, f"{BATCH}.json", told)


def _columns(records: Mapping[Path, Mapping[str, Any]], failed: Mapping[Path, str]) -> dict[str, list[Any]]:
    """Return the table: nothing of when or where, so that it is the same however often a run was interrupted."""
    results = [record.get("results", {}) for record in records.values()]
    names = list(dict.fromkeys(name for one in results for name in one))
    gaps = [record.get("domain_gap") or {} for record in records.values()]
    return {
        "file": [path.name for path in records],
        "status": [failed.get(path, "done") for path in records],
        "sha256": [(record.get("input") or {}).get("sha256") or "" for record in records.values()],
        "domain_gap": [gap.get("light", "") for gap in gaps],
        **{name: [_cell(one.get(name)) for one in results] for name in names},
    }


def _overall(results: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return of every number that several images have: how many have it, mean, standard deviation, 95 % interval.

    The mean of fields with t s / sqrt(n), as ASTM E112 and E562 ask for; %RA is half of the interval in percent.
    """
    found = {}
    for name in dict.fromkeys(name for one in results for name in one):
        if name.endswith(("_low", "_high")) or name.startswith(_OF_ONE):
            continue
        given = [one[name] for one in results if isinstance(one.get(name), int | float)]
        values = np.array([value for value in given if math.isfinite(value)], float)
        if len(values) < 2:
            continue
        mean, spread = float(values.mean()), float(values.std(ddof=1))
        margin = float(student.ppf(0.975, len(values) - 1)) * spread / math.sqrt(len(values))
        found[name] = {"images": len(values), "mean": mean, "std": spread, "low": mean - margin, "high": mean + margin}
        if mean:
            found[name]["relative_accuracy_percent"] = 100 * margin / abs(mean)
    return found


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.9g}" if isinstance(value, float) else str(value)


def _page(
    columns: Mapping[str, Sequence[Any]],
    records: Mapping[Path, Mapping[str, Any]],
    overall: Mapping[str, Mapping[str, float]],
) -> str:
    """Return the tables as a page; images with a page of their own are linked to it."""
    # Ends of intervals and hashes are in the table that computers read; here they would hide the numbers.
    ends = {f"{name}{end}" for name in columns for end in ("_low", "_high")} | {"sha256"}
    columns = {name: [_short(cell) for cell in column] for name, column in columns.items() if name not in ends}
    heads = "".join(f"<th>{escape(' / '.join(part for part in spoken(name) if part))}</th>" for name in columns)
    rows = []
    for record, (path, *cells) in zip(records.values(), zip(*columns.values(), strict=True), strict=True):
        link = next((name for name in record.get("files", ()) if name.endswith((".html", ".pdf"))), None)
        first = f'<a href="{escape(link)}">{escape(path)}</a>' if link else escape(path)
        rows.append(f"<tr><td>{first}</td>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    done = sum(bool(record) for record in records.values())
    title = f"{done} of {len(records)} images segmented"
    table = f'<div style="overflow-x:auto"><table><tr>{heads}</tr>{"".join(rows)}</table></div>'
    together = [f"<h2>All images together</h2>{_together(overall)}<h2>Image by image</h2>"] if overall else []
    return page_of(title, [f"<h1>{title}</h1>", *together, table])


def _short(cell: str) -> str:
    """Return a number with the digits that people read; anything else as it is."""
    try:
        number = float(cell)
    except ValueError:
        return cell
    return cell if number.is_integer() else f"{number:.4g}"


def _together(overall: Mapping[str, Mapping[str, float]]) -> str:
    heads = ("", "mean", "unit", "95 % interval", "standard deviation", "%RA", "images")
    rows = []
    for name, one in overall.items():
        words, unit = spoken(name)
        accuracy = f"{one['relative_accuracy_percent']:.3g}" if "relative_accuracy_percent" in one else ""
        between = f"{one['low']:.4g} to {one['high']:.4g}"
        cells = (words, f"{one['mean']:.4g}", unit, between, f"{one['std']:.3g}", accuracy, str(one["images"]))
        rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    return f"<table><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>{''.join(rows)}</table>"
