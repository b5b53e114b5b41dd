"""How long the package takes to start."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

from benchmarks.common import Table, seconds


def run() -> Table:
    """Time an import and the help of the command line against a bare interpreter."""
    table = Table("Starting", ("what", "seconds", "times a bare interpreter", "bar (s)"))
    codes = {
        "python": ("", ""),
        "import napari_microcnn": ("import napari_microcnn", "0.1 above bare"),
        "napari-microcnn --help": ("from napari_microcnn.cli import main; main(['--help'])", ""),
        "import torch (for scale)": ("import torch", ""),
    }
    bare = None
    for name, (code, bar) in codes.items():
        action = partial(subprocess.run, [sys.executable, "-c", code], check=True, capture_output=True)
        took = seconds(action, repeats=5)
        bare = bare or took
        table.add(name, took, took / bare, bar)
        if bar:
            table.at_most(f"{name} (s above bare)", took - bare, 0.1)
    return table
