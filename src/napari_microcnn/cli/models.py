"""``napari-microcnn models``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from napari_microcnn.cli.options import AnyDevice

app = typer.Typer(rich_markup_mode=None)


@app.command("list", help="List the models that come with the package.")
def list_models(device: AnyDevice = "auto") -> None:
    """Print one line per shipped model: name, classes, size."""
    from napari_microcnn.models import load_model, shipped_models

    for name, path in shipped_models().items():
        model = load_model(name)
        classes = ", ".join(f"{entry.id} = {entry.name}" for entry in model.classes)
        typer.echo(f"{name}: {classes}; {path.stat().st_size / 1e6:.1f} MB")


@app.command("info", help="Print all that a model says about itself, as JSON.")
def info(
    model: Annotated[str, typer.Argument(help="Name of a shipped model, or a model file.")],
    device: AnyDevice = "auto",
) -> None:
    """Print a model's architecture, classes, normalisation and provenance."""
    from napari_microcnn.models import open_model

    typer.echo(json.dumps(open_model(model).info(), indent=2, ensure_ascii=False, default=str))
