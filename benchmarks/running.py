"""Benchmarks one after the other, each in a process of its own, and one table of all the bars that they check."""

from __future__ import annotations

import importlib
import multiprocessing
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date

from benchmarks.common import Table

_COLUMNS = ("benchmark", "what", "figure", "bar", "held", "date")
Row = Sequence[str]


def run_each(names: Sequence[str], package: str = "benchmarks") -> Iterator[tuple[str, Table | None]]:
    """Yield the name of every benchmark and its table, or None if it failed, which is told.

    Nothing that one leaves behind, or dies of, touches the others.
    """
    for name in names:
        yield name, _run(f"{package}.{name}")


def _run(module: str) -> Table | None:
    try:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            return process.submit(_table, module).result()
    except Exception:  # noqa: BLE001 - whatever it is, the others are wanted
        traceback.print_exc()
        return None


def _table(module: str) -> Table:
    table: Table = importlib.import_module(module).run()
    return table


def rows_of(name: str, table: Table | None) -> list[Row]:
    """Return what the table of all bars says of a benchmark; nothing if it was skipped."""
    today = date.today().isoformat()
    if table is None:
        return [(name, "runs to its end", "", "", "no", today)]
    return [
        (name, bar.what, f"{bar.figure:.4g}", f"{bar.limit:g}", "yes" if bar.held else "no", today)
        for bar in table.bars
    ]


def summary(rows: Sequence[Row], before: str, order: Sequence[str]) -> Table:
    """Return the table of all bars: new rows, and old ones of benchmarks that have no new row.

    Parameters
    ----------
    rows : sequence of Row
        Of this run.
    before : str
        The table as it was printed by an earlier run; may be empty.
    order : sequence of str
        All benchmarks, in the order in which they are told.
    """
    note = "Every row is of the run of its day; how each figure is measured is told in the table of its benchmark."
    table = Table("All bars", _COLUMNS, note=note)
    new = {row[0] for row in rows}
    old = [row for row in _rows_in(before) if row[0] in order and row[0] not in new]
    for row in sorted([*old, *rows], key=lambda row: order.index(row[0])):
        table.add(*row)
    return table


def _rows_in(text: str) -> list[Row]:
    """Return the rows of a printed table."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
