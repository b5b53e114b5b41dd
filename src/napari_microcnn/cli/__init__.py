"""The command line, ``napari-microcnn``: the same jobs as in the docks, without a window."""

from napari_microcnn.cli.main import main

__all__ = ["main"]
