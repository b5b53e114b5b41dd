"""Run benchmarks: ``python -m benchmarks [NAME ...]``; without a name all of them."""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
from pathlib import Path

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


def main() -> None:
    """Run what was asked for, print every table and keep it in results/."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--keep", action="store_true", help="write the tables to benchmarks/results")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(NAMES)
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(NAMES)}")
    for name in arguments.names or NAMES:
        if name in ("heartbeat", "live", "table"):  # need a screen and a process of their own, and print as they go
            subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
            continue
        table = importlib.import_module(f"benchmarks.{name}").run()
        print(table, end="\n\n", flush=True)
        if arguments.keep and table.rows:
            folder = Path(__file__).parent / "results"
            folder.mkdir(exist_ok=True)
            (folder / f"{name}.md").write_text(f"{table}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
