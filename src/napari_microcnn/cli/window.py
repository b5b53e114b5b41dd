"""Opening napari with the docks."""

from __future__ import annotations

import importlib.util
import os
import runpy
import sys
from pathlib import Path
from typing import Annotated

import typer


def open_window(
    files: Annotated[list[Path] | None, typer.Argument(metavar="[FILE]...", help="Micrographs to open.")] = None,
) -> None:
    """Open napari with the docks, on the files or on the built-in sample.

    Raises
    ------
    ValueError
        If a file does not exist, napari is not installed, or there is no screen.
    """
    paths = files or []
    for path in paths:
        if not path.exists():
            raise ValueError(f"{str(path)!r} is neither a file nor a command; see napari-microcnn --help.")
    if importlib.util.find_spec("napari") is None:
        raise ValueError("napari is not installed here; install it with: pip install 'napari-microcnn[all]'")
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise ValueError(
            "There is no screen (DISPLAY and WAYLAND_DISPLAY are empty); without one use the commands, "
            "for example: napari-microcnn demo -o demo"
        )
    # By name, because the command line must work where neither napari nor a Qt is installed.
    sys.argv = ["napari-microcnn", *map(str, paths)]
    runpy.run_module("napari_microcnn.ui", run_name="__main__", alter_sys=True)
