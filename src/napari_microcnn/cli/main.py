"""The commands together, and how a run of one ends: 0, 2 with one line, or 130."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Annotated

import typer

from napari_microcnn.cli import (
    adapt,
    classify,
    demo,
    explain,
    measure,
    models,
    replay,
    segment,
    sureness,
    synth,
    train,
    transition,
    window,
)
from napari_microcnn.cli.running import say
from napari_microcnn.device import MEMORY_ERRORS, out_of_memory, share_addresses, wanted_memory
from napari_microcnn.io.errors import one_line

USER_MISTAKE, INTERRUPTED = 2, 130

# Usage errors have a common base, which typer does not export (and older versions take from click).
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]

_COMMANDS = (
    "open",
    "demo",
    "synth",
    "train",
    "train-synthetic",
    "adapt",
    "segment",
    "classify",
    "explain",
    "measure",
    "models",
    "replay",
)

app = typer.Typer(
    name="napari-microcnn",
    help="Segment micrographs, teach the network with a few strokes, measure grains, phases and particles. "
    "Without a command: open napari with the docks, and the given files.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("open", help="Open files in napari with the docks; the word 'open' may be left out.")(window.open_window)
app.command("demo", help="The main job without a screen, on the built-in micrograph.")(demo.demo)
app.add_typer(synth.app, name="synth", help="Make synthetic micrographs with exact labels.")
app.command("train", help="Train a segmenter on images and label images of the same names.")(train.train)
app.command(
    "train-synthetic", help="Train a model of grain boundaries, particles or textures on synthetic micrographs alone."
)(train.train_synthetic)
app.command("adapt", help="Adapt a model of grain boundaries to the look of a micrograph, without annotation.")(
    adapt.adapt_model
)
app.command("segment", help="Segment images and write masks, tables and their provenance.")(segment.segment_files)
classify.app.command("transition", help="Case study: where networks see the phase transition of the Ising model.")(
    transition.transition
)
app.add_typer(classify.app, name="classify", help="Give images a class: train, predict, evaluate.")
app.command("explain", help="Find what in an image speaks for a class: a heatmap over the image.")(
    explain.explain_files
)
measure.app.command("sureness", help="How sure the numbers of micrographs are: other outlines, thresholds and sides.")(
    sureness.sureness
)
app.add_typer(measure.app, name="measure", help="Measure label images or class maps.")
app.command(
    "replay", help="Repeat what a JSON file of segment or measure tells, and say whether the result is the same."
)(replay.replay)
app.add_typer(models.app, name="models", help="List and describe models.")


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("napari-microcnn"))
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where in the program a mistake was found.")] = False,
) -> None:
    """Take the options that stand before the command; both act elsewhere."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the program's name; those of this process by default.

    Returns
    -------
    int
        0: done; 2: a mistake that the user can mend, told in one line; 130: interrupted.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or (words[0] not in _COMMANDS and not words[0].startswith("-")):
        words.insert(0, "open")
    # Threads that wait by spinning make training several times slower as soon as another program works too.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is imported, which is later
    share_addresses()
    if threading.current_thread() is threading.main_thread():  # a cluster's time limit keeps the best model too
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = app(words, prog_name="napari-microcnn", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except _UsageError as error:
        say(one_line(error.format_message() if hasattr(error, "format_message") else error))
        return USER_MISTAKE
    except (ValueError, OSError) as error:
        if "--debug" in words[:1]:
            raise
        say(one_line(error))
        return USER_MISTAKE
    except MEMORY_ERRORS as error:
        if "--debug" in words[:1] or not out_of_memory(error):
            raise
        more = wanted_memory(error)
        say(f"The memory is too small for this{more}; close other programs, or take fewer or smaller images.")
        return USER_MISTAKE
    if code == INTERRUPTED:  # which typer returns or raises, depending on its version
        say("Interrupted.")
    return code if isinstance(code, int) else 0
