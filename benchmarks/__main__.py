"""Run benchmarks: ``python -m benchmarks [NAME ...]``; without a name all of them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import Table
from benchmarks.running import Row, rows_of, run_each, summary

_RESULTS = Path(__file__).parent / "results"
_SUMMARY = _RESULTS / "summary.md"
NAMES = (
    "imports",
    "start",
    "receptive",
    "pointing",
    "skips",
    "lab",
    "synth",
    "onsager",
    "ising",
    "steel",
    "transition",
    "tiles",
    "prediction_peers",
    "training_speed",
    "gpu",
    "workers",
    "cluster_faults",
    "large",
    "cap",
    "grains",
    "grain_size",
    "measuring",
    "table",
    "batch",
    "exchange",
    "particles",
    "gap",
    "mine",
    "strokes",
    "few_shot",
    "dense",
    "fuzz",
    "kills",
    "cycles",
    "autosave",
    "heartbeat",
    "live",
)


def main(words: Sequence[str] | None = None) -> int:
    """Run what was asked for, print every table and then all bars; 1 if a benchmark failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--keep", action="store_true", help="write the tables to benchmarks/results")
    arguments = parser.parse_args(words)
    unknown = set(arguments.names) - set(NAMES)
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(NAMES)}")
    rows: list[Row] = []
    failed = []
    for name, table in run_each(arguments.names or NAMES):
        rows += rows_of(name, table)
        if table is None:
            failed.append(name)
        else:
            print(table, end="\n\n", flush=True)
        if arguments.keep:  # at once: the next one may take hours
            _keep(name, table, rows)
    print(summary(rows, _kept() if arguments.keep else "", NAMES))
    if failed:
        print(f"Failed, as told above: {', '.join(failed)}.", file=sys.stderr)
    return 1 if failed else 0


def _keep(name: str, table: Table | None, rows: Sequence[Row]) -> None:
    if table is not None and table.rows:
        (_RESULTS / f"{name}.md").write_text(f"{table}\n", encoding="utf-8")
    if rows:
        _SUMMARY.write_text(f"{summary(rows, _kept(), NAMES)}\n", encoding="utf-8")


def _kept() -> str:
    return _SUMMARY.read_text(encoding="utf-8") if _SUMMARY.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
