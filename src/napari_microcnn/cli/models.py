"""``napari-microcnn models``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from napari_microcnn.cli.options import AnyDevice
from napari_microcnn.io.errors import printable

app = typer.Typer(rich_markup_mode=None)


@app.command("list", help="List the models that come with the package.")
def list_models(device: AnyDevice = "auto") -> None:
    """Print one line per shipped model: name, classes, size."""
    from napari_microcnn.models import load_model, shipped_models

    for name, path in shipped_models().items():
        model = load_model(name)
        classes = ", ".join(f"{entry.id} = {entry.name}" for entry in model.classes)
        typer.echo(printable(f"{name}: {classes}; {path.stat().st_size / 1e6:.1f} MB"))


@app.command("info", help="Print all that a model says about itself, as JSON.")
def info(
    model: Annotated[str, typer.Argument(help="Name of a shipped model, or a model file.")],
    device: AnyDevice = "auto",
) -> None:
    """Print a model's architecture, classes, normalisation and provenance."""
    from napari_microcnn.models import open_model

    typer.echo(printable(json.dumps(open_model(model).info(), indent=2, ensure_ascii=False, default=str)))


@app.command("reference", help="Store in a model what it learned from, to tell strange images.")
def reference(
    model: Annotated[str, typer.Argument(help="Name of a shipped model, or a model file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model to write (.safetensors).")],
    images: Annotated[
        list[Path] | None,
        typer.Option(help="Micrographs that it learned from, or folders of them; without: synthetic polycrystals."),
    ] = None,
    device: AnyDevice = "auto",
) -> None:
    """Write a copy of a model that knows what it learned from.

    Raises
    ------
    ValueError
        If the model is a classifier, or there are too few pictures.
    """
    from napari_microcnn.cli.running import follow
    from napari_microcnn.models import load_model, save_model

    loaded = load_model(model)
    if images:
        from napari_microcnn.io.inputs import named_files
        from napari_microcnn.io.read import read_micrograph
        from napari_microcnn.predict.gap import remember

        known = remember(loaded, [read_micrograph(path) for path in named_files(images)])
    else:
        from napari_microcnn.train.familiarity import remember_synthetic

        known = follow(remember_synthetic(loaded), "Describing pictures")
    typer.echo(str(save_model(known, output)))


@app.command("export", help="Write a segmenter for other programs: ONNX, or a package of the BioImage Model Zoo.")
def export(
    model: Annotated[str, typer.Argument(help="Name of a shipped model, or a model file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="FILE.onnx, or FILE.zip for the zoo.")],
    image: Annotated[
        Path | None, typer.Option(help="Micrograph to check it on, and the zoo's example; without: the real sample.")
    ] = None,
    device: AnyDevice = "auto",
) -> None:
    """Write a model, after its answer has been compared with PyTorch's.

    Raises
    ------
    ValueError
        If the ending is neither ``.onnx`` nor ``.zip``, or the answers differ.
    """
    import numpy as np

    from napari_microcnn.io.read import read_micrograph
    from napari_microcnn.io.samples import nanoporous
    from napari_microcnn.models import load_model

    kind = _exchanged(output)
    loaded = load_model(model)
    shown = read_micrograph(image) if image is not None else nanoporous()[0]
    plane = np.asarray(next(shown.planes())[1][:1024, :1024])
    if kind == ".zip":
        from napari_microcnn.models.zoo import export_zoo

        typer.echo(f"{export_zoo(loaded, output, plane)} passes the zoo's test.")
        return
    from napari_microcnn.data.normalisation import intensity_limits, normalise
    from napari_microcnn.models.onnx_file import export_onnx

    difference = export_onnx(loaded, output, normalise(plane, intensity_limits(plane)))
    typer.echo(f"{output} answers as PyTorch does, to {difference:.1g}.")


@app.command("import", help="Open what `models export` has written, and save it as a model file.")
def import_model(
    source: Annotated[Path, typer.Argument(help="FILE.onnx, or FILE.zip of the zoo.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model to write (.safetensors).")],
    device: AnyDevice = "auto",
) -> None:
    """Write a model file from another format.

    Raises
    ------
    ValueError
        If the file cannot be read, or holds a network of another program.
    """
    from napari_microcnn.models import save_model

    if _exchanged(source) == ".zip":
        from napari_microcnn.models.zoo import import_zoo

        loaded = import_zoo(source)
    else:
        from napari_microcnn.models.onnx_file import import_onnx

        loaded = import_onnx(source)
    typer.echo(str(save_model(loaded, output)))


def _exchanged(path: Path) -> str:
    kind = path.suffix.lower()
    if kind not in (".onnx", ".zip"):
        raise ValueError(f"{path.name}: models are exchanged as .onnx, or as .zip of the BioImage Model Zoo.")
    return kind
